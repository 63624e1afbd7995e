"""Why a job has failed, by the text and code that its service gives: what the services' tables share."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mljobs.api.outputs import Cause
from mljobs.domain.port import Failure, Job

TEXT_LIMIT = 65_536
"""Characters of a message that are looked at: no service's own text comes after so many."""


@dataclass(frozen=True)
class Row:
    """One row of a service's table.

    Attributes:
        cause: why the job has failed.
        text: a regular expression that is searched in the message; its group `code` is the exit code. Empty
            for a row that goes by the number alone.
        example: a message of the service, or the beginning of one.
        source: where the text or the number was seen.
        number: of the google.rpc.Code; None for any.
    """

    cause: Cause
    text: str
    example: str
    source: str
    number: int | None = None

    def failure(self, message: str, number: int | None) -> Failure | None:
        """The failure that the row sees; None if it is not about that one."""
        if self.number is not None and self.number != number:
            return None
        found = re.search(self.text, message)
        if found is None:
            return None
        code = found.groupdict().get("code")
        return Failure(self.cause, int(code) if code and len(code) < 6 else None)


def classify(rows: Sequence[Row], message: str, number: int | None) -> Failure:
    """Say why a job has failed; what no row knows is `Unknown`.

    Args:
        rows: the service's table; the first row that matches counts.
        message: the service's.
        number: of the google.rpc.Code, where the service gives one.
    """
    seen = (row.failure(message[:TEXT_LIMIT], number) for row in rows)
    return next((failure for failure in seen if failure), Failure(Cause.UNKNOWN))


def with_failure(job: Job, rows: Sequence[Row]) -> Job:
    """The job, and why it has failed if it has."""
    if job.state != "FAILED":
        return job
    number = job.document.get("errorCode")
    message = str(job.document.get("errorMessage") or "")
    found = classify(rows, message, number if isinstance(number, int) else None)
    return replace(job, failure=replace(found, message=message))
