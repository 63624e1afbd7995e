"""The random model's users: what they do to resources, whatever the operator is about to do."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mljobs.controller.loop.store import Key
from mljobs.domain.job.resource import ADOPT, FORCE_RELEASE, SUBMISSION, Resource
from tests.model.cluster import OTHERS
from tests.model.forging import FORGERIES, forged
from tests.model.process import BackendType
from tests.model.service import ModelBackend
from tests.model.specs import KEYS, spec_of
from tests.model.world import World

picks = st.integers(0, 5)
deadlines = st.sampled_from([None, 45, 400])
job_ids = st.sampled_from([None, "chosen", "foreign"])
projects = st.sampled_from([None, "proj", "other"])
REGIONS = ("us-central1", "europe-west4", "us-east1")
bindings = st.sampled_from(
    [
        [],
        [{"role": "roles/viewer", "members": ["user:a@example.com"]}],
        [{"role": "roles/viewer", "members": ["user:b@example.com"]}],
    ]
)


class Users(RuleBasedStateMachine):
    """What users do in a story."""

    backend: BackendType = ModelBackend

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.backend)
        self.service = self.world.service
        self.cluster = self.world.cluster
        self.forged: set[str] = set()
        self.wiped: set[str] = set()
        self.unsure: set[str] = set()

    @initialize(there=st.integers(0, 2), running=st.booleans())
    def begin(self, there: int, running: bool) -> None:
        """Some resources are there already."""
        for key in KEYS[:there]:
            self.cluster.create(key.kind, key.name, spec_of(key))
        if running:
            self.world.work()

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
        action=st.sampled_from([None, None, "Fail", "RetryIgnoringLimit", "NextPlacement"]),
    )
    def set_retries(self, pick: int, limit: int, action: str | None) -> None:
        policy = {"rules": [{"onCauses": ["UserCode"], "action": action}]} if action else None
        self._edit(pick, backoffLimit=limit, failurePolicy=policy)

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, count=st.integers(0, 3), rounds=st.integers(0, 1), deadline=deadlines)
    def set_placements(self, pick: int, count: int, rounds: int, deadline: int | None) -> None:
        predicts = self._there(pick).kind == "PredictionJob"  # which has to be where its model is
        regions = REGIONS[:1] * count if predicts else REGIONS[:count]
        ladder = [{"region": region, "startDeadlineSeconds": deadline} for region in regions]
        given = [{name: value for name, value in row.items() if value is not None} for row in ladder]
        policy = {"rounds": rounds} if count else None
        self._edit(pick, placements=given or None, placementPolicy=policy)

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

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, project=projects, job_id=job_ids, judged=st.booleans())
    def rename(self, pick: int, project: str | None, job_id: str | None, judged: bool) -> None:
        self._doubt(self._there(pick))
        self._edit(pick, judged, projectId=project, jobId=job_id)

    @precondition(lambda self: self.cluster.objects)
    @rule(pick=picks, valid=st.booleans(), judged=st.booleans())
    def change_input(self, pick: int, valid: bool, judged: bool) -> None:
        field, whole = next(iter(spec_of(self._there(pick)).items()))
        self._edit(pick, judged, **{field: {"region": whole["region"] if valid else None}})

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
        self._doubt(key)
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
        self.wiped.add(resource.uid)
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

    def _doubt(self, key: Key) -> None:
        """Another job is meant now, and only an annotation tells of the former one, whose status is gone.

        While the service denies it for longer than a create call may take, it counts as never made.
        """
        resource = Resource.parse(self.cluster.objects[key])
        if resource.uid in self.wiped and not resource.submitted:
            self.unsure.add(resource.uid)
        if self.service.wrong:
            self.waive_unsure()

    def waive_unsure(self) -> None:
        for key, body in self.cluster.objects.items():
            resource = Resource.parse(body)
            if resource.uid in self.unsure and not resource.submitted:
                self.world.waive(key, for_good=True)

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

    def _edit(self, which: int | Key, judged: bool = True, **spec: Any) -> None:
        """Change a spec; `judged`: where the policy is in force, and not only the CRDs are installed."""
        key = self._there(which) if isinstance(which, int) else which
        resource = Resource.parse(self.cluster.objects[key])
        if resource.uid in self.forged and not resource.submitted:
            self.world.waive(key, for_good=True)  # nothing else says any more which job was meant
        self.world.tell(f"user: edit {key.name} {spec}")
        if not self.cluster.edit(key, spec=spec, judged=judged):
            self.world.tell("  refused: the job is submitted")
