"""All jobs of Vertex AI: created, found, scheduled again, removed."""

import dataclasses
import functools
import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from mljobs_dev.emulator.aiplatform import lifecycle, tuning
from mljobs_dev.emulator.aiplatform.capacity import holds, needs, room_since
from mljobs_dev.emulator.aiplatform.errors import (
    QUOTA_EXCEEDED,
    SERVER_ENDED,
    SERVICE,
    no_capacity,
)
from mljobs_dev.emulator.aiplatform.jobs import Job, Json, Place
from mljobs_dev.emulator.aiplatform.kinds import BATCH, CUSTOM, TUNING, Kind
from mljobs_dev.emulator.aiplatform.lifecycle import NO_RESOURCES, Pace
from mljobs_dev.emulator.aiplatform.scripting import Face, Options, TrainingQuota
from mljobs_dev.emulator.aiplatform.states import JobState
from mljobs_dev.emulator.clock import Clock
from mljobs_dev.emulator.projects import project_number
from mljobs_dev.emulator.scripting import Script

_WEEK = 604_800.0
_DAY = 86_400.0
_LOGS = (
    "https://console.cloud.google.com/logs/viewer?project={0}&resource=ml_job%2Fjob_id%2F{1}"
    "&advancedFilter=resource.type%3D%22ml_job%22%0Aresource.labels.job_id%3D%22{1}%22"
)


