"""Inputs as real projects submit them, each planned to a request or refused for the stated reason.

Those of `OWN` have the oddities that were seen there; the files themselves are read where they are at hand.
"""

from typing import Any

from mljobs_dev.emulator import schema, validation
from tests.corpus import CORPUS
from tests.unit.api import discovery
from tests.unit.cli.test_plan import planned

FOLDER = CORPUS / "training"

NO_REGION = {"region"}
NO_PROGRAM = {"packageUris", "pythonModule"}
BARE = NO_REGION | NO_PROGRAM | {"runtimeVersion"}
"""What gcloud adds from its flags to a configuration that leaves it out."""

FLAGS = (
    "region=us-central1",
    "packageUris=[gs://bucket/trainer-1.tar.gz]",
    "pythonModule=trainer.task",
    "runtimeVersion='1.14'",
    "pythonVersion='3.5'",
)
"""The same as the flags of gcloud would give it."""

IMAGE_FLAGS = (
    "region=us-central1",
    "masterConfig.imageUri=gcr.io/p/i:1",
    "workerConfig.imageUri=gcr.io/p/i:1",
)

REFUSED: dict[str, set[str]] = {
    **dict.fromkeys(
        ("01", "03", "05", "09", "11", "13", "15", "17", "19", "21", "23", "25", "27", "29", "31", "33"), BARE
    ),
    "07": NO_REGION | NO_PROGRAM,
    "35": BARE | {"customCommands"},
    "37": NO_REGION | NO_PROGRAM,
    "39": NO_REGION | {"masterConfig.imageUri", "workerConfig.imageUri", "workerCount"},
    "41": NO_REGION | {"masterConfig.imageUri", "workerConfig.imageUri", "workerCount"},
    "47": set(),
    "49": set(),
    "search": BARE,
    "trailing-comma": BARE,
    "unknown-beside": BARE | {"customCommands"},
    "old-runtime": NO_REGION | NO_PROGRAM,
    "shell-variables": NO_REGION | {"masterConfig.imageUri", "workerConfig.imageUri", "workerCount"},
    "whole-job": set(),
}
"""The fields that each file is refused for as it stands; for none, it gives a request."""

COMPLETED: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "35": (FLAGS, {"customCommands"}),
    "37": (FLAGS[:3], set()),
    "39": ((*IMAGE_FLAGS, "workerCount=4"), set()),
    "41": ((*IMAGE_FLAGS, "workerCount=4"), set()),
    "47": ((), set()),
    "49": ((), set()),
    "unknown-beside": (FLAGS, {"customCommands"}),
    "old-runtime": (FLAGS[:3], set()),
    "shell-variables": ((*IMAGE_FLAGS, "workerCount=4"), set()),
    "whole-job": ((), set()),
}
"""What completes a file where it is not `FLAGS`, and the fields that it is still refused for."""

OWN = {
    "search": """
trainingInput:
  scaleTier: STANDARD_1
  hyperparameters:
    goal: MAXIMIZE
    hyperparameterMetricTag: accuracy
    maxTrials: 4
    params:
    - {parameterName: first-layer-size, type: INTEGER, minValue: 50, maxValue: 500, scaleType: UNIT_LOG_SCALE}
    - {parameterName: rate, type: DOUBLE, minValue: 0.1, maxValue: 1, scaleType: UNIT_REVERSE_LOG_SCALE}
    - {parameterName: optimizer, type: CATEGORICAL, categoricalValues: [adam, sgd]}
""",
    "trailing-comma": '{"trainingInput": {"scaleTier": "BASIC_GPU",}}',
    "unknown-beside": """
customCommands:
- [pip, install, Pillow]
trainingInput: {scaleTier: BASIC}
""",
    "old-runtime": """
trainingInput:
  runtimeVersion: "1.2"
  scaleTier: CUSTOM
  masterType: standard_gpu
  workerCount: 3
  workerType: standard_gpu
  parameterServerCount: 2
  parameterServerType: standard
""",
    "shell-variables": """
trainingInput:
  scaleTier: CUSTOM
  masterType: n1-standard-8
  masterConfig: {imageUri: "${IMAGE}"}
  workerType: n1-standard-8
  workerCount: ${WORKERS}
  workerConfig: {imageUri: "${IMAGE}"}
""",
    "whole-job": """
{"jobId": "nightly", "trainingInput": {"region": "us-central1", "scaleTier": "BASIC",
 "masterConfig": {"imageUri": "gcr.io/p/trainer:latest"}, "jobDir": "gs://bucket/out",
 "args": ["--preprocess", "--learning_rate=0.001"]}}
""",
}
"""What the repository has of its own, in the shapes of the files."""

STANDING = "spec.trainingInput."


def _options(values: tuple[str, ...]) -> list[str]:
    return [f"--set=trainingInput.{value}" for value in values]


def _refused_for(lines: list[str]) -> set[str]:
    """The fields of the lines, below the input where they are in it."""
    paths = (line.split(": ")[0] for line in lines)
    return {path.removeprefix(STANDING).removeprefix("spec.") for path in paths}


def _accepted_by_the_service(request: dict[str, Any]) -> None:
    message = schema.ml_v1().message(discovery.JOB)
    validation.check_job(message.decode(request))


def _verdicts(completed: bool) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """For each input the fields that it is refused for, and those that it should be."""
    found, expected = {}, {}
    texts = {file.stem: file.read_text("utf-8") for file in sorted(FOLDER.glob("*.yaml"))}
    for number, text in {**OWN, **texts}.items():
        flags, refused = COMPLETED.get(number, (FLAGS, set())) if completed else ((), REFUSED[number])
        outcome = planned(text, *_options(flags))
        found[number] = _refused_for(outcome.out) if outcome.code else set()
        expected[number] = refused
        if outcome.code == 0:
            _accepted_by_the_service(outcome.request)
    return found, expected


def test_files_as_they_stand() -> None:
    found, expected = _verdicts(completed=False)
    assert found == expected


def test_files_completed_as_flags_of_gcloud_would() -> None:
    found, expected = _verdicts(completed=True)
    assert found == expected
