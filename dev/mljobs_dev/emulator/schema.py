"""Proto3 JSON as the service reads and writes it, driven by the API's discovery document.

Reading is lenient in the ways that real clients rely on: camelCase or snake_case names, enum words in any
case, numbers and booleans as strings (`"True"`), integers for doubles, nulls for "not set". Writing is
canonical: camelCase names, int64 as decimal strings, proto defaults left out (recorded traffic: a request
with `scaleTier: BASIC` comes back without it).
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

from mljobs_dev.emulator.errors import ApiError, Violation, invalid_payload
from mljobs_dev.emulator.protos import ONEOFS, enum_numbers, proto_name

Json = dict[str, Any]
Reader = Callable[[Any, str, list[Violation]], Any]

_DURATION = re.compile(r"^-?\d+(\.\d{1,9})?s$")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
"""What proto3 JSON writes for the doubles that JSON has no numbers for."""

_UPPER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
_WIDE = frozenset({"int64", "uint64"})
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
"""Texts that stand for a boolean, in any case (the JSON reader of protobuf, `safe_strtob`)."""


class _Unset:
    """What a reader returns where the field counts as not given."""


_UNSET = _Unset()


def snake(name: str) -> str:
    """`maxWorkerCount` as the proto spells it: `max_worker_count`."""
    return _UPPER.sub("_", name).replace("MLUnits", "ml_units").lower()


class Field:
    """One field of a message.

    Attributes:
        name: in camelCase, as the discovery document spells it.
        snake: as the proto spells it.
        default: what it is where it is absent; None for what has presence: messages, lists, maps, moments.
    """

    def __init__(self, registry: "Registry", owner: "Message", name: str, schema: Mapping[str, Any]) -> None:
        self.name = name
        self.snake = snake(name)
        self.repeated = schema.get("type") == "array"
        self.keyed = "additionalProperties" in schema
        element = schema["items"] if self.repeated else schema.get("additionalProperties", schema)
        self.message = registry.message(element["$ref"]) if "$ref" in element else None
        self.default = None if self.repeated or self.keyed or self.message else _default(element)
        self._read = self.message.read if self.message else _scalar_reader(owner.proto, name, element)

    def read(self, value: Any, path: str, problems: list[Violation]) -> Any:
        """Read a JSON value; what cannot be read is added to `problems`."""
        if value is None:
            return _UNSET
        if self.repeated:
            return self._read_list(value, path, problems)
        if self.keyed:
            return self._read_map(value, path, problems)
        return self._read(value, path, problems)

    def _read_list(self, value: Any, path: str, problems: list[Violation]) -> Any:
        items = value if isinstance(value, list) else [value]
        read = [self._read(item, f"{path}[{index}]", problems) for index, item in enumerate(items)]
        return [item for item in read if item is not _UNSET]

    def _read_map(self, value: Any, path: str, problems: list[Violation]) -> Any:
        if not isinstance(value, dict):
            problems.append(_invalid(path, "Map", value))
            return _UNSET
        read = {key: self._read(item, f"{path}[{key}]", problems) for key, item in value.items()}
        return {key: item for key, item in read.items() if item is not _UNSET}

    def prune(self, value: Any) -> Any:
        """The value as it is written; `_UNSET` where it is the proto default."""
        if self.repeated:
            return [self.message.prune(item) for item in value] if self.message and value else value or _UNSET
        if self.keyed:
            return value or _UNSET
        if self.message:
            return self.message.prune(value)
        return _UNSET if value == self.default else value


class Message:
    """One message type: reads and writes its JSON.

    Attributes:
        proto: the proto's full name, as errors show it.
        fields: by the name in camelCase.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.proto = proto_name(name)
        self.fields: dict[str, Field] = {}
        self._by_spelling: dict[str, Field] = {}
        self._oneofs = ONEOFS.get(name, {})

    def add(self, field: Field) -> None:
        """Take in a field under both of its spellings."""
        self.fields[field.name] = field
        self._by_spelling[field.snake] = field
        self._by_spelling[field.name] = field

    def field(self, name: str) -> Field | None:
        """The field with a name in either spelling."""
        return self._by_spelling.get(name)

    def decode(self, value: Any, path: str = "") -> Json:
        """Read a whole payload.

        Args:
            value: parsed JSON.
            path: what the payload is called in the request (`job`); empty for the request itself.

        Returns:
            The fields that were given, zeros included, with canonical names and values.

        Raises:
            ApiError: 400 that names every problem.
        """
        problems: list[Violation] = []
        read = self.read(value, path, problems)
        if problems:
            raise invalid_payload(problems)
        return read if isinstance(read, dict) else {}

    def read(self, value: Any, path: str, problems: list[Violation]) -> Any:
        """Read a message inside a payload; see `decode`."""
        if value is None:
            return _UNSET
        if not isinstance(value, dict):
            problems.append(_invalid(path, f"type.googleapis.com/{self.proto}", value))
            return _UNSET
        read: Json = {}
        taken: dict[str, str] = {}
        for name, item in value.items():
            field = self._by_spelling.get(name)
            if field is None:
                problems.append(_unknown(name, path))
                continue
            where = f"{path}.{field.snake}" if path else field.snake
            result = field.read(item, where, problems)
            if result is _UNSET:
                continue
            self._claim(field, where, taken, problems)
            read[field.name] = result
        return read

    def _claim(self, field: Field, path: str, taken: dict[str, str], problems: list[Violation]) -> None:
        group = self._oneofs.get(field.name)
        if group is not None and taken.setdefault(group, field.name) != field.name:
            text = (
                f"Invalid value at '{path}' (oneof), oneof field '{group}' is already set. "
                f"Cannot set '{field.name}'"
            )
            problems.append(Violation(path, text))

    def prune(self, value: Mapping[str, Any]) -> Json:
        """The message as the service writes it: without proto defaults."""
        written = {}
        for name, item in value.items():
            result = self.fields[name].prune(item)
            if result is not _UNSET:
                written[name] = result
        return written


