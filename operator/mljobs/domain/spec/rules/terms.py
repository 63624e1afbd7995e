"""Terms: conditions over a JSON value that can be tested here and said in CEL, from one definition.

A rule of the table is one term. Because `test` and `cel` are built together by the same constructor, the core
and the API server judge alike. A term without CEL can only be tested here.

Two families: *conditions* (`given`, `positive`, `is_one_of`, …) are false where the field is absent or of
another type; *checks* (`fits`, `at_least`, …) are true there, since what is absent or mistyped is somebody
else's problem. Paths are relative to the value under test, and the empty path is that value itself.

The CEL is written for few steps, which are what it costs, most of all in a CRD, where the API server copies
the schemas of all fields for each step into an object. So a path is walked once (`self.?a.?b`) wherever its
value is not needed again, and what is absent mostly comes first in `any_of`, `all_of` and `implies`.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

from mljobs.api.base import EXACT
from mljobs.domain.spec.problems import MISSING


@dataclass(frozen=True)
class Term:
    """A condition over a value.

    Attributes:
        test: the condition.
        cel: the same over `self`, or None if CEL cannot say it within the API server's cost limits.
        uses: the paths that it reads, so that nothing is concluded from a field of the wrong type.
    """

    test: Callable[[Any], bool]
    cel: str | None = None
    uses: frozenset[str] = frozenset({""})

    def __and__(self, other: "Term") -> "Term":
        return all_of(self, other)

    def __or__(self, other: "Term") -> "Term":
        return any_of(self, other)

    def __invert__(self) -> "Term":
        cel, test = None if self.cel is None else f"!({self.cel})", self.test
        return Term(lambda node: not test(node), cel, self.uses)

    def implies(self, other: "Term") -> "Term":
        """Whether `other` holds where this does."""
        return ~self | other


def any_of(*terms: Term) -> Term:
    """Whether at least one holds."""
    return Term(_folded(_either, terms), _join("||", *terms), _used(terms))


def all_of(*terms: Term) -> Term:
    """Whether all hold."""
    return Term(_folded(_both, terms), _join("&&", *terms), _used(terms))


_Test = Callable[[Any], bool]


def _folded(pair: Callable[[_Test, _Test], _Test], terms: Iterable[Term]) -> _Test:
    """One test of several; any() and all() over a generator take twice as long, and nearly all are pairs."""
    return reduce(pair, [term.test for term in terms])


def _either(one: _Test, other: _Test) -> _Test:
    return lambda node: one(node) or other(node)


def _both(one: _Test, other: _Test) -> _Test:
    return lambda node: one(node) and other(node)


def given(path: str) -> Term:
    """A text that is not empty; in proto3 JSON an empty one equals an absent one."""
    return _holding(path, _is_filled, "''", lambda me: f"{me} != ''")


def filled(path: str) -> Term:
    """A list that is not empty; see `given`."""
    return _holding(path, _is_filled, "[]", lambda me: f"size({me}) > 0")


def present(path: str) -> Term:
    """A field that is there, be it zero or empty."""
    return _condition(path, lambda _: True)


def is_true(path: str) -> Term:
    """A boolean field that is true."""
    return _holding(path, lambda value: value is True, "false", lambda me: me)


def is_one_of(path: str, *words: str) -> Term:
    """A text that is one of the words, of which none is empty."""

    def test(value: Any) -> bool:
        return isinstance(value, str) and value in words

    said = f"in {_listed(words)}" if len(words) > 1 else f"== {_quoted(words[0])}"
    return _holding(path, test, "''", lambda me: f"{me} {said}")


def positive(path: str) -> Term:
    """A whole number, or its decimal text, above zero."""
    return _holding(path, lambda value: (integer(value) or 0) > 0, "0", lambda me: f"int({me}) > 0")


def reads(path: str, pattern: str) -> Term:
    """A text that the pattern matches as a whole."""
    compiled = re.compile(pattern)
    return _condition(
        path,
        lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None,
        lambda me: f"{me}.matches({_quoted(f'^(?:{pattern})$')})",
    )


def one_of(*words: str) -> Term:
    """Check that a text, where it is not empty, is one of the words."""

    def test(value: Any) -> bool:
        return not isinstance(value, str) or value == "" or value in words

    return _check("", test, lambda me: f"{me} == '' || {me} in {_listed(words)}")


def fits(pattern: str, path: str = "") -> Term:
    """Check that a text, where it is given, is matched by the pattern as a whole."""
    compiled = re.compile(pattern)

    def test(value: Any) -> bool:
        return not isinstance(value, str) or value == "" or compiled.fullmatch(value) is not None

    return _check(path, test, lambda me: f"{me} == '' || {me}.matches({_quoted(f'^(?:{pattern})$')})")


def item_fits(pattern: str) -> Term:
    """Check that an item of a list is matched by the pattern as a whole; an empty one is an item, too."""
    compiled = re.compile(pattern)

    def test(value: Any) -> bool:
        return not isinstance(value, str) or compiled.fullmatch(value) is not None

    return _check("", test, lambda me: f"{me}.matches({_quoted(f'^(?:{pattern})$')})")


def at_least(least: int, path: str = "") -> Term:
    """Check that a whole number, or its decimal text, is not below a bound."""

    def test(value: Any) -> bool:
        number = integer(value)
        return number is None or number >= least

    return _check(path, test, lambda me: f"int({me}) >= {least}")


def between(least: int, most: int, path: str = "") -> Term:
    """Check that a whole number, or its decimal text, lies within bounds, both included."""

    def test(value: Any) -> bool:
        number = integer(value)
        return number is None or least <= number <= most

    return _check(path, test, lambda me: f"int({me}) >= {least} && int({me}) <= {most}")


def length(least: int, most: int, path: str = "") -> Term:
    """Check that a list or object, where it is there, has a number of members within bounds."""

    def test(value: Any) -> bool:
        return (
            isinstance(value, str) or not isinstance(value, Mapping | Sequence) or least <= len(value) <= most
        )

    return _check(path, test, lambda me: f"size({me}) >= {least} && size({me}) <= {most}")


def above_zero(path: str = "") -> Term:
    """Check that a number is strictly positive."""

    def test(value: Any) -> bool:
        found = number(value)
        return found is None or found > 0

    return _check(path, test, lambda me: f"{me} > 0.0")


def whole(path: str = "") -> Term:
    """Check that a number has no fraction, and is an int64."""

    def test(value: Any) -> bool:
        found = number(value)
        return found is None or (-(2.0**63) <= float(found) < 2.0**63 and float(found).is_integer())

    def cel(me: str) -> str:
        # From 2^53 on all doubles are whole; int() refuses the least int64.
        large = f"{me} <= -{EXACT}.0 || {me} >= {EXACT}.0"
        return f"{me} >= -{2**63}.0 && {me} < {2**63}.0 && ({large} || double(int({me})) == {me})"

    return _check(path, test, cel)


def exact(path: str = "") -> Term:
    """Check that a number is a double; of the whole ones above 2^53 many are none. CEL sees doubles only."""

    def test(value: Any) -> bool:
        found = number(value)
        return found is None or float(found) == found

    keys = _keys(path)
    return Term(lambda node: test(_at(node, keys)), None, frozenset({path}))


def ordered(low: str, high: str) -> Term:
    """Check that one number is not above another, where both are there."""

    def test(node: Any) -> bool:
        a, b = number(get(node, low)), number(get(node, high))
        return a is None or b is None or a <= b

    cel = f"{absent(low)} || {absent(high)} || {_self(low)} <= {_self(high)}"
    return Term(test, cel, frozenset({low, high}))


def get(node: Any, path: str) -> Any:
    """The member at a dotted path, or `MISSING`; null counts as missing."""
    return _at(node, _keys(path))


@lru_cache(maxsize=4096)
def _keys(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


def _at(node: Any, keys: tuple[str, ...]) -> Any:
    """The same as `get`, for a path that was split before."""
    for key in keys:
        if type(node) is not dict and not isinstance(node, Mapping):  # nearly all are, and the first is quick
            return MISSING
        node = node.get(key)
    return MISSING if node is None else node


def integer(value: Any) -> int | None:
    """Read a whole number or its decimal text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    return None


