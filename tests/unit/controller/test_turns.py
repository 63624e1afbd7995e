"""The lines of classes: turns are given once, counted from the records, and seldom spoken of."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from mljobs.api.jobclass import Amounts, Limits
from mljobs.controller.kube.errors import Unreachable
from mljobs.controller.loop.store import Key
from mljobs.controller.loop.turns import REFRESH, TurnKeeper
from mljobs.domain.classes.job_class import JobClass, Standing
from mljobs.domain.decide import AdminPolicy, decide
from mljobs.domain.decide.decisions import Decision, Hold, Move, Stall, Wait, Watch
from mljobs.domain.decide.turns import to_create
from mljobs.domain.job.observation import Observation
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.placements import Position
from mljobs.domain.reasons import Reason
from tests.unit.domain.world import FACTS, NOW, SPEC, START, TARGET, intent, resource

POLICY = AdminPolicy(default_project="proj")


@dataclass
class Cluster:
    """Resources, and the keeper of their class."""

    limits: Limits
    now: datetime = NOW
    resources: dict[Key, Resource] = field(default_factory=dict)
    queued: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keeper = TurnKeeper(
            lambda: {"ml": self.job_class},
            lambda: self.resources.items(),
            lambda key: self.queued.append(key.name),
            lambda: self.now,
        )

    @property
    def job_class(self) -> JobClass:
        return JobClass("ml", "MLv1", limits=self.limits)

    def add(self, name: str, namespace: str = "team-a", **changes: Any) -> Key:
        """Make a resource that wants a job."""
        number = len(self.resources)
        made = replace(
            resource(),
            name=name,
            namespace=namespace,
            uid=f"uid-{number}",
            created=START + timedelta(seconds=number),
            standing=Standing(self.job_class),
            **changes,
        )
        key = Key("TrainingJob", namespace, name)
        self.resources[key] = made
        return key

    def ask(self, key: Key) -> str:
        """Reconcile a resource as its handler does: `go`, `wait` or `later`."""
        one = replace(self.resources[key], standing=Standing(self.job_class))
        decision = decide(one, Observation(since=START), POLICY, self.now)
        order = to_create(decision)
        assert order is not None
        seated = self.keeper.seat(key, one, order)
        if seated is None:
            return "later"
        decision = decide(seated, Observation(since=START), POLICY, self.now)
        self.keeper.note(key, seated, decision)
        if to_create(decision) is not None:
            return "go"
        assert isinstance(decision, Wait), decision
        assert decision.reason is Reason.LIMIT_REACHED
        return "wait"

    def message(self, key: Key) -> str:
        one = replace(self.resources[key], standing=Standing(self.job_class))
        decision = decide(one, Observation(since=START), POLICY, self.now)
        order = to_create(decision)
        assert order is not None
        seated = self.keeper.seat(key, one, order)
        assert seated is not None
        assert seated.standing.turn is not None
        return seated.standing.turn.message

    def accepted(self, key: Key, accelerators: int = 0) -> None:
        """The record says that the job runs."""
        status = {
            "projectId": "proj",
            "jobId": TARGET.job_id,
            "attempt": 1,
            "state": "RUNNING",
            "record": {
                "accepted": "Created",
                "jobClass": {"name": "ml", "service": "MLv1", "accelerators": accelerators},
            },
        }
        self.resources[key] = replace(self.resources[key], status=status)
        self.keeper.note(key, self.resources[key], Watch(TARGET))

    def ended(self, key: Key) -> None:
        one = self.resources[key]
        self.resources[key] = replace(one, status={**one.status, "state": "SUCCEEDED"})
        self.keeper.note(key, self.resources[key], Hold())

    def jobs(self) -> int:
        return sum(one.jobs for one in self.keeper.used("ml").values())

    def accelerators(self) -> int:
        return sum(one.accelerators for one in self.keeper.used("ml").values())


@pytest.fixture
def cluster() -> Callable[..., Cluster]:
    def make(limits: Limits, *, known: bool = True) -> Cluster:
        made = Cluster(limits)
        if known:
            made.keeper.begin()
        return made

    return make


Make = Callable[..., Cluster]


def test_without_limits_nobody_waits(cluster: Make) -> None:
    made = cluster(Limits(), known=False)
    assert [made.ask(made.add(f"job-{number}")) for number in range(3)] == ["go"] * 3


def test_who_fits_goes_at_once_and_others_wait(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=2))
    keys = [made.add(f"job-{number}") for number in range(4)]
    assert [made.ask(key) for key in keys] == ["go", "go", "later", "later"]
    made.keeper.round()
    assert made.queued == ["job-2", "job-3"]  # now there is something to say
    assert [made.ask(key) for key in keys[2:]] == ["wait", "wait"]
    assert "limits.activeJobs, 2 of 2 in use. Position 2 of 2" in made.message(keys[3])
    for key in keys[:2]:
        made.accepted(key)
    assert made.jobs() == 2
    made.queued.clear()
    made.ended(keys[0])
    made.keeper.round()
    assert made.queued == ["job-2"]
    assert made.ask(keys[2]) == "go"


def test_a_turn_is_kept_until_the_record_has_the_job(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=1))
    first, second = made.add("first"), made.add("second")
    assert made.ask(first) == "go"
    assert made.ask(first) == "go"  # once the intent is recorded
    assert made.ask(second) == "later"
    made.accepted(first)
    made.keeper.round()
    assert made.jobs() == 1
    assert made.ask(second) == "wait"


REFUSED: list[Decision] = [
    Stall(Reason.REJECTED, "no"),
    Wait(Reason.THROTTLED, "later", again=NOW),
    Hold(),
]


@pytest.mark.parametrize("decision", REFUSED, ids=lambda one: type(one).__name__)
def test_a_turn_that_is_not_used_is_given_to_another(cluster: Make, decision: Decision) -> None:
    made = cluster(Limits(active_jobs=1))
    first, second = made.add("first"), made.add("second")
    assert made.ask(first) == "go"
    assert made.ask(second) == "later"
    made.keeper.note(first, made.resources[first], decision)
    made.keeper.round()
    assert made.ask(second) == "go"


def test_a_call_without_an_answer_keeps_its_turn(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=1))
    first, second = made.add("first"), made.add("second")
    assert made.ask(first) == "go"
    assert made.ask(second) == "later"
    unknown = Wait(Reason.OUTCOME_UNKNOWN, "no answer", again=NOW)
    made.keeper.note(first, made.resources[first], unknown)
    made.keeper.round()
    assert made.ask(second) == "wait"


def test_nothing_is_given_before_all_resources_are_known(cluster: Make) -> None:
    """After a restart: what runs is counted by its record, and what may run by its intent."""
    made = cluster(Limits(active_jobs=3, accelerators=8), known=False)
    old = [made.add(f"old-{number}", "team-b") for number in range(2)]
    for key in old:
        status = {"projectId": "proj", "jobId": TARGET.job_id, "attempt": 1, "state": "RUNNING"}
        record = {"accepted": "Created", "jobClass": {"name": "ml", "service": "MLv1", "accelerators": 3}}
        made.resources[key] = replace(made.resources[key], status={**status, "record": record})
    new = [made.add(f"new-{number}") for number in range(3)]
    assert [made.ask(key) for key in new] == ["later"] * 3
    made.keeper.begin()
    assert made.jobs() == 2
    made.keeper.round()
    assert [made.ask(key) for key in new] == ["go", "wait", "wait"]


def test_a_job_that_may_exist_is_counted(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=1), known=False)
    key = made.add("in-flight", finalizers=("mljobs.dev/cancel-job",))
    intent = {
        "uid": made.resources[key].uid,
        "project": "proj",
        "jobId": FACTS.job_id(made.resources[key].owner, 1, None),
        "attempt": 1,
        "generation": 1,
        "time": "2026-01-02T03:04:05Z",
    }
    annotations = {"mljobs.dev/submission": json.dumps(intent)}
    made.resources[key] = replace(made.resources[key], annotations=annotations)
    made.keeper.begin()
    assert made.jobs() == 1
    assert made.ask(made.add("next")) == "later"


def test_positions_are_told_now_and_then(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=1))
    keys = [made.add(f"job-{number}") for number in range(5)]
    assert [made.ask(key) for key in keys] == ["go", *["later"] * 4]
    made.keeper.round()
    made.queued.clear()
    made.accepted(keys[0])
    made.ended(keys[0])
    made.keeper.round()
    assert made.queued == ["job-1"]  # the others have moved up, and are not told at once
    made.now += REFRESH
    made.keeper.round()
    assert made.queued == ["job-1", "job-2", "job-3", "job-4"]
    assert "Position 1 of 3" in made.message(keys[2])
    made.queued.clear()
    made.now += 10 * REFRESH
    made.keeper.round()
    assert made.queued == []  # where nothing has changed, nothing is written


def test_limits_that_are_raised_or_taken_away_let_others_go(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=1))
    keys = [made.add(f"job-{number}") for number in range(4)]
    assert [made.ask(key) for key in keys] == ["go", "later", "later", "later"]
    made.limits = Limits(active_jobs=2)
    made.keeper.round()
    assert made.ask(keys[1]) == "go"
    made.queued.clear()
    made.limits = Limits()
    made.keeper.round()
    assert sorted(made.queued) == ["job-2", "job-3"]
    assert [made.ask(key) for key in keys[2:]] == ["go", "go"]


def test_who_is_gone_or_changes_his_mind_leaves_the_line(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=1))
    keys = [made.add(f"job-{number}") for number in range(4)]
    assert [made.ask(key) for key in keys] == ["go", "later", "later", "later"]
    made.keeper.forget(keys[1])
    made.keeper.note(keys[2], made.resources[keys[2]], Hold())  # suspended meanwhile
    assert made.keeper.waiting("ml") == 1
    made.keeper.forget(keys[0])
    made.keeper.round()
    assert made.ask(keys[3]) == "go"


def test_one_job_of_another_namespace_waits_for_no_thousand(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=5))
    crowd = [made.add(f"crowd-{number}", "crowd") for number in range(1000)]
    assert [made.ask(key) for key in crowd].count("go") == 5
    lone = made.add("lone", "other")
    assert made.ask(lone) == "later"
    for key in crowd[:5]:
        made.accepted(key)
    turns = 0
    while made.ask(lone) != "go":
        made.ended(crowd[turns])
        made.keeper.round()
        turns += 1
        assert turns <= 2
    assert turns == 1


@pytest.mark.parametrize("seed", range(5))
def test_limits_hold_whatever_happens(cluster: Make, seed: int) -> None:
    chance = random.Random(seed)
    limits = Limits(active_jobs=4, per_namespace=Amounts(active_jobs=2))
    made = cluster(limits)
    running: list[Key] = []
    for step in range(300):
        match chance.randrange(4):
            case 0:
                made.ask(made.add(f"job-{step}", chance.choice(["a", "b", "c"])))
            case 1 if running:
                key = running.pop(chance.randrange(len(running)))
                made.ended(key)
            case 2:
                made.keeper.round()
            case _:
                waiting = [key for key in made.resources if key.name in made.queued and key not in running]
                made.queued.clear()
                for key in waiting:
                    if made.resources[key].state == "" and made.ask(key) == "go":
                        made.accepted(key)
                        running.append(key)
        used = made.keeper.used("ml")
        assert sum(one.jobs for one in used.values()) <= 4
        assert all(one.jobs <= 2 for one in used.values())
        assert len(running) <= 4


async def test_a_list_that_fails_is_tried_again_and_told(
    cluster: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = cluster(Limits(active_jobs=1), known=False)
    key = made.add("job")
    assert made.ask(key) == "later"
    monkeypatch.setattr("mljobs.controller.loop.turns.RETRY", 0.01)
    lists: list[BaseException | None] = [Unreachable("no answer"), None]
    told: list[str] = []
    known = asyncio.Event()

    async def complete() -> None:
        if lists and (error := lists.pop(0)):
            raise error
        told.append(made.message(key))
        known.set()

    running = asyncio.create_task(made.keeper.run(complete))
    await asyncio.wait_for(known.wait(), 10)
    assert "what the jobs of the class use is not known, and nothing is submitted: no answer" in told[0]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    made.keeper.begin()
    made.keeper.round()
    assert made.ask(key) == "go"


def test_what_another_operator_reconciles_counts_and_is_not_queued(cluster: Make) -> None:
    made = cluster(Limits(active_jobs=1))
    theirs, mine = made.add("theirs", "team-b"), made.add("mine")
    other = cluster(Limits(active_jobs=1))
    other.resources = made.resources
    other.accepted(theirs)
    made.keeper.see(theirs, made.resources[theirs])
    assert made.jobs() == 1
    assert made.ask(mine) == "later"
    other.ended(theirs)
    made.keeper.see(theirs, made.resources[theirs])
    made.keeper.round()
    assert made.queued == ["mine"]
    assert made.ask(mine) == "go"


def test_each_placement_has_a_turn_for_its_own_accelerators(cluster: Make) -> None:
    made = cluster(Limits(accelerators=4))
    made.accepted(made.add("other"), accelerators=2)
    custom = {**SPEC["trainingInput"], "scaleTier": "CUSTOM", "masterType": "n1-standard-8"}
    ladder = [{"acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": count} for count in (1, 4)]
    key = made.add("census", spec={**SPEC, "trainingInput": custom, "placements": ladder})
    assert made.ask(key) == "go"
    assert made.accelerators() == 3
    made.keeper.note(key, made.resources[key], Move(TARGET, Position(2), "it was refused"))
    assert made.accelerators() == 2
    record = {"placement": {"attempt": 1, "number": 2, "round": 1}}
    made.resources[key] = replace(made.resources[key], status={"record": record})
    assert made.ask(key) == "later"
    made.keeper.round()
    assert "limits.accelerators, 2 of 4 in use and 4 asked for" in made.message(key)
    made.ended(Key("TrainingJob", "team-a", "other"))
    made.keeper.round()
    assert made.ask(key) == "go"
    assert made.accelerators() == 4


def test_what_an_earlier_process_may_have_created_counts_as_its_placement_says(cluster: Make) -> None:
    made = cluster(Limits(accelerators=4), known=False)
    custom = {**SPEC["trainingInput"], "scaleTier": "CUSTOM", "masterType": "n1-standard-8"}
    placement = {"acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 3}
    spec = {**SPEC, "trainingInput": custom, "placements": [placement]}
    one = replace(resource(spec=spec, intended=intent()), standing=Standing(made.job_class))
    made.resources[Key("TrainingJob", "team-a", "census")] = one
    made.keeper.begin()
    assert made.accelerators() == 3
