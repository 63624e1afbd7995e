"""The plain scalars of YAML as kubectl understands them, and its numbers and keys as JSON has them.

kubectl reads YAML with go-yaml's second version, which follows YAML 1.1 with exceptions of its own: `y` is
true, `1e3` and `0o17` are numbers, `1:30` and a date are texts, and `08` is the number 8. No reader of Python
does the same, hence this table; the end-to-end tests hold it against kubectl itself.
"""

import math
import re
import struct
from decimal import Decimal

Scalar = str | bool | int | float | None

INT64 = range(-(2**63), 2**63)

_UINT64 = 2**64
_BOOLEANS = {
    spelt: value
    for value, words in ((True, ("y", "yes", "true", "on")), (False, ("n", "no", "false", "off")))
    for word in words
    for spelt in (word, word.capitalize(), word.upper())
}
_NULLS = ("", "~", "null", "Null", "NULL")
_NOT_FINITE = {
    f"{sign}{word}": value
    for sign, value in (("", math.inf), ("+", math.inf), ("-", -math.inf))
    for word in (".inf", ".Inf", ".INF")
} | dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)
_WORDS: dict[str, Scalar] = {**_BOOLEANS, **dict.fromkeys(_NULLS), **_NOT_FINITE}

_WHOLE = re.compile(
    r"(?P<sign>[-+]?)"
    r"(?:0[bB](?P<two>[01]+)|0[xX](?P<sixteen>[0-9a-fA-F]+)|0[oO]?(?P<eight>[0-7]+)|(?P<ten>0|[1-9][0-9]*))"
)
_BASES = {"two": 2, "eight": 8, "ten": 10, "sixteen": 16}
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def resolve(text: str) -> Scalar:
    """Give the value of an unquoted scalar without a tag."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    # Underscores are digits' separators, but not in a number that begins with its point.
    digits = text if text[0] == "." else text.replace("_", "")
    whole = _whole(digits)
    if whole is not None:
        return whole
    number = float(digits) if _NUMBER.fullmatch(digits) else math.inf
    return number if math.isfinite(number) else text


def _whole(digits: str) -> int | None:
    match = _WHOLE.fullmatch(digits)
    if match is None:
        return None
    base, found = next((base, match[name]) for name, base in _BASES.items() if match[name] is not None)
    # More digits than 64 bits can have: not worth the conversion, which Python bounds too.
    number = int(found, base) if len(found) <= 64 else _UINT64
    if match["sign"]:
        number = -number if match["sign"] == "-" else number
        return number if number in INT64 else None
    return number if number < _UINT64 else None


def json_number(number: float) -> int | float:
    """A finite number as it arrives in the API server: whole where it is whole and an int64.

    kubectl writes the shortest decimal text that means the number, and whoever reads that takes it for an
    int64 where it can.

    Raises:
        ValueError: it is too large for a double.
    """
    if isinstance(number, int):
        return number if number in INT64 else _double(number)
    shortest = Decimal(repr(number))
    whole = int(shortest)
    return whole if shortest == whole and whole in INT64 else number


def _double(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ValueError(f"{str(number)[:20]}… is too large a number") from None


def key_text(key: Scalar) -> str:
    """A key as the text that kubectl makes of it.

    Raises:
        ValueError: it makes none of null, and of whole numbers above int64.
    """
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int) and key in INT64:
        return str(key)
    if isinstance(key, float):
        return _single(key)
    raise ValueError(f"{'null' if key is None else key} cannot be a key")


def _single(number: float) -> str:
    """A number in the shortest digits that single precision tells apart, as Go's `'g'` writes them."""
    if math.isnan(number):
        return ".nan"
    single = _rounded(number)
    if math.isinf(single):
        return ".inf" if single > 0 else "-.inf"
    written = next(text for digits in range(9) if _rounded(float(text := f"{single:.{digits}e}")) == single)
    exponent = int(written.partition("e")[2])
    return f"{Decimal(written):f}" if -4 <= exponent < 6 else written


def _rounded(number: float) -> float:
    """The nearest number of single precision."""
    try:
        (single,) = struct.unpack("f", struct.pack("f", number))
    except OverflowError:
        return math.copysign(math.inf, number)
    return float(single)