def number(value: Any) -> float | None:
    """Read a finite JSON number that a double can be close to; None for anything else."""
    try:
        finite = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return None
    return value if finite else None


def _is_filled(value: Any) -> bool:
    return isinstance(value, str | Mapping | Sequence) and len(value) > 0


def _condition(path: str, test: Callable[[Any], bool], cel: Callable[[str], str] = lambda _: "") -> Term:
    """False where the field is absent; `cel` says what else must be so, given the field's name in CEL."""
    said = " && ".join(part for part in (there(path), cel(_self(path))) if part)
    return _tested(path, test, said)


def _holding(path: str, test: Callable[[Any], bool], absent: str, cel: Callable[[str], str]) -> Term:
    """False where the field is absent; `cel` says it over the value, or over what stands for none."""
    return _tested(path, test, cel(_value(path, absent)))


def _tested(path: str, test: Callable[[Any], bool], said: str) -> Term:
    keys = _keys(path)
    return Term(
        lambda node: (found := _at(node, keys)) is not MISSING and test(found), said, frozenset({path})
    )


def _check(path: str, test: Callable[[Any], bool], cel: Callable[[str], str]) -> Term:
    """True where the field is absent; `cel` says what must be so otherwise, given its name in CEL."""
    said, keys = cel(_self(path)), _keys(path)
    return Term(
        lambda node: (found := _at(node, keys)) is MISSING or test(found),
        f"{absent(path)} || ({said})" if path else said,
        frozenset({path}),
    )


