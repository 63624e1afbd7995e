"""What the API server demands of a manifest's metadata: Kubernetes' `ObjectMeta` and its rules of names."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.api.patterns import DNS_LABEL, DNS_NAME
from mljobs.domain.spec.problems import MISSING, Problem, Source, join
from mljobs.domain.spec.spelling import unknown_field

NAME_LIMIT = 253
"""Characters of a resource's name (RFC 1123 subdomain)."""

_LABEL_LIMIT = 63
_ANNOTATIONS_LIMIT = 256 * 1024

_NAME = re.compile(DNS_NAME)
_NAMESPACE = re.compile(DNS_LABEL)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")

_Check = Callable[[str, Any], Iterator[Problem]]


def is_resource_name(text: str) -> bool:
    """Whether the API server takes this as a resource's name."""
    return len(text) <= NAME_LIMIT and _NAME.fullmatch(text) is not None


def problems(metadata: Any) -> Iterator[Problem]:
    """Find what the API server would refuse in the metadata of a manifest; a null counts as absent.

    Args:
        metadata: its value, or `MISSING`.
    """
    fields = metadata if isinstance(metadata, Mapping) else {}
    if metadata is not fields and metadata not in (MISSING, None):
        yield _problem("metadata", metadata, "must be an object")
    if not fields.get("name") and not fields.get("generateName"):
        yield _problem("metadata.name", MISSING, "a resource needs a name")
    for key, value in fields.items():
        path = join("metadata", str(key))
        if key not in _FIELDS:
            yield unknown_field("metadata", str(key), value, _FIELDS)
        elif value is not None:
            yield from _FIELDS[key](path, value)


def _problem(path: str, value: Any, rule: str) -> Problem:
    error_type = FieldErrorType.REQUIRED if value is MISSING else FieldErrorType.INVALID
    return Problem(path, value, rule, source=Source.OPERATOR, error_type=error_type, id="manifest")


def _is(kind: type, rule: str) -> _Check:
    def check(path: str, value: Any) -> Iterator[Problem]:
        if not isinstance(value, kind) or isinstance(value, bool):
            yield _problem(path, value, rule)

    return check


_text = _is(str, "must be a text; put it in quotes")
_whole = _is(int, "must be a whole number")
_list = _is(list, "must be a list")


def _matched(legal: Callable[[str], bool], rule: str) -> _Check:
    def check(path: str, value: Any) -> Iterator[Problem]:
        yield from _text(path, value)
        if isinstance(value, str) and value and not legal(value):
            yield _problem(path, value, rule)

    return check


_NAME_RULE = "must be lower-case letters, digits, - and ., with a letter or digit at both ends, 253 at most"
_NAMESPACE_RULE = "must be lower-case letters, digits and -, with a letter or digit at both ends, 63 at most"
_VALUE_RULE = "must be letters, digits, -, _ and ., with a letter or digit at both ends, 63 at most"


def _begins_name(text: str) -> bool:
    """Whether this begins a resource's name; it may end in a hyphen, which a name may not."""
    return is_resource_name(f"{text[:-1]}a" if len(text) > 1 and text.endswith("-") else text)


def _is_namespace(text: str) -> bool:
    return len(text) <= _LABEL_LIMIT and _NAMESPACE.fullmatch(text) is not None


def _is_qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return (not slash or is_resource_name(prefix)) and _is_value(name)


def _is_value(text: str) -> bool:
    return len(text) <= _LABEL_LIMIT and _QUALIFIED.fullmatch(text) is not None


def _map(values: _Check, fold: Callable[[str], str] = str) -> _Check:
    def check(path: str, found: Any) -> Iterator[Problem]:
        if not isinstance(found, Mapping):
            yield _problem(path, found, "must be an object")
            return
        for key, value in found.items():
            if not _is_qualified(fold(key)):
                yield _problem(
                    f"{path}[{key}]", value, f"the key {_VALUE_RULE}; a domain and / may precede it"
                )
            if value is not None:
                yield from values(f"{path}[{key}]", value)

    return check


def _annotations(path: str, found: Any) -> Iterator[Problem]:
    yield from _map(_text, str.lower)(path, found)  # case does not matter in the key of an annotation
    pairs = found.items() if isinstance(found, Mapping) else ()
    if sum(len(f"{key}{value}".encode()) for key, value in pairs) > _ANNOTATIONS_LIMIT:
        yield _problem(path, found, f"keys and values must have {_ANNOTATIONS_LIMIT} bytes at most")


_FIELDS: Mapping[str, _Check] = {
    "name": _matched(is_resource_name, _NAME_RULE),
    "generateName": _matched(_begins_name, _NAME_RULE),
    "namespace": _matched(_is_namespace, _NAMESPACE_RULE),
    "labels": _map(_matched(_is_value, _VALUE_RULE)),
    "annotations": _annotations,
    "finalizers": _list,
    "ownerReferences": _list,
    "managedFields": _list,
    **dict.fromkeys(("generation", "deletionGracePeriodSeconds"), _whole),
    **dict.fromkeys(("uid", "resourceVersion", "selfLink", "creationTimestamp", "deletionTimestamp"), _text),
}
