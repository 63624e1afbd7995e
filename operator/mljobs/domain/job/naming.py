"""Names that the service accepts: legal, deterministic, and unique for each (uid, attempt).

A replay after a crash must meet the job that the first try made, so that nothing here may depend on the
clock, on chance or on the process.
"""

import hashlib
import re
from collections.abc import Mapping

JOB_ID_LIMIT = 128
"""`^[A-Za-z][A-Za-z0-9_]{0,127}$` (AI Platform documentation of jobs.create)."""

LABEL_LIMIT = 63
"""Characters of a label's key or value (documentation of labels)."""

UID_LABEL = "mljobs-uid"
NAMESPACE_LABEL = "mljobs-namespace"
NAME_LABEL = "mljobs-name"
OWNERSHIP_LABELS = frozenset({UID_LABEL, NAMESPACE_LABEL, NAME_LABEL})

_NOT_ID = re.compile(r"[^A-Za-z0-9_]")
_NOT_LABEL = re.compile(r"[^a-z0-9_-]")


def job_id(namespace: str, name: str, uid: str, attempt: int, chosen: str | None = None) -> str:
    """Name the job of one attempt.

    Args:
        namespace: the resource's namespace.
        name: the resource's name.
        uid: the resource's uid, so that a resource made again under its name gets another job.
        attempt: 1 for the first; a later one gets an id of its own, since the service never frees ids.
        chosen: `spec.jobId`, kept to the letter for the first attempt. A later attempt's id begins with it;
            where that would be too long it is cut, and told apart from its like by a digest.

    Returns:
        1 to 128 characters of `[A-Za-z][A-Za-z0-9_]*`.
    """
    if chosen:
        return chosen if attempt == 1 else _numbered(chosen, attempt)
    readable = _NOT_ID.sub("_", f"{namespace}_{name}")
    if not readable[0].isalpha():
        readable = f"j_{readable}"
    return _bounded(readable, f"_{_digest(uid, 16)}_{attempt}")


def label_value(text: str) -> str:
    """Make a text legal as a label's value; what had to be changed keeps apart by a digest at its end.

    Returns:
        At most 63 characters of `[a-z0-9_-]`.
    """
    legal = _NOT_LABEL.sub("_", text.lower())
    if legal == text and len(text) <= LABEL_LIMIT:
        return text
    return f"{legal[: LABEL_LIMIT - 9]}-{_digest(text, 8)}"


def ownership_labels(namespace: str, name: str, uid: str) -> dict[str, str]:
    """The labels that mark a cloud job as this resource's own."""
    return {
        UID_LABEL: label_value(uid),
        NAMESPACE_LABEL: label_value(namespace),
        NAME_LABEL: label_value(name),
    }


def is_owned(labels: Mapping[str, str], uid: str) -> bool:
    """Whether a job with these labels belongs to the resource with this uid."""
    return labels.get(UID_LABEL) == label_value(uid)


def owner_uid(labels: Mapping[str, str]) -> str:
    """The uid, made legal, of the resource that a job with these labels belongs to; empty: it is nobody's."""
    return labels.get(UID_LABEL, "")


def _numbered(chosen: str, attempt: int) -> str:
    suffix = f"_{attempt}"
    fits = len(chosen) + len(suffix) <= JOB_ID_LIMIT
    return chosen + suffix if fits else _bounded(chosen, f"_{_digest(chosen, 16)}{suffix}")


def _bounded(readable: str, suffix: str) -> str:
    return readable[: JOB_ID_LIMIT - len(suffix)] + suffix


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