def _used(terms: Iterable[Term]) -> frozenset[str]:
    return frozenset[str]().union(*(term.uses for term in terms))


def there(path: str, of: str = "self") -> str:
    """Whether a field is there, in CEL; empty for the value itself, which is."""
    *parents, name = path.split(".")
    if parents:
        return f"{_optional(path, of)}.hasValue()"
    return f"has({of}.{name})" if name else ""


def absent(path: str, of: str = "self") -> str:
    """Whether a field is not there, in CEL."""
    return f"!{there(path, of)}"


def sized(value: str, path: str, size: str) -> str:
    """A size in CEL of what may not be there, at a dotted path below a value; 0 where it is not.

    The API server can estimate what this costs, and not what `orValue` costs.
    """
    return f"({there(path, value)} ? {size.format(f'{value}.{path}')} : 0)"


def _self(path: str) -> str:
    return f"self.{path}" if path else "self"


def _value(path: str, absent: str) -> str:
    """A field's value in CEL, or what stands for none."""
    return f"{_optional(path)}.orValue({absent})" if path else "self"


def _optional(path: str, of: str = "self") -> str:
    return f"{of}{''.join(f'.?{name}' for name in path.split('.'))}"


def _join(operator: str, *terms: Term) -> str | None:
    said = [term.cel for term in terms]
    if any(cel is None for cel in said):
        return None
    return f" {operator} ".join(f"({cel})" for cel in said)


def _listed(words: Iterable[str]) -> str:
    return f"[{', '.join(_quoted(word) for word in words)}]"


def _quoted(text: str) -> str:
    """A CEL string literal; a raw one, so that a pattern stays readable."""
    if "'" in text:
        raise ValueError(f"{text!r} cannot stand in a raw CEL literal")
    return f"r'{text}'" if "\\" in text else f"'{text}'"
