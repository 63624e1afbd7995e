"""From an answer of `ml` v1 to a job: its words are those of the resources already."""

from mljobs.backends.google.causes import with_failure
from mljobs.backends.mlv1.causes import ROWS
from mljobs.domain.port import Job, JobDocument, Reference, Scope


def read(answer: JobDocument, scope: Scope) -> Job:
    """Read a job.

    Args:
        answer: a job as the client has checked it.
        scope: where it was asked for. The service may name the project otherwise; the reference has it as it
            was asked for.
    """
    return with_failure(Job.parse(answer, Reference(f"{scope}/jobs/{answer['jobId']}")), ROWS)
