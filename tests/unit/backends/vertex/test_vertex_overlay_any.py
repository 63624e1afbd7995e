"""Anything in Vertex AI's own words over any translation: it wins, or the spec is refused; nothing breaks."""

import copy
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mljobs.api.resources import KINDS, PREDICTION_JOB, TRAINING_JOB
from mljobs.backends.vertex.translate import translate
from mljobs.backends.vertex.translate.overlay import KEYS, ONE_OF, laid
from mljobs.domain.spec.problems import Severity
from tests.unit.backends.vertex.portable import TABLES, portable
from tests.unit.backends.vertex.schema import messages, mistakes, schemas

Json = dict[str, Any]
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=150)


def overlaid(kind: str, spec: Json, block: Json) -> Json:
    model = KINDS[kind].spec
    document = model.model_validate({key: spec[key] for key in spec if key != "vertex"}).document()
    return {**document, "vertex": {**spec.get("vertex", {}), **block}}


def check(kind: str, spec: Json) -> tuple[str, Json] | None:
    """Translate a spec twice; the collection and the body, or nothing where it is refused."""
    before = copy.deepcopy(spec)
    made = translate(kind, spec, TABLES)
    assert spec == before
    assert translate(kind, spec, TABLES) == made
    if any(problem.severity is Severity.ERROR for problem in made.problems):
        return None
    body = {"displayName": "x", **made.body}
    # What an overlay leaves out that is required is judged before, where it is written.
    assert [line for line in mistakes(made.collection, body) if not line.endswith(": required")] == []
    return made.collection, body


@SLOW
@given(portable(TRAINING_JOB.name), messages("CustomJobSpec"), st.booleans())
def test_a_job_spec_over_a_training_job(spec: Json, over: Json, alone: bool) -> None:
    whole = overlaid(TRAINING_JOB.name, spec, {"jobSpec": over})
    if alone:
        del whole["trainingInput"]
    found = check(TRAINING_JOB.name, whole)
    if found is None:
        return
    collection, body = found
    sent = body["jobSpec" if collection == "customJobs" else "trialJobSpec"]
    for field, value in over.items():
        if field not in ("workerPoolSpecs", "scheduling", "baseOutputDirectory", "pscInterfaceConfig"):
            assert sent[field] == value
    for pool, given_pool in zip(sent["workerPoolSpecs"], over.get("workerPoolSpecs", ()), strict=False):
        machine = given_pool.get("machineSpec", {})
        if machine.get("machineType"):
            assert pool["machineSpec"] == machine
        assert machine.items() <= pool.get("machineSpec", {}).items()


@SLOW
@given(portable(TRAINING_JOB.name), messages("StudySpec"), st.integers(1, 9))
def test_a_study_over_a_training_job(spec: Json, over: Json, count: int) -> None:
    found = check(
        TRAINING_JOB.name, overlaid(TRAINING_JOB.name, spec, {"studySpec": over, "maxTrialCount": count})
    )
    if found and found[0] == "hyperparameterTuningJobs":
        assert over.items() <= found[1]["studySpec"].items()
        assert found[1]["maxTrialCount"] == count


@SLOW
@given(portable(PREDICTION_JOB.name), messages("BatchPredictionJob"), st.booleans())
def test_a_job_over_a_batch_prediction(spec: Json, over: Json, alone: bool) -> None:
    whole = overlaid(PREDICTION_JOB.name, spec, {"batchPredictionJob": over})
    if alone:
        del whole["predictionInput"]
    found = check(PREDICTION_JOB.name, whole)
    if found is not None:
        assert {key: value for key, value in over.items() if not isinstance(value, dict)}.items() <= found[
            1
        ].items()


@SLOW
@given(messages("CustomJobSpec"), messages("CustomJobSpec"))
def test_merging_nothing_changes_nothing_and_merging_twice_is_merging_once(under: Json, over: Json) -> None:
    assert laid(under, {}) == under
    assume(has_keys(over))
    once = laid(under, over)
    assert laid(once, over) == once


def has_keys(node: Any) -> bool:
    """Whether items of lists that are merged by a key have one each; the rules ask for it."""
    if isinstance(node, list):
        return all(map(has_keys, node))
    if not isinstance(node, dict):
        return True
    for name in KEYS.keys() & node.keys():
        keys = [item.get(KEYS[name]) for item in node[name]]
        if None in keys or len(set(keys)) < len(keys):
            return False
    return all(map(has_keys, node.values()))


def test_the_exceptions_are_fields_of_the_discovery_document() -> None:
    fields = [set(schema.get("properties", {})) for schema in schemas().values()]
    assert all(any(group <= names for names in fields) for group in ONE_OF)
    assert all(any(key in names for names in fields) for key in KEYS)
