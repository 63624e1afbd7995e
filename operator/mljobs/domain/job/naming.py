"""The labels that name a cloud job's owner: legal, deterministic, and unique for each (uid, attempt).

A replay after a crash must find the job that the first call created, so that nothing here may depend on the
clock, on chance or on the process.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache

from mljobs.domain.port import Owner
from mljobs.domain.spec.marks import ATTEMPT_LABEL as ATTEMPT_LABEL
from mljobs.domain.spec.marks import LABEL_LIMIT as LABEL_LIMIT
from mljobs.domain.spec.marks import NAME_LABEL as NAME_LABEL
from mljobs.domain.spec.marks import NAMESPACE_LABEL as NAMESPACE_LABEL
from mljobs.domain.spec.marks import OWNERSHIP_LABELS as OWNERSHIP_LABELS
from mljobs.domain.spec.marks import UID_LABEL as UID_LABEL

_NOT_LABEL = re.compile(r"[^a-z0-9_-]")


@lru_cache(maxsize=1024)
def label_value(text: str) -> str:
    """Make a text legal as a label's value; a digest at its end keeps changed values distinct.

    Returns:
        At most 63 characters of `[a-z0-9_-]`.
    """
    legal = _NOT_LABEL.sub("_", text.lower())
    if legal == text and len(text) <= LABEL_LIMIT:
        return text
    return f"{legal[: LABEL_LIMIT - 9]}-{_digest(text, 8)}"


def ownership_labels(owner: Owner, attempt: int) -> dict[str, str]:
    """The labels that mark a cloud job as an attempt of this resource."""
    return {
        **attempt_labels(owner.uid, attempt),
        NAMESPACE_LABEL: label_value(owner.namespace),
        NAME_LABEL: label_value(owner.name),
    }


def attempt_labels(uid: str, attempt: int) -> dict[str, str]:
    """The labels that select the jobs of an attempt."""
    return {UID_LABEL: label_value(uid), ATTEMPT_LABEL: str(attempt)}


def is_owned(labels: Mapping[str, str], uid: str) -> bool:
    """Whether a job with these labels belongs to the resource with this uid."""
    return labels.get(UID_LABEL) == label_value(uid)


def owner_uid(labels: Mapping[str, str]) -> str:
    """The uid, made legal, of the resource that owns a job with these labels; empty: it has no owner."""
    return labels.get(UID_LABEL, "")


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
