"""The lines that jobs of Vertex AI have in Cloud Logging, under the tasks `service` and `workerpool0-0`."""

from collections.abc import Iterator

from mljobs_dev.emulator.aiplatform.jobs import Job
from mljobs_dev.emulator.aiplatform.states import JobState
from mljobs_dev.emulator.log_entries import Entry, Speaker

_SAID = {
    JobState.QUEUED: "Job is queued.",
    JobState.PENDING: "Waiting for job to be provisioned.",
    JobState.RUNNING: "Job is running.",
    JobState.SUCCEEDED: "Job completed successfully.",
    JobState.CANCELLING: "Job is being cancelled.",
}


def job_entries(job: Job, now: float) -> Iterator[Entry]:
    """The lines that a job has written up to an instant, in order of their kinds.

    The lines of a tuning job's trials are under the tuning job's id, and under those of their custom jobs.
    """
    speaker = Speaker(job.place.project, job.id, job.sequence, job.clock)
    before = None
    for number, step in enumerate(job.history.past(now)):
        if step.state is not before:
            text = step.error or _SAID.get(step.state, f"Job is in {step.state}.")
            yield speaker.says(step.at, number, text, "ERROR" if step.state is JobState.FAILED else "INFO")
        before = step.state
    started = job.history.entered(JobState.RUNNING)
    if started is None or started > now:
        return
    left = next(
        (s.at for s in job.history.past(now) if s.at > started and s.state is not JobState.RUNNING), now
    )
    yield from speaker.trains(job.kind.log_task, started, job.pace.seconds[JobState.RUNNING], left)