class Registry:
    """The messages of one discovery document, compiled when first asked for.

    Args:
        document: a discovery document.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas = document["schemas"]
        self._messages: dict[str, Message] = {}

    def message(self, name: str) -> Message:
        """The message with a schema's name."""
        known = self._messages.get(name)
        if known is None:
            known = self._messages[name] = Message(name)
            for field, schema in self._schemas[name].get("properties", {}).items():
                known.add(Field(self, known, field, schema))
        return known


@cache
def ml_v1() -> Registry:
    """The messages of the `ml` v1 document that ships with google-api-python-client."""
    return Registry(discovery_document("ml.v1.json"))


@cache
def logging_v2() -> Registry:
    """The messages of the `logging` v2 document that ships with google-api-python-client."""
    return Registry(discovery_document("logging.v2.json"))


def parse_json(body: bytes) -> Json:
    """Read a request's body; an empty one is an empty message.

    Raises:
        ApiError: 400 in the JSON layer's words.
    """
    value = parse_json_value(body)
    if not isinstance(value, dict):
        text = 'Invalid JSON payload received. Unknown name "": Root element must be a message.'
        raise invalid_payload([Violation("", text)])
    return value


def parse_json_value(body: bytes) -> Any:
    """Read any JSON; nothing at all is an empty object.

    Raises:
        ApiError: 400 in the JSON layer's words.
    """
    if not body.strip():
        return {}
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        position = getattr(error, "pos", 0)
        near = body.decode("utf-8", "replace")[max(0, position - 20) : position + 20]
        text = f"Invalid JSON payload received. Unexpected token.\n{near}\n^"
        raise invalid_payload([Violation("", text)]) from None


def unknown_parameter(name: str) -> ApiError:
    """The 400 of a query parameter that the method does not have."""
    text = (
        f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
        f"Field '{name}' could not be found in request message."
    )
    return invalid_payload([Violation("", text)])


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def references(schema: Any) -> Iterator[str]:
    """The names of the schemas that a schema refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for value in schema.values():
            yield from references(value)


def discovery_document(name: str) -> Any:
    """A discovery document that ships with google-api-python-client, by its file's name."""
    folder = resources.files("googleapiclient") / "discovery_cache" / "documents"
    return json.loads((folder / name).read_bytes())


def _unknown(name: str, path: str) -> Violation:
    where = f" at '{path}'" if path else ""
    return Violation(path, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def _invalid(path: str, kind: str, value: Any) -> Violation:
    return Violation(path, f"Invalid value at '{path}' ({kind}), {json.dumps(value)}")


def _default(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") in _WIDE:
        return "0"
    if schema.get("format") in ("google-duration", "google-datetime"):  # messages of protobuf's own
        return None
    return {"string": "", "boolean": False, "number": 0, "integer": 0}.get(schema.get("type", ""))


def _scalar_reader(owner: str, name: str, schema: Mapping[str, Any]) -> Reader:
    kind, form = schema.get("type"), schema.get("format", "")
    if "enum" in schema:
        kind = f"type.googleapis.com/{owner}.{name[0].upper()}{name[1:]}"
        return _enum_reader(kind, schema["enum"], enum_numbers(owner, schema["enum"]))
    if form in _RANGES:
        return _integer_reader(form)
    if kind == "number":
        return _read_double
    if kind == "boolean":
        return _read_bool
    if form == "google-duration":
        return _read_duration
    if form == "google-datetime":
        return _read_timestamp
    if form == "byte":
        return _read_bytes
    return _read_string if kind == "string" else lambda value, _path, _problems: value


def _enum_reader(kind: str, words: list[str], numbers: Mapping[int, str]) -> Reader:
    known = frozenset(words)

    def read(value: Any, path: str, problems: list[Violation]) -> Any:
        if isinstance(value, str) and value.upper() in known:
            return value.upper()
        if isinstance(value, int) and not isinstance(value, bool) and value in numbers:
            return numbers[value]
        problems.append(_invalid(path, kind, value))
        return _UNSET

    return read


def _integer_reader(form: str) -> Reader:
    low, high = _RANGES[form]

    def read(value: Any, path: str, problems: list[Violation]) -> Any:
        number = _integral(value)
        if number is None or not low <= number <= high:
            problems.append(_invalid(path, f"TYPE_{form.upper()}", value))
            return _UNSET
        return str(number) if form in _WIDE else number

    return read


def _is_number(value: Any) -> bool:
    """Whether it is a JSON number, or one as text."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _integral(value: Any) -> int | None:
    if not _is_number(value):
        return None
    if isinstance(value, int):
        return value
    try:
        number = Decimal(value)
        # Beyond any 64-bit integer, a text with a huge exponent would only cost time and memory.
        return int(number) if number.adjusted() < 20 and number == number.to_integral_value() else None
    except (InvalidOperation, ValueError, OverflowError):
        return None


def _read_double(value: Any, path: str, problems: list[Violation]) -> Any:
    if isinstance(value, str) and value in _NO_NUMBERS:
        return value
    number = _finite(value)
    if number is None:
        problems.append(_invalid(path, "TYPE_DOUBLE", value))
        return _UNSET
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _finite(value: Any) -> float | None:
    try:
        number = float(value) if _is_number(value) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _read_bool(value: Any, path: str, problems: list[Violation]) -> Any:
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    problems.append(_invalid(path, "TYPE_BOOL", value))
    return _UNSET


def _read_string(value: Any, path: str, problems: list[Violation]) -> Any:
    if isinstance(value, str):
        return value
    problems.append(_invalid(path, "TYPE_STRING", value))
    return _UNSET


def _read_duration(value: Any, path: str, problems: list[Violation]) -> Any:
    if isinstance(value, str) and _DURATION.match(value):
        return value
    kind = "type.googleapis.com/google.protobuf.Duration"
    why = "Illegal duration format; duration must end with 's'"
    problems.append(Violation(path, f"Invalid value at '{path}' ({kind}), {why}"))
    return _UNSET


def _read_timestamp(value: Any, path: str, problems: list[Violation]) -> Any:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        problems.append(_invalid(path, "type.googleapis.com/google.protobuf.Timestamp", value))
        return _UNSET
    return value


def _read_bytes(value: Any, path: str, problems: list[Violation]) -> Any:
    try:
        raw = base64.b64decode(_padded(value.replace("-", "+").replace("_", "/")), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        problems.append(_invalid(path, "TYPE_BYTES", value))
        return _UNSET
    return base64.b64encode(raw).decode()


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
