"""All jobs of the emulator: made, found, planned again, taken away."""

import bisect
import dataclasses
import functools
import heapq
import operator
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mljobs_dev.emulator import lifecycle, tuning
from mljobs_dev.emulator.clock import Clock
from mljobs_dev.emulator.jobs import Job, Json, failure_text
from mljobs_dev.emulator.lifecycle import Pace, State
from mljobs_dev.emulator.projects import project_number
from mljobs_dev.emulator.scripting import Script

_SEQUENCE = operator.attrgetter("sequence")


@dataclass
class _Project:
    jobs: dict[str, Job] = field(default_factory=dict)
    ordered: list[Job] = field(default_factory=list)
    queued_until: list[float] = field(default_factory=list)


class Store:
    """The jobs of all projects, and the scripts that they follow.

    Args:
        clock: emulated time.

    Attributes:
        scripts: those in force, oldest first.
    """

    def __init__(self, clock: Clock, *, still: bool = False) -> None:
        self.clock = clock
        self._still = still
        self._projects: defaultdict[str, _Project] = defaultdict(_Project)
        self.scripts: list[Script] = []
        self._sequence = 0

    def clear(self) -> None:
        """Forget all jobs and scripts."""
        self._projects.clear()
        self.scripts.clear()

    def __len__(self) -> int:
        return sum(len(project.jobs) for project in self._projects.values())

    def find(self, project: str, job_id: str) -> Job | None:
        """A job, or None."""
        known = self._projects.get(project)
        return known.jobs.get(job_id) if known else None

    def newest(self, project: str, below: int | None = None) -> Iterator[Job]:
        """A project's jobs, the last created first.

        Args:
            project: the project.
            below: only jobs that were created before the one with this number.
        """
        known = self._projects.get(project)
        ordered: Sequence[Job] = known.ordered if known else ()
        end = len(ordered) if below is None else bisect.bisect_left(ordered, below, key=_SEQUENCE)
        return (ordered[index] for index in range(end - 1, -1, -1))

    def create(self, project: str, body: Json) -> Job:
        """Take in a job whose id is free.

        Args:
            project: the project.
            body: a checked Job without proto defaults and output-only fields.
        """
        now = self.clock.now()
        self._sequence += 1
        pace = usual_pace(project, body)
        job = Job(
            project,
            body,
            sequence=self._sequence,
            created=now,
            pace=pace,
            clock=self.clock,
            still=self._still,
        )
        home = self._projects[project]
        home.jobs[job.id] = job
        home.ordered.append(job)
        self._follow(job, self._script(job), now)
        job.position = self._queue(home, job, now)
        return job

    def remove(self, job: Job) -> None:
        """Take a job away, as if it had never been."""
        home = self._projects[job.project]
        del home.jobs[job.id]
        home.ordered.remove(job)

    def cancel(self, job: Job) -> None:
        """Ask for a running job's end."""
        job.set_timeline(lifecycle.cancel(job.timeline, self.clock.now(), job.pace), job.pace)

    def force(self, job: Job, state: State, error: str = "") -> None:
        """Put a job into a later state.

        Raises:
            ValueError: the job is in that state or past it.
        """
        if state is State.FAILED and not error:
            error = job_failure(job.project, job.id)
        now = self.clock.now()
        job.set_timeline(lifecycle.force(job.timeline, now, state, job.pace, error), job.pace)

    def add_scripts(self, scripts: Sequence[Script]) -> None:
        """Take in scripts, for jobs to come and for those that have not ended."""
        self.scripts += scripts
        now = self.clock.now()
        for project in self._projects.values():
            for job in project.ordered:
                if job.state(now).terminal or not any(
                    script.covers(job.project, job.id) for script in scripts
                ):
                    continue
                self._follow(job, self._script(job), now)

    def clear_scripts(self) -> None:
        """Forget the scripts; jobs that follow one keep to it."""
        self.scripts.clear()

    def _script(self, job: Job) -> Script | None:
        return next((script for script in reversed(self.scripts) if script.covers(job.project, job.id)), None)

    def _follow(self, job: Job, script: Script | None, now: float) -> None:
        pace = _with_text(script.pace(job.usual) if script else job.usual, job)
        job.set_timeline(lifecycle.replan(job.timeline, now, pace), pace)
        output = script and (script.training_output if job.training else script.prediction_output)
        job.set_output(output or {})
        if script and script.ml_v1_trials is not None:
            job.set_trials(functools.partial(tuning.schedule, script.ml_v1_trials), ordered=True)
        elif job.tuning_spec is not None:
            spec = {**job.tuning_spec, "params": self._params(job)}
            seed, failing = f"{job.project}/{job.id}", pace.final is State.FAILED
            make = functools.partial(tuning.make_trials, spec, seed, failing=failing)
            job.set_trials(make, ordered=False)

    def _params(self, job: Job) -> Sequence[Json]:
        """The parameters of a tuning job, or those of the job that it resumes."""
        spec = job.tuning_spec or {}
        if spec.get("params"):
            return list(spec["params"])
        previous = self.find(job.project, spec.get("resumePreviousJobId", ""))
        return list((previous.tuning_spec or {}).get("params", ())) if previous else []

    def _queue(self, home: _Project, job: Job, now: float) -> int:
        """The job's position: how many jobs of its project were to be in QUEUED when it came, itself too."""
        while home.queued_until and home.queued_until[0] <= now:
            heapq.heappop(home.queued_until)
        heapq.heappush(home.queued_until, job.created + job.pace.seconds[State.QUEUED])
        return len(home.queued_until)


def usual_pace(project: str, body: Json) -> Pace:
    """The pace of a job that no script covers, with the limits that its scheduling sets."""
    training = body.get("trainingInput")
    pace = lifecycle.default_pace(f"{project}/{body['jobId']}", training=training is not None)
    scheduling = (training or {}).get("scheduling", {})
    return Pace(
        pace.seconds,
        max_wait=_seconds(scheduling.get("maxWaitTime")),
        max_run=_seconds(scheduling.get("maxRunningTime", "604800s")),
    )


def job_failure(project: str, job_id: str) -> str:
    """The usual errorMessage of a job that failed, with a made-up project number."""
    return failure_text(project_number(project), job_id)


def _with_text(pace: Pace, job: Job) -> Pace:
    """A pace that ends in failure says why."""
    if pace.error or pace.final is not State.FAILED:
        return pace
    return dataclasses.replace(pace, error=job_failure(job.project, job.id))


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else float(duration[:-1])
