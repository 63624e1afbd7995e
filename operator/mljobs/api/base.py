"""What all models share: their configuration, and the scalar types with their bounds.

The types follow the JSON of the service (proto3 JSON), as far as a stored resource may have it: an int64 is a
number or a decimal text, every other value is of its own JSON type. What is looser than this (snake_case
keys, booleans as text) is made canonical before a model sees it.

Every text, list and map is bounded. The bounds are far above what real jobs need; they keep a resource
storable and the cost of validation rules calculable.
"""

import json
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

JsonObject = dict[str, Any]

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1

EXACT = 2**53
"""Up to here each whole number is one double; above, only some are, and the others become a neighbour."""

INT64_PATTERN = r"^-?[0-9]{1,19}$"
DURATION_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,9})?s$"
TIMESTAMP_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)

_INT64_TEXT = re.compile(INT64_PATTERN[:-1] + r"\Z")


class Model(BaseModel):
    """A part of what users write: an unknown field is an error.

    Attributes have Python's names, the JSON has the API's; both are accepted.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        coerce_numbers_to_str=False,
        protected_namespaces=(),
    )

    def document(self) -> JsonObject:
        """The canonical JSON: the API's names, int64 as decimal text, unset fields absent, zeros kept."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Observed(Model):
    """A part of what the service or the operator wrote: unknown fields are left out.

    A field that the service adds later, or that a newer operator wrote, must not make a status unreadable.
    """

    model_config = ConfigDict(extra="ignore")


def _read_json(value: object) -> object:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise PydanticCustomError("any_json", "Input should be a value of JSON") from None
    return value


def _read_int64(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("int64_type", "Input should be an integer or its decimal text")
    if isinstance(value, int):
        return value
    if not _INT64_TEXT.match(value):
        raise PydanticCustomError(
            "int64_text", "Input should be an integer or its decimal text, such as 10 or '10'"
        )
    return int(value)


Int64 = Annotated[
    int,
    BeforeValidator(_read_int64),
    Field(ge=-INT64_MAX - 1, le=INT64_MAX),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 20, "pattern": INT64_PATTERN}),
]
"""An int64 of the API: a number or a decimal text on the way in, an `int` here, a decimal text in JSON."""

Int32 = Annotated[
    int,
    Strict(),
    Field(ge=-INT32_MAX - 1, le=INT32_MAX, json_schema_extra={"format": "int32"}),
]
"""An int32 of the API: a number in JSON."""

Double = Annotated[
    float,
    Strict(),
    Field(allow_inf_nan=False, json_schema_extra={"format": "double"}),
]
"""A finite double of the API."""

Float = Annotated[
    float,
    Strict(),
    Field(allow_inf_nan=False, json_schema_extra={"format": "float"}),
]
"""A finite float of the API, kept as a double."""

Flag = Annotated[bool, Strict()]
"""A boolean of the API."""

AnyJson = Annotated[
    Any,
    BeforeValidator(_read_json),
    WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True}),
]
"""A value of the API that has any form: kept to the letter."""

AnyObject = Annotated[
    dict[str, Any],
    BeforeValidator(_read_json),
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]
"""An object of the API that has any form: kept to the letter."""

Counter = Annotated[
    int,
    Strict(),
    Field(ge=-1, json_schema_extra={"format": "int64"}),
]
"""A Kubernetes generation or a count of the operator's own: a number in JSON; -1 for "none seen yet"."""

Timestamp = Annotated[
    str,
    Field(pattern=TIMESTAMP_PATTERN),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment as RFC 3339 text, kept to the letter."""

Duration = Annotated[str, Field(max_length=32, pattern=DURATION_PATTERN)]
"""Seconds as text that ends in `s`, with up to nine decimals: `3600s`, `0.5s`."""

Word = Annotated[str, Field(max_length=128)]
"""A short name: a region, a version, a machine type."""

Name = Annotated[str, Field(max_length=512)]
"""A name with a path: a model, a network, a key, a service account, a Python module."""

Uri = Annotated[str, Field(max_length=2048)]
"""A Cloud Storage path or an image; a bucket and an object have at most 222 and 1024 characters."""

Argument = Annotated[str, Field(max_length=32768)]
"""One command-line argument."""

Arguments = Annotated[tuple[Argument, ...], Field(max_length=1024)]
"""A command line."""

Text = Annotated[str, Field(max_length=32768)]
"""Text of the service, such as an error message."""

Labels = Annotated[
    dict[Annotated[str, Field(max_length=63)], Annotated[str, Field(max_length=63)]],
    Field(max_length=64),
]
"""Labels of a job: at most 64, of at most 63 characters (documentation of labels)."""

LabelKeys = Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=64)]
"""Keys of labels."""

TextMap = Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=10000)]
"""A map that the service fills."""
