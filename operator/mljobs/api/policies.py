"""What a spec says about a job that has ended: how long its resource is kept."""

from typing import Annotated

from pydantic import Field

from mljobs.api.base import Counter, Model

Ttl = Annotated[Counter, Field(ge=0, le=2**31 - 1)]
"""Seconds that a finished resource is kept."""


class TtlByOutcome(Model):
    """How long a finished resource is kept, by how it has ended."""

    succeeded: Ttl | None = None
    """Seconds for one whose job has succeeded."""

    failed: Ttl | None = None
    """Seconds for one whose job has failed, or has exceeded a deadline."""

    cancelled: Ttl | None = None
    """Seconds for one whose job was cancelled by somebody else."""
