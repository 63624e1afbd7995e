"""Moments as the API server writes them (RFC 3339)."""

from datetime import UTC, datetime
from typing import Any

LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""Before every resource."""


def moment(text: Any, otherwise: datetime = LONG_AGO) -> datetime:
    """A recorded time; `otherwise` if there is none."""
    try:
        return parse_timestamp(str(text))
    except ValueError:
        return otherwise


def timestamp(moment: datetime) -> str:
    """Write a moment in UTC as Kubernetes does: RFC 3339, whole seconds."""
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_timestamp(text: str) -> datetime:
    """Read an RFC 3339 time.

    Raises:
        ValueError: the text is none.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment
