"""Users, operator, service, others and time in one model, and the invariants that hold at every moment."""

import logging
from datetime import datetime, timedelta

from mljobs.api.base import JsonObject
from mljobs.api.outputs import TERMINAL_STATES
from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.controller.loop.store import Key
from mljobs.domain.job import naming
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.lost import service_is_wrong
from mljobs.domain.policies.retry import retry
from mljobs.domain.port import Reference
from mljobs.domain.reasons import ConditionType, Reason
from mljobs.domain.spec.validate import validate
from tests.conditions import condition_of, stalled_by
from tests.model.cluster import Cluster
from tests.model.ends import broken, is_overdue, is_to_end, too_early, ttl_of, unrecorded
from tests.model.loop import VirtualLoop
from tests.model.process import EPOCH, POLICY, BackendType, Process
from tests.model.service import CloudJob, ModelBackend, Place, Service, place_of
from tests.model.telling import Errors, news
from tests.model.wire import TIMEOUT, Call, CallKind, Outcome, Side, Wire

LINGER = POLICY.grace.total_seconds() - 3
"""Seconds for which an unanswered call may still take effect: less than the grace, or nothing can be sure."""

PATIENCE = 1200.0
"""Seconds in which everything converges once the faults have ended: more than the slowest retry."""

FOREIGN = ("proj", "foreign")
FACTS = MlV1Facts()


FAULTS_END = "--- no faults from here on"

CALM = 900.0
"""Seconds in which then nothing is written: several lists and many polls."""


class World:
    """Everything.

    Attributes:
        told: what has happened, for reports.
        waived: uids whose users have given up the guarantees, by taking off what the operator has written
            down; until the operator has noticed, or for good (True) where it can't find the job any more.
        set_by: seconds by which the wall clock of the operator's machine is wrong.
        was_set: whether it ever was: a process that starts then has other times than those before it.
        rejected: the generation whose call the service has refused as wrong, by uid.
    """

    def __init__(self, backend: BackendType = ModelBackend) -> None:
        self.backend = backend
        self.can = backend.facts.capabilities
        self.loop = VirtualLoop()
        self.wire = Wire(self.loop, linger=LINGER)
        self.cluster = Cluster()
        self.service = Service(self.wire, named_by_clients=self.can.client_names_jobs)
        self.process: Process | None = None
        self.told: list[str] = []
        self.waived: dict[str, bool] = {}
        self.rejected: dict[str, int] = {}
        self.ended: dict[tuple[str, str], str] = {}
        self.violations: list[str] = []
        self.errors = Errors()
        self.set_by = 0.0
        self.was_set = False
        self.wire.told = self.told.append
        self.wire.sent = self._watch_trespasses
        self.wire.answered = self._note_rejection
        self.cluster.observers += [self._watch_states, self._watch_releases, self._watch_ends]
        self._logger = logging.getLogger("mljobs")
        self._logger.addHandler(self.errors)
        self.service.make(FOREIGN, {"jobId": "foreign", "labels": {"team": "x"}})
        self.start()

    def close(self) -> None:
        """End everything."""
        self._logger.removeHandler(self.errors)
        if self.process:
            self.process.kill()
        self.loop.close()

    def tell(self, text: str) -> None:
        self.told.append(f"{self.loop.now:8.1f} {text}")

    def wall_clock(self) -> datetime:
        """The wall clock of the operator's machine."""
        return EPOCH + timedelta(seconds=self.loop.now + self.set_by)

    # --- the operator ------------------------------------------------------------------------------------

    def start(self) -> None:
        self.process = Process(self.cluster, self.service, self.wire, self.wall_clock, self.backend)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process = None

    def work(self, seconds: float = 0, *, but: Call | None = None) -> int:
        """Let everything run without faults, but planned ones, while time passes; one call may stay open."""
        until, calls = self.loop.now + seconds, 0
        while True:
            if self.process:
                self.process.receive()
                self.process.handle()
            calls += self.wire.flow(min(5.0, until - self.loop.now), but=but)
            if self.process:
                self.process.receive()
            quiet = not (self.process and self.process.inbox)
            if self.loop.now >= until and quiet:
                return calls
            assert calls < 20 * (seconds + 60), f"the operator calls without end: {self.wire.counts}"

    def wait(self, seconds: float) -> None:
        """Let time pass, and answer no call."""
        until = self.loop.now + seconds
        while self.loop.now < until:
            self.loop.advance(min(5.0, until - self.loop.now))
            self.wire.expire()

    def _note_rejection(self, call: Call, outcome: Outcome) -> None:
        if (
            outcome != "rejected"
            or call.side != "service"
            or call.method not in ("create", "patch", "set_policy", "get_policy")
        ):
            return
        for body in self.cluster.objects.values():
            resource = Resource.parse(body)
            mine = naming.label_value(resource.uid) == call.owner
            target = resource.target
            if mine or (target and (target.project, target.job_id) == call.subject):
                self.rejected[resource.uid] = resource.generation

    def waive(self, key: Key, *, for_good: bool) -> None:
        """A user takes off what the operator has written down about a resource."""
        uid = self.cluster.objects[key]["metadata"]["uid"]
        self.waived[uid] = self.waived.get(uid, False) or for_good

    def only(self, method: str) -> Call:
        """The one call of a method that waits for its answer."""
        (found,) = [call for call in self.wire.calls if call.method == method]
        return found

    def plan(self, side: Side, kind: CallKind, outcome: Outcome, times: int = 1) -> None:
        """Let the next calls of a kind have this outcome."""
        self.wire.planned += [(side, kind, outcome)] * times

    # --- invariants --------------------------------------------------------------------------------------

    def check(self) -> None:
        """What holds at every moment.

        Raises:
            AssertionError: it does not.
        """
        if self.can.client_names_jobs:
            self._one_job_an_attempt()
        self._no_thefts()
        self._no_leaks()
        self.violations += broken(self.cluster, self.service, self.waived)
        if self.errors.lines:
            self.violations.append(f"the operator logs a mistake of its own: {self.errors.lines[0]}")
        if self.process and self.process.ended:
            self.violations.append(f"a task of the operator has ended: {self.process.ended}")
        assert not self.violations, "\n".join([*self.violations, "", self.report()])

    def report(self) -> str:
        jobs = "\n".join(f"{place}: {job}" for place, job in self.service.jobs.items())
        return "\n".join([*news(self.told), "", self.cluster.show(), "", jobs])

    def jobs_of(self, uid: str) -> list[tuple[Place, CloudJob]]:
        """The jobs that the resource with a uid has made or adopted."""
        label = naming.label_value(uid)
        return [
            (place, job)
            for place, job in self.service.jobs.items()
            if label in (job.maker, job.document.get("labels", {}).get(naming.UID_LABEL))
        ]

    def _one_job_an_attempt(self) -> None:
        """I1."""
        seen: dict[tuple[str, int], Place] = {}
        for place, job in self.service.jobs.items():
            if not job.maker or job.vanished or job.maker in self.waived:
                continue
            if not self.can.client_names_jobs and not job.active:
                continue  # of several made, all but one are ended
            attempt = (job.maker, int(job.document["labels"].get(naming.ATTEMPT_LABEL, "1")))
            if attempt in seen:
                self.violations.append(f"I1: {place} and {seen[attempt]} are both of {attempt}")
            seen[attempt] = place

    def _no_leaks(self) -> None:
        """I2: nothing runs for a resource that is gone."""
        for uid, body in self.cluster.gone.items():
            leaked = self._held(Resource.parse(body))
            if leaked:
                self.violations.append(f"I2: {body['metadata']['name']} ({uid}) is gone, and leaves {leaked}")

    def _held(self, resource: Resource) -> list[Place]:
        """The jobs that would be left behind if a resource went away now."""
        if resource.orphan or resource.force_release or resource.uid in self.waived:
            return []
        jobs = self.jobs_of(resource.uid)
        return [place for place, job in jobs if job.active and not job.disowned and not job.excused]

    def _watch_states(self, _before: JsonObject, after: JsonObject, operator: bool) -> None:
        """I3: a terminal state never regresses."""
        resource = Resource.parse(after)
        if operator and resource.held and resource.submitted and not self.waived.get(resource.uid, True):
            del self.waived[resource.uid]
        if not operator:
            if resource.status == {"observedGeneration": -1}:
                self.ended = {k: v for k, v in self.ended.items() if k[0] != resource.uid}
            return
        key = (resource.uid, str(resource.status.get("jobName")))
        state = resource.state
        if key in self.ended and state != self.ended[key]:
            self.violations.append(f"I3: {key} was {self.ended[key]} and is {state}")
        if state in TERMINAL_STATES and resource.submitted:
            self.ended[key] = state

    def _watch_ends(self, before: JsonObject, after: JsonObject, operator: bool) -> None:
        """No deadline is early, and nothing finished goes without a record."""
        if operator:
            written = self.process.remembered if self.process else set()
            self.violations += unrecorded(before, after, written)
            if not self.was_set:
                self.violations += too_early(before, after, self.service, self.loop.now)

    def _watch_trespasses(self, call: Call) -> None:
        """I4: no job is changed that was last seen without our uid label, or cancelled without a cause."""
        if call.method not in ("cancel", "patch", "get_policy") or self.process is None:
            return
        store = self.process.store
        for key in store:
            known, body = store.observation(key), store.body(key)
            if not body or call.subject not in self._places(known):
                continue
            resource = Resource.parse(body)
            owned = known.job is not None and naming.is_owned(known.job.labels, resource.uid)
            if owned and call.method == "cancel" and not is_to_end(key, resource, known, call.subject):
                self.violations.append(f"I4: {call.subject} is cancelled, and nothing says why")
            if owned or (resource.adopt and call.method == "patch"):
                return
        if call.method != "patch" or not self._adopting(call.subject):
            self.violations.append(f"I4: {call.method} of {call.subject}, which is nobody's")

    def _places(self, known: Observation) -> list[Place]:
        """The places of the jobs that an observation speaks of."""
        jobs = [*([known.job] if known.job else []), *known.extra]
        named = [(known.target.project, known.target.job_id)] if known.target else []
        return [*named, *(place_of(job.reference) for job in jobs)]

    def _no_thefts(self) -> None:
        """I4: a job with an owner goes to nobody but a resource that has named the owner."""
        while self.service.taken:
            before, after = self.service.taken.pop()
            bodies = [Resource.parse(body) for _, body in self.cluster.history]
            if before and not any((body.uid, body.adopt) == (after, before) for body in bodies):
                self.violations.append(f"I4: {after} has taken a job of {before}, and has never named it")

    def _adopting(self, place: Place) -> bool:
        """Whether a resource asks for the job, or did when its adoption began with a look."""
        bodies = [Resource.parse(body) for _, body in self.cluster.history]
        return any(body.adopt and self._chosen(body) == place for body in bodies)

    def _watch_releases(self, before: JsonObject, after: JsonObject, operator: bool) -> None:
        """I5: the finalizer goes only when no job can come any more."""
        resource = Resource.parse(after)
        if not operator or resource.held or not Resource.parse(before).held:
            return
        for _, job in self.jobs_of(resource.uid):
            job.excused = job.excused or self._away_for_good_reason(resource, job)
        if resource.orphan or resource.force_release or resource.uid in self.waived:
            return
        coming = [
            late.call.subject
            for late in self.wire.late
            if late.call.method == "create"
            and resource.uid == late.call.owner
            and late.call.subject not in self.service.jobs
        ]
        if coming:
            self.violations.append(f"I5: {resource.name} was released while {coming} may still come")

    def _away_for_good_reason(self, resource: Resource, job: CloudJob) -> bool:
        """Whether the operator may have taken a job for lost, when it decided to let the resource go."""
        if not job.away:
            return False
        start, end = job.away[-1]
        if self.loop.now - end > LINGER + TIMEOUT:
            return False
        long_enough = min(end, self.loop.now) - start >= POLICY.lost_after.total_seconds()
        return long_enough or resource.lost or not resource.submitted

    # --- convergence -------------------------------------------------------------------------------------

    def converge(self) -> None:
        """I6: without faults everything comes to its end, and then nothing is written.

        Raises:
            AssertionError: it does not.
        """
        self.wire.planned.clear()
        self.wire.late.clear()
        self.service.exhausted = set()
        if self.service.wrong:
            self.service.misdirect(False)
        if self.process is None:
            self.start()
        assert self.process is not None
        self.process.receive()
        self.told.append(FAULTS_END)
        self.work(PATIENCE)
        self._one_job_an_attempt()
        self.check()
        for body in list(self.cluster.objects.values()):
            problems = self._unconverged(Resource.parse(body))
            if problems:
                self.violations.append(f"I6: {body['metadata']['name']}: {problems}")
        self.check()
        writes = self.cluster.writes
        self.tell("--- calm")
        self.work(CALM)
        if self.cluster.writes != writes:
            self.violations.append(f"I6: {self.cluster.writes - writes} writes while nothing changes")
        self.check()

    def _unconverged(self, resource: Resource) -> list[str]:
        """Why a resource is not as it should be in the end."""
        if resource.uid in self.waived:
            return []
        if resource.deleting:
            disbelieved = self._disbelieved(resource)
            if not resource.held:
                return self._left(resource, disbelieved)
            return [] if disbelieved else ["it is still being deleted"]
        status = resource.status
        problems = []
        if status.get("observedGeneration") != resource.generation:
            problems.append("its generation is not observed")
        active = [place for place, job in self.jobs_of(resource.uid) if job.active and not job.disowned]
        if len(active) > 1:
            problems.append(f"several jobs run: {active}")
        if not resource.submitted:
            return problems + self._unsubmitted(resource, active)
        target = resource.recorded
        assert target is not None
        job = self.service.jobs.get(_place(resource))
        if job is None:
            return [*problems, "its job does not exist"]
        return problems + self._submitted(resource, job)

    def _left(self, resource: Resource, disbelieved: bool) -> list[str]:
        """Why a resource that is being deleted, and held by others alone, is not as it should be."""
        problems = [
            f"it was released, and {place} is still running"
            for place in self._held(resource)
            if not disbelieved
        ]
        if resource.status.get("observedGeneration") != resource.generation:
            problems.append("its generation is not observed")
        job = self.service.jobs.get(_place(resource)) if resource.submitted else None
        if job and not job.vanished and job.state != resource.state:
            problems.append(f"its job is {job.state}, and it says {resource.state}")
        return problems

    def _disbelieved(self, resource: Resource) -> bool:
        """Whether so many jobs of the project are missing that the service is not believed about this one."""
        target, active = resource.recorded, set()
        for body in self.cluster.objects.values():
            one = Resource.parse(body)
            if one.submitted and one.recorded and not (one.ended or one.lost):
                active.add(_place(one))
        if target is None or target.reference is None or _place(resource) not in active:
            return False
        active = {place for place in active if place[0] == target.project}
        missing = {place for place in active if self.service.jobs[place].vanished}
        return service_is_wrong(asked=len(active), missing=len(missing))

    def _unsubmitted(self, resource: Resource, active: list[Place]) -> list[str]:
        if active:
            return [f"it is not submitted, and has {active}"]
        stalled = condition_of(resource, ConditionType.STALLED)
        reconciling = condition_of(resource, ConditionType.RECONCILING)
        earlier = (
            resource.recorded and resource.target and resource.recorded.attempt < resource.target.attempt
        )
        if resource.status.get("jobId") and reconciling["status"] != "True" and not earlier:
            return ["it names a job that does not exist, so that its spec cannot be fixed"]
        validated = validate(resource.kind, resource.spec, default_project=POLICY.default_project)
        if validated.spec is None:
            return [] if stalled_by(resource, Reason.INVALID_SPEC) else [f"it is invalid: {stalled}"]
        if stalled_by(resource, Reason.REJECTED) and self.rejected.get(resource.uid) == resource.generation:
            return []
        if stalled_by(resource, Reason.NOT_ALLOWED):
            return [] if resource.adopt and not self.can.labels else ["it may be adopted, and it says not"]
        place = self._chosen(resource)
        job = self.service.jobs.get(place)
        if stalled_by(resource, Reason.JOB_ID_TAKEN):
            owner = naming.owner_uid(job.document.get("labels", {})) if job else resource.uid
            free = owner == resource.uid or (bool(resource.adopt) and (owner or "true") == resource.adopt)
            return [f"{place} is not taken"] if free else []
        if resource.suspend:
            held = condition_of(resource, ConditionType.SUSPENDED).get("status")
            return [] if held == "True" and not stalled else ["it is not shown as suspended"]
        waits = job is not None and job.vanished
        return [] if waits or self._waits_for_somebody(resource) else ["it is not submitted"]

    @staticmethod
    def _waits_for_somebody(resource: Resource) -> bool:
        """Whether it says that it goes on once its spec changes, for a reason that it still has."""
        exhausted = stalled_by(resource, Reason.PLACEMENTS_EXHAUSTED) and resource.spec.get("placements")
        return bool(exhausted or (stalled_by(resource, Reason.NOTHING_TO_ADOPT) and resource.adopt))

    def _chosen(self, resource: Resource) -> Place:
        project = str(resource.spec.get("projectId") or POLICY.default_project)
        return project, FACTS.job_id(resource.owner, 1, resource.spec.get("jobId"))

    def _submitted(self, resource: Resource, job: CloudJob) -> list[str]:
        if job.vanished and resource.state not in TERMINAL_STATES:
            silent = not resource.lost and not self._disbelieved(resource)
            return ["its job is lost, and it does not say so"] if silent else []
        problems = []
        if ttl_of(resource) is not None and not self.was_set:
            problems.append("its ttl has passed, and it is still there")
        if resource.state != job.state:
            problems.append(f"its job is {job.state}, and it says {resource.state}")
        if stalled_by(resource, Reason.LOST):
            problems.append("it says Lost")
        succeeded = condition_of(resource, ConditionType.SUCCEEDED)["status"]
        over = {"SUCCEEDED": "True", "FAILED": "False", "CANCELLED": "False"}.get(job.state, "Unknown")
        resumable = not (stalled_by(resource, Reason.INVALID_SPEC) and self._invalid(resource))
        if retry(resource, None, None) and not resource.suspend and resumable and not self.was_set:
            problems.append("it has failed, and no attempt follows")
        if succeeded != over and not resource.suspend and resumable:
            problems.append(f"Succeeded={succeeded} of a job that is {job.state}")
        owned = naming.is_owned(job.document.get("labels", {}), resource.uid)
        if job.active and owned and self.can.labels:
            problems += self._tended(resource, job)
        if job.active and stalled_by(resource, Reason.TAKEN) is owned:
            problems.append("it does not say whose its job is")
        if resource.suspending and not resource.suspend and job.state == "CANCELLED" and resumable:
            problems.append("its suspension has ended, and no new attempt runs")
        return problems

    def _invalid(self, resource: Resource) -> bool:
        """Whether no new attempt can be made of a spec."""
        return validate(resource.kind, resource.spec, default_project=POLICY.default_project).spec is None

    def _tended(self, resource: Resource, job: CloudJob) -> list[str]:
        """What has to be so of a job that runs."""
        if resource.suspend:
            return ["it is suspended, and its job runs"]
        if not self.was_set and is_overdue(resource, job, self.loop.now - PATIENCE / 2):
            return ["its deadline has passed, and its job runs"]
        if self._invalid(resource) or self.rejected.get(resource.uid) == resource.generation:
            return []
        problems = []
        labels = job.document.get("labels", {})
        if not resource.labels.items() <= labels.items():
            problems.append(f"its labels are {labels}")
        if labels.get("cost") != job.others.get("cost"):
            problems.append(f"others have labelled it with {job.others}, and it has {labels}")
        wanted = {(row["role"], member) for row in resource.iam_bindings for member in row["members"]}
        mine = {pair for pair in job.members if pair[1] != OTHERS_MEMBER}
        if not wanted <= mine <= wanted | job.inherited:
            problems.append(f"its job's members are {job.members}")
        return problems


OTHERS_MEMBER = "user:other@example.com"
"""Put into policies by others: it always stays."""


def _place(resource: Resource) -> Place:
    """Where the job is that a status names, whoever has named it."""
    return place_of(Reference(str(resource.status["jobName"])))
