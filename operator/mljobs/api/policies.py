"""What a spec says about a job that has ended: whether another follows, and how long its resource is kept."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mljobs.api.base import Int32, Model
from mljobs.api.outputs import Cause


class FailureAction(StrEnum):
    """What follows an attempt that has failed."""

    RETRY = "Retry"
    RETRY_IGNORING_LIMIT = "RetryIgnoringLimit"
    FAIL = "Fail"


MessagePattern = Annotated[str, Field(min_length=1, max_length=128)]
"""A regular expression in RE2's syntax, which never takes more than linear time."""


class FailureRule(Model):
    """What follows the failed attempts that it is about: those that all of its lists name."""

    on_causes: Annotated[tuple[Cause, ...], Field(min_length=1, max_length=len(Cause))] | None = None
    """The causes that it is about; any if unset."""

    on_exit_codes: Annotated[tuple[Int32, ...], Field(min_length=1, max_length=64)] | None = None
    """The exit codes of the program that it is about; any, or none, if unset."""

    on_message_patterns: Annotated[tuple[MessagePattern, ...], Field(min_length=1, max_length=8)] | None = (
        None
    )
    """Regular expressions in RE2's syntax; it is about messages of the service in which at least one of them
    is found. Any if unset."""

    action: FailureAction
    """Retry submits another attempt, as long as backoffLimit allows; RetryIgnoringLimit does so in any case,
    and the attempt does not count; Fail ends the resource as failed."""


class FailurePolicy(Model):
    """What follows a failed attempt, by its cause."""

    rules: Annotated[tuple[FailureRule, ...], Field(min_length=1, max_length=20)]
    """The rules; the first one that is about the attempt counts. Where none is, it is Retry."""


class TtlByOutcome(Model):
    """How long a finished resource is kept, by how it has ended."""

    succeeded: Int32 | None = None
    """Seconds for one whose job has succeeded."""

    failed: Int32 | None = None
    """Seconds for one whose job has failed, or has exceeded a deadline."""

    cancelled: Int32 | None = None
    """Seconds for one whose job was cancelled by somebody else."""
