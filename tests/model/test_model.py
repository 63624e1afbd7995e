"""Users, operator, service, others and time take turns at random; what must always hold is checked at each.

A longer run: `MLJOBS_MODEL_EXAMPLES=20000 pytest tests/model`; `--hypothesis-seed=N` makes one again. The
summary says how many stories were told, and with how many steps.
"""

import os
from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from mljobs.controller.loop.store import Key
from tests.model.process import BackendType
from tests.model.service import LAGS, CloudJob, UnnamedBackend
from tests.model.users import REGIONS, Users, picks
from tests.model.vertex import LOCATIONS, VertexBackend
from tests.model.wire import CallKind, Outcome
from tests.model.world import OTHERS_MEMBER

EXAMPLES = int(os.environ.get("MLJOBS_MODEL_EXAMPLES", "250"))

pytestmark = pytest.mark.timeout(600 + EXAMPLES // 4)  # some twenty stories a second; shrinking takes minutes

seconds = st.sampled_from([1, 2, 5, 10, 30, 60, 120, 300])
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(get_args(Outcome))
service_faults: st.SearchStrategy[Outcome] = st.sampled_from(get_args(Outcome)[1:])
kube_faults: st.SearchStrategy[Outcome] = st.sampled_from(["lost", "failed", "late", "rejected"])
times = st.integers(1, 3)


class Model(Users):
    """One story.

    Attributes:
        stories: how many were told so far.
        steps: how many they had together.
    """

    stories = steps = 0

    def __init__(self) -> None:
        super().__init__()
        Model.stories += 1

    # --- calls and time ----------------------------------------------------------------------------------

    @rule()
    def settle(self) -> None:
        self.world.tell("everything settles")
        self.world.work()

    @rule(time=seconds)
    def work(self, time: int) -> None:
        self.world.tell(f"{time} s pass")
        self.world.work(time)

    @rule(time=seconds)
    def wait(self, time: int) -> None:
        self.world.tell(f"{time} s pass, and no call is answered")
        self.world.wait(time)

    @precondition(lambda self: self.world.wire.calls)
    @rule(pick=picks, outcome=outcomes)
    def answer(self, pick: int, outcome: Outcome) -> None:
        calls = self.world.wire.calls
        self.world.tell("answer")
        self.world.wire.answer(calls[pick % len(calls)], outcome)

    @rule(kind=st.sampled_from(["effects", "effects", "reads"]), outcome=service_faults, times=times)
    def plan_service_fault(self, kind: CallKind, outcome: Outcome, times: int) -> None:
        """The next calls of the service do not go well."""
        self.world.tell(f"plan: the next {times} {kind} of the service: {outcome}")
        self.world.wire.planned += [("service", kind, outcome)] * times

    @rule(kind=st.sampled_from(["effects", "effects", "reads"]), outcome=kube_faults, times=times)
    def plan_kube_fault(self, kind: CallKind, outcome: Outcome, times: int) -> None:
        """The next calls of the API server do not go well."""
        self.world.tell(f"plan: the next {times} {kind} of the API server: {outcome}")
        self.world.wire.planned += [("kube", kind, outcome)] * times

    @precondition(lambda self: self.world.wire.late)
    @rule(pick=picks)
    def land(self, pick: int) -> None:
        late = self.world.wire.late
        self.world.tell("land")
        self.world.wire.land(late[pick % len(late)])

    # --- the process and its watch -------------------------------------------------------------------------

    @precondition(lambda self: self.world.process)
    @rule(land=st.lists(picks, max_size=2))
    def crash(self, land: list[int]) -> None:
        self.world.tell("crash")
        self.world.kill()
        for pick in land:
            if late := self.world.wire.late:
                self.world.wire.land(late[pick % len(late)])

    @precondition(lambda self: not self.world.process)
    @rule()
    def start(self) -> None:
        self.world.tell("start")
        self.world.start()

    @rule(by=st.sampled_from([-3600, 3600]))
    def set_clock(self, by: int) -> None:
        self.world.tell(f"the clock of the operator's machine is set by {by} s")
        self.world.set_by += by
        self.world.was_set = True

    @precondition(lambda self: self.world.process)
    @rule(count=st.integers(1, 3))
    def handle(self, count: int) -> None:
        """A few events of the watch are handled, the others lie in its buffer."""
        assert self.world.process is not None
        self.world.tell(f"handle {count} events")
        self.world.process.receive()
        self.world.process.handle(count)

    @precondition(lambda self: self.world.process and self.world.process.repeatable)
    @rule(pick=st.integers(0, 30))
    def repeat(self, pick: int) -> None:
        assert self.world.process is not None
        events = self.world.process.repeatable
        event = events[pick % len(events)]
        self.world.tell(f"repeat {event[0]} {event[1]['metadata']['name']}")
        self.world.process.repeat(event)

    @precondition(lambda self: self.world.process)
    @rule()
    def cut_watch(self) -> None:
        assert self.world.process is not None
        self.world.tell("the watch is cut, and begins with a list")
        self.world.process.relist()

    @rule(regions=st.sets(st.sampled_from(REGIONS)))
    def exhaust(self, regions: set[str]) -> None:
        """These regions refuse new jobs for lack of quota, and no others."""
        self.world.tell(f"service: no quota in {', '.join(sorted(regions)) or 'no region'}")
        self.service.exhausted = regions

    # --- the service by itself -----------------------------------------------------------------------------

    @rule(pick=picks, end=st.sampled_from(["SUCCEEDED", "FAILED"]))
    def progress(self, pick: int, end: str) -> None:
        if job := self._job(pick):
            self.world.tell(f"service: {job.job_id} goes on from {job.state}")
            self.service.progress(job, end)

    @rule(pick=picks)
    def cancelled_by_others(self, pick: int) -> None:
        job = self._job(pick)
        if job and job.active:
            self.world.tell(f"others: cancel {job.job_id}")
            self.service.cancel(job)

    @rule(pick=picks)
    def vanish(self, pick: int) -> None:
        """The service loses a job that a status has recorded."""
        job = self._job(pick)
        known = [(b.get("status") or {}).get("jobId") for b in self.cluster.objects.values()]
        if job and job.maker and job.job_id in known:
            self.world.tell(f"service: {job.job_id} vanishes")
            self.service.vanish(job)

    @rule(pick=picks)
    def reappear(self, pick: int) -> None:
        """The service finds a job again."""
        lost = [job for job in self.service.jobs.values() if job.vanished]
        if lost:
            job = lost[pick % len(lost)]
            self.world.tell(f"service: {job.job_id} is there again")
            self.service.reappear(job)

    @rule(wrong=st.booleans())
    def misdirect(self, wrong: bool) -> None:
        """The endpoint is wrong, or right again."""
        if wrong != self.service.wrong:
            self.world.tell(f"the service that answers is the {'wrong' if wrong else 'right'} one")
            self.service.misdirect(wrong)
            if wrong:
                self.waive_unsure()

    @precondition(lambda self: self.world.can.labels)
    @rule(
        pick=picks,
        key=st.sampled_from(["team", "cost"]),
        value=st.sampled_from(["x", "y"]),
        ours=st.booleans(),
    )
    def relabelled_by_others(self, pick: int, key: str, value: str, ours: bool) -> None:
        if job := self._job(pick):
            self.world.tell(f"others: relabel {job.job_id} {key}={value} ours={ours}")
            kept = job.document.get("labels", {}) if ours else {}
            if not ours:
                job.disowned, job.maker = True, ""
            self.service.change(job, labels={**kept, key: value})
            job.others = {**(job.others if ours else {}), key: value}

    @precondition(lambda self: self.world.can.iam)
    @rule(pick=picks)
    def bound_by_others(self, pick: int) -> None:
        if job := self._job(pick):
            self.world.tell(f"others: bind {job.job_id}")
            self.service.bind(job, "roles/owner", OTHERS_MEMBER)

    def _job(self, pick: int) -> CloudJob | None:
        jobs = [job for job in self.service.jobs.values() if not job.vanished]
        return jobs[-1 - pick % len(jobs)] if jobs else None

    # --- always --------------------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        Model.steps += 1
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.converge()
        finally:
            self.world.close()


class UnnamedModel(Model):
    """One story with a service that names jobs itself, and whose lists lag behind, now more and now less."""

    backend: BackendType = UnnamedBackend

    @rule(by=st.sampled_from(LAGS))
    def lag(self, by: float) -> None:
        self.world.tell(f"service: a new job is in no list for {by:g} s")
        self.service.lag = by


class VertexModel(UnnamedModel):
    """One story on Vertex AI, where a job is in one of several locations, each with lists of its own."""

    backend = VertexBackend

    @precondition(lambda self: self._movable())
    @rule(pick=picks, location=st.sampled_from(LOCATIONS))
    def move(self, pick: int, location: str) -> None:
        self._edit(self._movable()[pick % len(self._movable())], trainingInput={"region": location})

    def _movable(self) -> list[Key]:
        """A prediction has to be where its model is."""
        return [key for key in self._unsubmitted() if key.kind == "TrainingJob"]


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
TestUnnamedModel = UnnamedModel.TestCase
TestUnnamedModel.settings = TestModel.settings
TestVertexModel = VertexModel.TestCase
TestVertexModel.settings = TestModel.settings