class Store:
    """The jobs of all projects and locations.

    Args:
        clock: emulated time.
        options: what tests have chosen.
        scripts: those in force, which the other services' jobs follow too.

    Attributes:
        quotas: the training quotas in force.
    """

    def __init__(self, clock: Clock, options: Callable[[], Options], scripts: Sequence[Script]) -> None:
        self.clock = clock
        self.quotas: list[TrainingQuota] = []
        self._options = options
        self._scripts = scripts
        self._homes: defaultdict[tuple[Place, Kind], dict[str, Job]] = defaultdict(dict)
        self._open: defaultdict[Place, list[Job]] = defaultdict(list)
        self._sequence = 0

    def __len__(self) -> int:
        return sum(len(home) for home in self._homes.values())

    def clear(self) -> None:
        """Forget all jobs and quotas."""
        self._homes.clear()
        self._open.clear()
        self.quotas.clear()

    def find(self, kind: Kind, place: Place, job_id: str) -> Job | None:
        """A job, or None."""
        self.settle(place)
        home = self._homes.get((place, kind))
        return home.get(job_id) if home else None

    def named(self, project: str, name: str) -> Job | None:
        """The newest job of any kind and location with an id or a display name, or None."""
        jobs = [job for job in self.jobs(project) if name in job.names]
        return max(jobs, key=lambda job: job.sequence, default=None)

    def all(self, kind: Kind, place: Place) -> list[Job]:
        """The jobs of a kind in a place, in the order of their creation."""
        self.settle(place)
        home = self._homes.get((place, kind))
        return list(home.values()) if home else []

    def jobs(self, project: str) -> list[Job]:
        """The jobs of all kinds and locations."""
        places = [place for place, _ in self._homes if place.project == project]
        for place in dict.fromkeys(places):
            self.settle(place)
        return [
            job
            for (place, _), home in self._homes.items()
            if place.project == project
            for job in home.values()
        ]

    def create(self, kind: Kind, place: Place, body: Json) -> Job:
        """Take in a job.

        Args:
            kind: which.
            place: where.
            body: a checked job with its defaults, without proto defaults and output-only fields.

        Raises:
            ApiError: 429 beyond a quota that refuses.
        """
        now = self.clock.now()
        self.settle(place)
        over = self._over(kind, place, body, now)
        if over is not None and over.face is Face.REFUSE:
            raise no_capacity(over.name)
        job = Job(
            kind,
            place,
            self._next_id(kind),
            body,
            sequence=self._sequence,
            created=now,
            clock=self.clock,
            usual=self._usual(kind, place, body),
            by_number=self._options().project_numbers,
        )
        job.held = over is not None and over.face is Face.QUEUE
        if over is not None and over.face is Face.FAIL:
            text = QUOTA_EXCEEDED.format(f"{SERVICE}/{over.name}")
            job.usual = dataclasses.replace(job.usual, final=JobState.FAILED, error=text, runs=False)
        self._homes[place, kind][job.id] = job
        if job.held or kind is TUNING:
            self._open[place].append(job)
        self.follow(job, now)  # and not later, when it would have begun to go on as usual
        return job

    def remove(self, job: Job) -> None:
        """Take a job away."""
        del self._homes[job.place, job.kind][job.id]
        if job in self._open[job.place]:
            self._open[job.place].remove(job)

    def cancel(self, job: Job) -> bool:
        """Ask for a job's end, and whether that changes anything."""
        history = lifecycle.cancel(job.history, self.clock.now(), job.pace)
        changed = history is not job.history
        if changed:
            job.held = False
            job.set_history(history, job.pace)
        return changed

    def force(self, job: Job, state: JobState, error: str = "") -> None:
        """Put a job into a state now.

        Raises:
            ValueError: the job is in that state or past it.
        """
        if not error and state.terminal and state not in _FINE:
            error = self._failure(job)
        history = lifecycle.force(job.history, self.clock.now(), state, job.pace, error)
        job.held = False
        job.set_history(history, job.pace)

    def follow_scripts(self, scripts: Sequence[Script]) -> None:
        """Let the jobs that have not ended follow new scripts."""
        now = self.clock.now()
        for home in list(self._homes.values()):
            for job in list(home.values()):
                if not job.state(now).terminal and any(self._covers(script, job) for script in scripts):
                    self.follow(job)

    def follow(self, job: Job, now: float | None = None) -> None:
        """Plan a job by the script that covers it, or as usual, from now on or from another instant."""
        script = next((script for script in reversed(self._scripts) if self._covers(script, job)), None)
        pace = script.vertex_pace(job.usual) if script else job.usual
        if not pace.error and pace.final.terminal and pace.final not in _FINE:
            pace = dataclasses.replace(pace, error=self._failure(job))
        if job.held:
            pace = dataclasses.replace(pace, final=JobState.QUEUED)
        job.code = (script.error_code if script else None) or 0
        job.extra = script.vertex_output_of(job.kind.collection) if script else {}
        since = self.clock.now() if now is None else now
        job.set_history(lifecycle.replan(job.history, since, pace), pace)
        if job.kind is TUNING and script and script.trials is not None:
            job.trials.set(tuning.scripted(script.trials, job.body))
        elif job.kind is TUNING:
            failing = pace.final is JobState.FAILED
            job.trials.set(functools.partial(tuning.make_trials, job.body, job.id, failing=failing))

    def settle(self, place: Place) -> None:
        """Let what has come meanwhile be there: trials of tuning jobs, and room for jobs that wait for it."""
        opened = self._open.get(place)
        if not opened:
            return
        now = self.clock.now()
        for job in list(opened):
            if job.held:
                self._admit(job, now)
            if job.kind is TUNING:
                self._run_trials(job, now)
            if not job.held and (job.kind is not TUNING or job.state(now).terminal):
                opened.remove(job)

    def _admit(self, job: Job, now: float) -> None:
        if job.state(now).terminal:
            job.held = False
            return
        others = list(self._training(job.place))
        instants = [
            room_since(job, iter(others), quota.name, quota.limit, now)
            for quota in self.quotas
            if quota.face is Face.QUEUE and quota.covers(job.place.project, job.place.location)
        ]
        since = max(instants, default=now)
        if since == math.inf:
            return
        job.held = False
        self.follow(job)
        job.set_history(lifecycle.replan(job.history, min(now, max(since, job.created)), job.pace), job.pace)

    def _run_trials(self, parent: Job, now: float) -> None:
        home = self._homes[parent.place, CUSTOM]
        for plan in list(parent.trials.due(parent, now)):
            job_id, labelled = self._next_id(CUSTOM), self._options().trial_labels
            job = parent.trial_job(plan, job_id, self._sequence, labelled=labelled)
            parent.trials.jobs[plan.id] = home[job.id] = job
        ended = parent.ended(now)
        stopped = parent.history.entered(JobState.CANCELLING)
        for job in parent.trials.jobs.values():
            if stopped is not None and stopped <= now:
                job.set_history(lifecycle.cancel(job.history, max(stopped, job.created), job.pace), job.pace)
            if ended is not None and not job.state(ended).terminal:
                final = JobState.CANCELLED if parent.state(now) is JobState.CANCELLED else job.pace.final
                error = job.pace.error if final is JobState.FAILED else ""
                history = lifecycle.force(job.history, max(ended, job.created), final, job.pace, error)
                job.set_history(history, job.pace)

    def _over(self, kind: Kind, place: Place, body: Json, now: float) -> TrainingQuota | None:
        """The first quota that a new job goes beyond, or that others already wait for."""
        wanted = needs(kind, body)
        for quota in self.quotas:
            share = wanted.get(quota.name, 0)
            if not share or not quota.covers(place.project, place.location):
                continue
            used = sum(
                needs(job.kind, job.body).get(quota.name, 0)
                for job in self._training(place)
                if job.held or holds(job.history, now, held=False)
            )
            if used + share > quota.limit:
                return quota
        return None

    def _training(self, place: Place) -> Iterator[Job]:
        """The jobs that take of the training quotas; a tuning job stands for its trials."""
        for kind in (CUSTOM, TUNING):
            yield from (job for job in self._homes[place, kind].values() if job.parent is None)

    def _covers(self, script: Script, job: Job) -> bool:
        """Whether a job follows a script; the custom jobs of trials follow their tuning job."""
        return job.parent is None and script.covers(
            job.place.project, *job.names, location=job.place.location
        )

    def _usual(self, kind: Kind, place: Place, body: Json) -> Pace:
        pace = lifecycle.default_pace(kind.collection, f"{place.project}/{place.location}/{self._sequence}")
        if kind is BATCH:
            return pace
        scheduling = body[kind.spec].get("scheduling", {})
        wait = None
        if scheduling.get("strategy") == "FLEX_START":
            wait = float(scheduling.get("maxWaitDuration", f"{_DAY}s")[:-1]) or None
        run = None if kind is TUNING else float(scheduling.get("timeout", f"{_WEEK}s")[:-1])
        return dataclasses.replace(
            pace, max_wait=wait, max_run=run, too_late=NO_RESOURCES.format(place.location)
        )

    def _failure(self, job: Job) -> str:
        """The usual `error.message` of a job that failed."""
        if job.kind is BATCH:
            moment = int(self.clock.unix(self.clock.now()))
            return SERVER_ENDED.format(moment, moment + 3)
        number = project_number(job.place.project)
        return (
            "The replica workerpool0-0 exited with a non-zero status of 1. To find out more about why your "
            f"job exited please check the logs: {_LOGS.format(number, job.id)}"
        )

    def _next_id(self, kind: Kind) -> str:
        """Digits without order, the same in every run."""
        self._sequence += 1
        digest = hashlib.blake2b(f"{kind.collection}/{self._sequence}".encode(), digest_size=8).digest()
        return str(int.from_bytes(digest) >> 1)


_FINE = (JobState.SUCCEEDED, JobState.CANCELLED, JobState.PARTIALLY_SUCCEEDED)
