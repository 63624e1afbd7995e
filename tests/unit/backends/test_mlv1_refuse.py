"""What a valid spec may have, and ml v1 has not: found before any call."""

import pytest

from mljobs.backends.mlv1.refuse import review
from mljobs.backends.mlv1.translate import to_job
from mljobs.domain.errors import Rejected
from tests.unit.domain.rule_case import IMAGE, PREDICT, Spec
from tests.unit.domain.vertex_case import BATCH, JOB

PYTHON_3_10: Spec = {
    "trainingInput": {
        "region": "us-central1",
        "packageUris": ["gs://b/trainer.tar.gz"],
        "pythonModule": "trainer.task",
        "runtimeVersion": "2.11",
        "pythonVersion": "3.10",
    }
}


@pytest.mark.parametrize(("kind", "spec"), [("TrainingJob", IMAGE), ("PredictionJob", PREDICT)])
def test_an_input_alone_is_what_it_has(kind: str, spec: Spec) -> None:
    assert review(kind, spec) == []
    assert to_job(kind, spec, job_id="a", labels={})["jobId"] == "a"


@pytest.mark.parametrize(
    ("kind", "spec", "paths"),
    [
        ("TrainingJob", {**IMAGE, "vertex": {}}, ["spec.vertex"]),
        ("TrainingJob", JOB, ["spec.vertex", "spec.trainingInput"]),
        ("PredictionJob", BATCH, ["spec.vertex", "spec.predictionInput"]),
        ("TrainingJob", PYTHON_3_10, ["spec.trainingInput.pythonVersion"]),
    ],
)
def test_the_block_of_another_service_is_refused_and_nothing_is_made_of_it(
    kind: str, spec: Spec, paths: list[str]
) -> None:
    problems = review(kind, spec)
    assert [problem.path for problem in problems] == paths
    with pytest.raises(Rejected) as caught:
        to_job(kind, spec, job_id="a", labels={})
    assert caught.value.status == 0
    assert all(problem.text in str(caught.value) for problem in problems)
