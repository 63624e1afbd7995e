"""Users, operator, service, others and time take turns at random; what must always hold is checked at each.

A longer run: `MLJOBS_MODEL_EXAMPLES=20000 pytest tests/model`; `--hypothesis-seed=N` makes one again. The
summary says how many stories were told, and with how many steps.
"""

import os
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mljobs.controller.loop.store import Key
from mljobs.domain.job.resource import ADOPT, FORCE_RELEASE, SUBMISSION, Resource
from tests.model.cluster import OTHERS
from tests.model.forging import FORGERIES, forged
from tests.model.process import BackendType
from tests.model.service import LAGS, CloudJob, ModelBackend, UnnamedBackend
from tests.model.specs import KEYS, spec_of
from tests.model.vertex import LOCATIONS, VertexBackend
from tests.model.wire import CallKind, Outcome
from tests.model.world import OTHERS_MEMBER, World

EXAMPLES = int(os.environ.get("MLJOBS_MODEL_EXAMPLES", "250"))

pytestmark = pytest.mark.timeout(600 + EXAMPLES // 4)  # some twenty stories a second; shrinking takes minutes

picks = st.integers(0, 5)
seconds = st.sampled_from([1, 2, 5, 10, 30, 60, 120, 300])
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(get_args(Outcome))
service_faults: st.SearchStrategy[Outcome] = st.sampled_from(get_args(Outcome)[1:])
kube_faults: st.SearchStrategy[Outcome] = st.sampled_from(["lost", "failed", "late", "rejected"])
times = st.integers(1, 3)
deadlines = st.sampled_from([None, 45, 400])
job_ids = st.sampled_from([None, "chosen", "foreign"])
projects = st.sampled_from([None, "proj", "other"])
bindings = st.sampled_from(
    [
        [],
        [{"role": "roles/viewer", "members": ["user:a@example.com"]}],
        [{"role": "roles/viewer", "members": ["user:b@example.com"]}],
    ]
)


class Model(RuleBasedStateMachine):
    """One story.

    Attributes:
        stories: how many were told so far.
        steps: how many they had together.
    """

    stories = steps = 0
    backend: BackendType = ModelBackend

    def __init__(self) -> None:
        super().__init__()
        Model.stories += 1
        self.world = World(self.backend)
        self.service = self.world.service
        self.cluster = self.world.cluster
        self.forged: set[str] = set()

    @initialize(there=st.integers(0, 2), running=st.booleans())
    def begin(self, there: int, running: bool) -> None:
        """Some resources are there already."""
        for key in KEYS[:there]:
            self.cluster.create(key.kind, key.name, spec_of(key))
        if running:
            self.world.work()

    # --- users -------------------------------------------------------------------------------------------

    @precondition(lambda self: self._free())
    @rule(
        pick=picks,
        job_id=job_ids,
        suspend=st.sampled_from([None, None, True]),
        iam=bindings,
        adopt=st.booleans(),
        settle=st.booleans(),
    )
    def apply(
        self, pick: int, job_id: str | None, suspend: bool | None, iam: Any, adopt: bool, settle: bool
    ) -> None:
        key = self._free()[pick % len(self._free())]
        adopting = adopt and job_id is not None
        self.world.tell(f"user: apply {key.name} jobId={job_id} suspend={suspend} iam={iam} adopt={adopting}")
        annotations = {ADOPT: "true"} if adopting else {}
        wanted = iam if self.world.can.iam else None
        spec = spec_of(key, jobId=job_id, suspend=suspend, iamBindings=wanted or None)
        self.cluster.create(key.kind, key.name, spec, annotations=annotations)
        if settle:
            self.world.work()

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, team=st.sampled_from(["a", "b", "Not Legal", None]))
    def relabel(self, pick: int, team: str | None) -> None:
        self._edit(pick, labels={"team": team})

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, suspend=st.booleans())
    def suspend(self, pick: int, suspend: bool) -> None:
        self._edit(pick, suspend=suspend)

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, active=deadlines, start=deadlines)
    def set_deadlines(self, pick: int, active: int | None, start: int | None) -> None:
        self._edit(pick, activeDeadlineSeconds=active, startDeadlineSeconds=start)

    @precondition(lambda self: self.cluster.objects)
    @rule(
        pick=picks,
        limit=st.integers(0, 2),
        action=st.sampled_from([None, None, "Fail", "RetryIgnoringLimit"]),
    )
    def set_retries(self, pick: int, limit: int, action: str | None) -> None:
        policy = {"rules": [{"onCauses": ["UserCode"], "action": action}]} if action else None
        self._edit(pick, backoffLimit=limit, failurePolicy=policy)

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, ttl=st.sampled_from([None, 0, 30]), failed=st.sampled_from([None, 100]))
    def set_ttl(self, pick: int, ttl: int | None, failed: int | None) -> None:
        self._edit(pick, ttlSecondsAfterFinished=ttl, ttlSecondsByOutcome=failed and {"failed": failed})

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, policy=st.sampled_from(["Cancel", "Orphan"]))
    def set_policy(self, pick: int, policy: str) -> None:
        self._edit(pick, deletionPolicy=policy)

    @precondition(lambda self: self.cluster.objects and self.world.can.iam)
    @rule(pick=picks, iam=bindings)
    def bind(self, pick: int, iam: Any) -> None:
        self._edit(pick, iamBindings=iam)

    @precondition(lambda self: self._unsubmitted())
    @rule(pick=picks, project=projects, job_id=job_ids)
    def rename(self, pick: int, project: str | None, job_id: str | None) -> None:
        self._edit(self._unsubmitted()[pick % len(self._unsubmitted())], projectId=project, jobId=job_id)

    @precondition(lambda self: self._unsubmitted())
    @rule(pick=picks, valid=st.booleans())
    def change_input(self, pick: int, valid: bool) -> None:
        key = self._unsubmitted()[pick % len(self._unsubmitted())]
        field, whole = next(iter(spec_of(key).items()))
        self._edit(key, **{field: {"region": whole["region"] if valid else None}})

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        key = self._there(pick)
        self.world.tell(f"user: delete {key.name}")
        self.cluster.delete(key)

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, annotation=st.sampled_from([SUBMISSION, ADOPT, FORCE_RELEASE]))
    def annotate(self, pick: int, annotation: str) -> None:
        """Force the release, strip what the operator has written, change the mind about an adoption."""
        key = self._there(pick)
        there = annotation in (self.cluster.objects[key]["metadata"].get("annotations") or {})
        if annotation == SUBMISSION:
            if not there:
                return
            if not Resource.parse(self.cluster.objects[key]).submitted:
                self.world.waive(key, for_good=True)
        self.world.tell(f"user: annotate {key.name} {annotation}{'-' if there else '=true'}")
        self.cluster.edit(key, annotations={annotation: None if there else "true"})

    @precondition(lambda self: self._intended())
    @rule(pick=picks, how=st.sampled_from(FORGERIES))
    def forge(self, pick: int, how: str) -> None:
        """Write another intent than the operator's, whether or not the job is accepted by then."""
        key = self._intended()[pick % len(self._intended())]
        body = self.cluster.objects[key]
        resource = Resource.parse(body)
        if not resource.submitted:
            self.forged.add(resource.uid)
            changed = resource.intent is None or resource.intent.generation != resource.generation
            if changed or resource.adopt:
                self.world.waive(key, for_good=True)  # nothing else says any more which job was meant
        self.world.tell(f"user: forge the intent of {key.name}: {how}")
        self.cluster.edit(key, annotations={SUBMISSION: forged(how, body)})

    @precondition(lambda self: self._unsubmitted() and self._running())
    @rule(pick=picks, of=picks, named=st.booleans())
    def take(self, pick: int, of: int, named: bool) -> None:
        """Ask for another resource's job, perhaps without saying whose it is."""
        key = self._unsubmitted()[pick % len(self._unsubmitted())]
        owner = self.cluster.objects[self._running()[of % len(self._running())]]
        self.world.tell(f"user: {key.name} is to take the job of {owner['metadata']['name']} named={named}")
        self.cluster.edit(
            key,
            spec={name: owner["status"][name] for name in ("projectId", "jobId")},
            annotations={ADOPT: owner["metadata"]["uid"] if named else "true"},
        )

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks)
    def wipe_status(self, pick: int) -> None:
        """A client with the permission takes the status away."""
        key = self._there(pick)
        resource = Resource.parse(self.cluster.objects[key])
        if resource.intent is None or self._denied(resource):
            self.world.waive(key, for_good=True)
        self.world.tell(f"user: wipe the status of {key.name}")
        self.cluster.wipe_status(key)

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, annotations=st.booleans(), others=st.booleans())
    def strip(self, pick: int, annotations: bool, others: bool) -> None:
        """Take the finalizers off by force; with the annotations, it is what `kubectl replace` does."""
        key = self._there(pick)
        resource = Resource.parse(self.cluster.objects[key])
        self.world.tell(
            f"user: strip {'the' if others else 'our'} finalizers of {key.name}"
            f"{' and its annotations' * annotations}"
        )
        stays = resource.deleting and OTHERS in resource.finalizers and not others
        if not (stays and resource.submitted):
            self.world.waive(key, for_good=not resource.submitted)
        self.cluster.strip(key, annotations=annotations, others=others)

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, on=st.booleans())
    def hold(self, pick: int, on: bool) -> None:
        """Another controller puts its finalizer on, or takes it off."""
        key = self._there(pick)
        resource = Resource.parse(self.cluster.objects[key])
        if on is (OTHERS in resource.finalizers) or (on and resource.deleting):
            return
        self.world.tell(f"others: {'hold' if on else 'release'} {key.name}")
        if resource.deleting and not resource.held:
            self.world.waive(key, for_good=True)  # before the operator may have noticed
        self.cluster.hold(key, on)

    @precondition(lambda self: self.cluster.objects and self._free())
    @rule(pick=picks, to=picks)
    def copy(self, pick: int, to: int) -> None:
        """`kubectl get -o yaml | sed | kubectl apply`: annotations and finalizers come along."""
        source, key = self._there(pick), self._free()[to % len(self._free())]
        if source.kind != key.kind:
            return
        self.world.tell(f"user: copy {source.name} to {key.name}")
        body = self.cluster.objects[source]
        self.cluster.create(
            key.kind,
            key.name,
            body["spec"],
            annotations=dict(body["metadata"].get("annotations") or {}),
            finalizers=list(body["metadata"].get("finalizers") or ()),
        )

    def _denied(self, resource: Resource) -> bool:
        """Whether nothing but the status knows of a job: the service denies it, and takes a second create."""
        away = (job.vanished or self.service.wrong for _, job in self.world.jobs_of(resource.uid))
        return not self.world.can.client_names_jobs and any(away)

    def _free(self) -> list[Key]:
        return [key for key in KEYS if key not in self.cluster.objects]

    def _there(self, pick: int) -> Key:
        return list(self.cluster.objects)[pick % len(self.cluster.objects)]

    def _unsubmitted(self) -> list[Key]:
        return [key for key, body in self.cluster.objects.items() if not body["status"].get("jobId")]

    def _running(self) -> list[Key]:
        return [key for key, body in self.cluster.objects.items() if Resource.parse(body).submitted]

    def _intended(self) -> list[Key]:
        return [
            key
            for key, body in self.cluster.objects.items()
            if SUBMISSION in (body["metadata"].get("annotations") or {}) and Resource.parse(body).held
        ]

    def _edit(self, which: int | Key, **spec: Any) -> None:
        key = self._there(which) if isinstance(which, int) else which
        resource = Resource.parse(self.cluster.objects[key])
        if resource.uid in self.forged and not resource.submitted:
            self.world.waive(key, for_good=True)  # nothing else says any more which job was meant
        self.world.tell(f"user: edit {key.name} {spec}")
        if not self.cluster.edit(key, spec=spec):
            self.world.tell("  refused: the job is submitted")

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
