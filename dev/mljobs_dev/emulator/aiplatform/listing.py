"""`list`: which jobs a filter means, in which order they come, which fields are shown."""

import base64
import binascii
import hashlib
import itertools
import json
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mljobs_dev.emulator.aiplatform.document import aiplatform_v1
from mljobs_dev.emulator.aiplatform.errors import found_error
from mljobs_dev.emulator.aiplatform.jobs import Job
from mljobs_dev.emulator.aiplatform.kinds import BATCH, Kind
from mljobs_dev.emulator.expressions import FilterError, Predicate, compile_filter
from mljobs_dev.emulator.listing import moment, wildcard

Json = dict[str, Any]

PAGE_DEFAULT = 100
PAGE_LIMIT = 100
"""Jobs in a page; no public source tells either."""

_COMPARISONS = {
    "display_name": ("=", "!=", ":"),
    "state": ("=", "!="),
    "create_time": ("=", "!=", "<", "<=", ">", ">="),
    "model_display_name": ("=", "!="),
    "labels": ("=", "!=", ":"),
}
"""The operators of each field (discovery document, `list.filter`)."""

_NAMES = {
    "displayName": "display_name",
    "createTime": "create_time",
    "modelDisplayName": "model_display_name",
}
_TESTS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SEEDS = itertools.count(1)


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: behind the job with this place in the order.

    Attributes:
        seed: of a shuffled order; 0 for the usual one.
        key: what the order compares.
    """

    seed: int
    key: tuple[float, int] = (-math.inf, 0)

    def encode(self) -> str:
        """The page token."""
        return base64.urlsafe_b64encode(json.dumps([self.seed, *self.key]).encode()).decode()

    @classmethod
    def decode(cls, token: str, *, shuffled: bool) -> "Cursor":
        """The cursor of a page token; without one that of a first page.

        Raises:
            ApiError: 400 for a token that is none of ours.
        """
        if not token:
            return cls(next(_SEEDS) if shuffled else 0)
        try:
            seed, first, second = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
            return cls(int(seed), (float(first), int(second)))
        except (binascii.Error, ValueError, TypeError):
            raise found_error("page_token", f"The page token '{token}' is not valid.") from None

    def place(self, job: Job, now: float) -> tuple[float, int]:
        """A job's place in the order: the last updated first, or without any order."""
        if not self.seed:
            return -job.updated(now), -job.sequence
        digest = hashlib.blake2b(f"{self.seed}/{job.id}".encode(), digest_size=6).digest()
        return float(int.from_bytes(digest)), job.sequence


def page_of(jobs: Sequence[Job], cursor: Cursor, size: int, now: float) -> tuple[list[Job], str]:
    """A page of jobs and the token of the next; the token is empty on the last page.

    A job that is updated between two pages moves to a page that has been read already (recorded order).
    """
    places = ((cursor.place(job, now), job) for job in jobs)
    ordered = sorted(places, key=lambda entry: entry[0])
    rest = [entry for entry in ordered if entry[0] > cursor.key]
    page = rest[:size]
    token = Cursor(cursor.seed, page[-1][0]).encode() if len(rest) > size else ""
    return [job for _, job in page], token


def page_size(text: str) -> int:
    """How many jobs a page has; 0 is the default, and what is too much is cut.

    Raises:
        ApiError: 400 for what is no number, or below zero.
    """
    if not re.fullmatch(r"-?\d{1,9}", text or "0") or int(text or "0") < 0:
        raise found_error("page_size", f"The page size '{text}' should be an integer, and not negative.")
    return min(int(text or "0"), PAGE_LIMIT) or PAGE_DEFAULT


def job_filter(kind: Kind, text: str) -> Predicate:
    """A predicate over jobs as `get` shows them.

    Raises:
        ApiError: 400 for what is no filter, or compares a field that cannot be compared so.
    """
    try:
        return compile_filter(text, lambda field, sign, value: _compare(kind, field, sign, value))
    except FilterError as error:
        raise found_error("filter", f"The filter '{text}' is not valid: {error}.") from None


def read_mask(kind: Kind, text: str) -> frozenset[str] | None:
    """The fields of a job that a field mask names, in either spelling; None for all.

    Raises:
        ApiError: 400 for a path that the job does not have.
    """
    paths = [path.strip() for path in text.split(",") if path.strip()]
    if not paths or "*" in paths:
        return None
    message = aiplatform_v1().message(kind.schema)
    names = set()
    for path in paths:
        field = message.field(path.partition(".")[0])
        if field is None:
            raise found_error("read_mask", f"The path '{path}' is none of the job's.")
        names.add(field.name)
    return frozenset(names)


def masked(document: Mapping[str, Any], mask: frozenset[str] | None) -> Json:
    """The fields of a job that a mask names."""
    return {name: value for name, value in document.items() if mask is None or name in mask}


def _compare(kind: Kind, field: str, sign: str, value: str) -> Predicate:
    name, _, key = field.partition(".")
    name = _NAMES.get(name, name)
    if name not in _COMPARISONS or (name == "model_display_name" and kind is not BATCH):
        raise FilterError(f"the field {field or value!r} is unknown")
    if sign not in _COMPARISONS[name]:
        raise FilterError(f"the operator {sign!r} is not supported for {name}")
    if name == "labels":
        return _label(key, sign, value)
    if name == "create_time":
        return _created(sign, value)
    pattern = wildcard(value) if sign == ":" else re.compile(re.escape(value) + r"\Z")

    def equal(row: Mapping[str, Any]) -> bool:
        return any(pattern.match(text) for text in _texts(row, name))

    return (lambda row: not equal(row)) if sign == "!=" else equal


def _texts(row: Mapping[str, Any], name: str) -> Iterator[str]:
    if name == "model_display_name":
        yield "model-" + row.get("model", "").rpartition("/")[2].partition("@")[0]
    else:
        yield row.get({"display_name": "displayName"}.get(name, name), "")


def _label(key: str, sign: str, value: str) -> Predicate:
    if not key:
        raise FilterError("a label's key is missing: labels.key")
    if sign == ":" and value != "*":
        raise FilterError(f"the operator ':' of labels.{key} takes '*' alone")
    if sign == ":":
        return lambda row: key in row.get("labels", {})
    same = sign == "="
    return lambda row: (row.get("labels", {}).get(key) == value) is same


def _created(sign: str, value: str) -> Predicate:
    try:
        wanted = moment(value)
    except ValueError:
        raise FilterError(f"{value!r} is no RFC 3339 time") from None
    holds = _TESTS[sign]
    return lambda row: holds(moment(row["createTime"]), wanted)
