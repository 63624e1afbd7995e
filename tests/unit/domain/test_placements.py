"""The ladder of placements: what is tried after what, how long it waits, and the spec of a placed job."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.api.outputs import Cause
from mljobs.api.policies import PLACEMENTS_LIMIT, FailureAction, PlacementEvent
from mljobs.api.resources import KINDS
from mljobs.domain.job.machines import Machine, on_input, on_vertex
from mljobs.domain.job.placement import placements_of, spec_at
from mljobs.domain.job.resource import Resource
from mljobs.domain.policies.placements import Position, after, described, moves_on, placement_at, rounds_of
from mljobs.domain.policies.retry import LONGEST_DELAY, action_for, wait_before
from mljobs.domain.port import Failure
from tests.strategies import specs

Spec = dict[str, Any]


def ladder(count: int, rounds: int | None = None) -> Spec:
    policy = {} if rounds is None else {"placementPolicy": {"rounds": rounds}}
    return {"placements": [{"region": f"us-east{number}"} for number in range(1, count + 1)], **policy}


@pytest.mark.parametrize(
    ("count", "rounds", "here", "then"),
    [
        (3, None, (1, 1), (2, 1)),
        (3, None, (3, 1), None),
        (3, 0, (3, 1), None),
        (3, 2, (3, 1), (1, 2)),
        (3, 2, (3, 2), (1, 3)),
        (3, 2, (3, 3), None),
        (3, 2, (1, 3), (2, 3)),
        (1, 1, (1, 1), (1, 2)),
        (2, 1, (3, 1), (1, 2)),  # the list has become shorter
        (2, 0, (3, 1), None),
        (4, 0, (3, 1), (4, 1)),  # it has become longer
        (3, 0, (2, 2), (3, 2)),  # there are fewer rounds by now: this one is ended
        (3, 0, (3, 2), None),
        (3, None, None, (1, 1)),  # the attempt is from before there were placements
        (0, None, None, None),
        (0, None, (1, 1), None),
    ],
)
def test_what_is_tried_after_what(
    count: int, rounds: int | None, here: tuple[int, int] | None, then: tuple[int, int] | None
) -> None:
    found = after(Position(*here) if here else None, ladder(count, rounds))
    assert found == (Position(*then) if then else None)


@given(count=st.integers(1, PLACEMENTS_LIMIT), rounds=st.integers(0, 100))
def test_all_are_tried_in_order_as_often_as_there_are_rounds(count: int, rounds: int) -> None:
    spec, seen = ladder(count, rounds), []
    position = after(None, spec)
    while position is not None:
        seen.append((position.round, position.number))
        assert wait_before(position, spec) <= LONGEST_DELAY
        assert bool(wait_before(position, spec)) is (position.number == 1 and position.round > 1)
        position = after(position, spec)
    assert seen == [(one, number) for one in range(1, rounds + 2) for number in range(1, count + 1)]


def test_each_round_waits_longer_up_to_a_limit() -> None:
    spec = ladder(2, 5)
    waits = [wait_before(Position(1, number), spec).total_seconds() for number in (2, 3, 4, 5, 6)]
    assert waits == [20, 80, 320, 360, 360]
    assert timedelta(seconds=360) == LONGEST_DELAY


ACTIONS = [*FailureAction, None]


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("events", [None, ["Preempted"], ["NoCapacity", "StartDeadline"]])
@pytest.mark.parametrize("placed", [True, False])
def test_a_rule_comes_before_the_events_of_the_placements(
    cause: Cause, action: FailureAction | None, events: list[str] | None, placed: bool
) -> None:
    spec: Spec = {"placements": [{}, {}]} if placed else {}
    if events:
        spec["placementPolicy"] = {"onEvents": events}
    if action:
        spec["failurePolicy"] = {"rules": [{"onCauses": [cause.value], "action": action.value}]}
    is_event = cause.value in (events or [event.value for event in PlacementEvent])
    expected = action or (FailureAction.NEXT_PLACEMENT if placed and is_event else FailureAction.RETRY)
    resource = Resource(kind="TrainingJob", namespace="a", name="b", uid="c", spec=spec)
    assert action_for(resource, Failure(cause)) is expected
    assert moves_on(spec, cause) is (placed and is_event)


@pytest.mark.parametrize(
    ("position", "policy", "words"),
    [
        (Position(), {}, "placement 1 of 3 (us-east1)"),
        (Position(2, 2), {"rounds": 1}, "placement 2 of 3 (us-east2), round 2 of 2"),
        (Position(9), {}, "placement 3 of 3 (us-east3)"),
    ],
)
def test_a_position_in_words(position: Position, policy: Spec, words: str) -> None:
    assert described(position, {**ladder(3), "placementPolicy": policy}) == words


T4 = {"acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"machineType": "n1-standard-8"}, "placement 1 of 1 (n1-standard-8)"),
        ({"strategy": "SPOT", **T4}, "placement 1 of 1 (SPOT, 2 NVIDIA_TESLA_T4)"),
        ({"machineType": "n1-standard-8", **T4}, "placement 1 of 1 (n1-standard-8, 2 NVIDIA_TESLA_T4)"),
    ],
)
def test_machines_in_words(row: Spec, words: str) -> None:
    assert described(Position(), {"placements": [row]}) == words


N1, T4S = Machine("n1-standard-8"), Machine("n1-standard-8", "NVIDIA_TESLA_T4", 2)
ON_T4S = {"machineType": "n1-standard-8", **T4}
V100 = {"acceleratorConfig": {"type": "NVIDIA_TESLA_V100", "count": 1}}
AS_CONFIG = {"acceleratorConfig": {"type": "NVIDIA_TESLA_T4", "count": 2}}


@pytest.mark.parametrize(
    ("machine", "given", "made"),
    [
        (N1, {"masterType": "n1-standard-4"}, {"masterType": "n1-standard-8"}),
        (
            N1,
            {"masterType": "a", "masterConfig": {"imageUri": "i", **V100}},
            {"masterConfig": {"imageUri": "i"}},
        ),
        (N1, {"masterType": "a", "masterConfig": V100}, {"masterConfig": None}),
        (T4S, {"masterType": "a", "masterConfig": V100}, {"masterConfig": AS_CONFIG}),
        (
            Machine("", "NVIDIA_TESLA_T4", 2),
            {"masterType": "a"},
            {"masterType": "a", "masterConfig": AS_CONFIG},
        ),
        (
            N1,
            {"workerType": "a", "workerCount": "2"},
            {"masterType": "n1-standard-8", "workerType": "n1-standard-8"},
        ),
        (N1, {"workerType": "a", "workerCount": 0}, {"workerType": "a"}),
        (T4S, {"workerType": "a", "workerCount": 2}, {"workerConfig": AS_CONFIG}),
        (
            N1,
            {"parameterServerType": "a", "evaluatorType": "b"},
            {"parameterServerType": "a", "evaluatorType": "b"},
        ),
    ],
)
def test_a_machine_in_place_of_those_of_an_input(machine: Machine, given: Spec, made: Spec) -> None:
    found = on_input("TrainingJob", {"trainingInput": given}, machine)["trainingInput"]
    assert {field: found.get(field) for field in made} == made


@pytest.mark.parametrize(
    ("given", "pools"),
    [
        (
            [{"machineSpec": {"machineType": "a", "tpuTopology": "2x2"}, "replicaCount": "1"}],
            [{"replicaCount": "1"}],
        ),
        ([{"machineSpec": {"machineType": "a"}}, {}], [{}, {"machineSpec": None}]),
        ([{"diskSpec": {"bootDiskSizeGb": 200}}, {"replicaCount": "3"}], [{}, {"replicaCount": "3"}]),
        (
            [
                {"machineSpec": {"machineType": "a"}},
                {"replicaCount": "1"},
                {"machineSpec": {"machineType": "b"}},
            ],
            [{}, {}, {"machineSpec": {"machineType": "b"}}],
        ),
    ],
)
def test_a_machine_in_place_of_those_of_worker_pools(given: list[Spec], pools: list[Spec]) -> None:
    spec = {"vertex": {"jobSpec": {"workerPoolSpecs": given}}}
    found = on_vertex("TrainingJob", spec, T4S)["vertex"]["jobSpec"]["workerPoolSpecs"]
    assert len(found) == len(pools)
    for pool, expected in zip(found, pools, strict=True):
        for field, value in {"machineSpec": ON_T4S, **expected}.items():
            assert pool.get(field) == value


def test_accelerators_alone_leave_the_machine_of_a_worker_pool() -> None:
    pools = [{"machineSpec": {"machineType": "n1-standard-4", "acceleratorType": "NVIDIA_TESLA_V100"}}]
    found = on_vertex(
        "TrainingJob", {"vertex": {"jobSpec": {"workerPoolSpecs": pools}}}, Machine("", "NVIDIA_TESLA_T4", 2)
    )
    assert found["vertex"]["jobSpec"]["workerPoolSpecs"] == [
        {"machineSpec": {"machineType": "n1-standard-4", **T4}}
    ]


def test_a_machine_in_place_of_that_of_a_prediction() -> None:
    resources = {"machineSpec": {"machineType": "n1-standard-2"}, "maxReplicaCount": 3}
    spec = {"vertex": {"batchPredictionJob": {"dedicatedResources": resources}}}
    for before, kept in ((spec, {"maxReplicaCount": 3}), ({"predictionInput": {}}, {})):
        made = spec_at("PredictionJob", before, placements_of({"placements": [ON_T4S]})[0], translates=True)
        assert made["vertex"]["batchPredictionJob"]["dedicatedResources"] == {**kept, "machineSpec": ON_T4S}
    assert (
        spec_at("PredictionJob", spec, placements_of({"placements": [ON_T4S]})[0], translates=False) == spec
    )


ODD_KEYS = st.sampled_from(
    [
        "region",
        "rounds",
        "machineType",
        "acceleratorType",
        "jobSpec",
        "workerPoolSpecs",
        "machineSpec",
        "masterConfig",
    ]
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_KEYS, inner),
    max_leaves=8,
)


@given(placements=ODD, policy=ODD, block=ODD)
def test_nothing_of_a_wrong_type_is_stumbled_over(placements: Any, policy: Any, block: Any) -> None:
    """A resource that breaks every rule must still be deletable."""
    spec = {"placements": placements, "placementPolicy": policy, "vertex": block, "trainingInput": block}
    assert rounds_of(spec) >= 0
    for cause in Cause:
        moves_on(spec, cause)
    position = after(None, spec)
    assert (position is None) is (not placements_of(spec))
    for one in placements_of(spec):
        for kind, translates in itertools.product(KINDS, (False, True)):
            spec_at(kind, spec, one, translates=translates)
    placement_at(Position(3, 2), spec)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_placed_spec_differs_in_region_machines_and_capacity_alone(kind: str, data: st.DataObject) -> None:
    spec = data.draw(specs(kind))
    row = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "region": st.just("us-east1"),
                "strategy": st.sampled_from(["STANDARD", "SPOT", "FLEX_START"]),
                "maxWaitDuration": st.just("60s"),
                "machineType": st.just("n1-standard-8"),
                "acceleratorType": st.just("NVIDIA_TESLA_T4"),
                "acceleratorCount": st.just(2),
            },
        )
    )
    (placement,) = placements_of({"placements": [row]})
    translates = data.draw(st.booleans())
    made = spec_at(kind, spec, placement, translates=translates)
    assert spec_at(kind, made, placement, translates=translates) == made
    field = KINDS[kind].input_field
    assert {key: value for key, value in made.items() if key not in (field, "vertex")} == {
        key: value for key, value in spec.items() if key not in (field, "vertex")
    }
    machines = () if translates else ("masterType", "workerType", "masterConfig", "workerConfig")
    assert {key: value for key, value in made[field].items() if key not in ("region", *machines)} == {
        key: value for key, value in spec[field].items() if key not in ("region", *machines)
    }
    assert made[field]["region"] == row.get("region", spec[field]["region"])
    placed = translates and kind == "TrainingJob" and "strategy" in row
    scheduling = made.get("vertex", {}).get("jobSpec", {}).get("scheduling", {})
    assert scheduling.get("strategy") == (row["strategy"] if placed else None)
