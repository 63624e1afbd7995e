"""Training jobs of ml v1 as Vertex AI's: machines, programs, substitutes, refusals."""

from datetime import date
from typing import Any

import pytest

from mljobs.api.resources import TRAINING_JOB
from mljobs.backends.vertex.refuse import review
from mljobs.backends.vertex.tables import Tables, shipped
from mljobs.backends.vertex.translate import Translation, request, translate
from mljobs.domain import errors
from mljobs.domain.port import Order, Scope
from mljobs.domain.spec.problems import MISSING, Severity

Json = dict[str, Any]

IMAGE = "gcr.io/my-project/trainer:1"
PACKAGE: Json = {
    "region": "us-central1",
    "runtimeVersion": "2.11",
    "pythonVersion": "3.7",
    "packageUris": ["gs://b/p.tar.gz"],
    "pythonModule": "trainer.task",
}
TPU = {"cloud_tpu": {"machineType": "cloud-tpu", "acceleratorType": "TPU_V2", "acceleratorCount": 8}}


def translated(training: Json, tables: Tables | None = None, **spec: Any) -> Translation:
    return translate(TRAINING_JOB.name, {"trainingInput": training, **spec}, tables or shipped())


def contained(**training: Any) -> Json:
    config = training.pop("masterConfig", {})
    return {"region": "us-central1", "masterConfig": {"imageUri": IMAGE, **config}, **training}


def pools(made: Translation) -> list[Json]:
    spec = made.body.get("jobSpec") or made.body["trialJobSpec"]
    found: list[Json] = spec["workerPoolSpecs"]
    return found


def machines(made: Translation) -> list[tuple[Any, ...]]:
    """Machine, accelerator, number of accelerators and of replicas of each pool."""
    specs = [(pool.get("machineSpec", {}), pool.get("replicaCount")) for pool in pools(made)]
    keys = ("machineType", "acceleratorType", "acceleratorCount")
    return [(*(spec[key] for key in keys if key in spec), count) for spec, count in specs]


def told(made: Translation, severity: Severity) -> list[tuple[str, str]]:
    return [(problem.id, problem.path) for problem in made.problems if problem.severity is severity]


def warnings(made: Translation) -> list[tuple[str, str]]:
    return told(made, Severity.WARNING)


def refusals(made: Translation) -> list[tuple[str, str]]:
    return told(made, Severity.ERROR)


# --- tiers and machines


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("BASIC", [("n1-standard-4", "1")]),
        ("STANDARD_1", [("n1-standard-8", "1"), ("n1-standard-8", "4"), ("n1-standard-4", "3")]),
        ("PREMIUM_1", [("n1-highcpu-16", "1"), ("n1-highcpu-16", "19"), ("n1-highmem-8", "11")]),
        ("BASIC_GPU", [("n1-standard-8", "NVIDIA_TESLA_T4", 1, "1")]),
    ],
)
def test_a_tier_becomes_its_machines(tier: str, expected: list[tuple[Any, ...]]) -> None:
    made = translated(contained(scaleTier=tier))
    assert machines(made) == expected
    assert refusals(made) == []


def test_without_a_tier_the_job_has_one_small_machine() -> None:
    assert machines(translated(contained())) == [("n1-standard-4", "1")]


@pytest.mark.parametrize(
    ("kind", "machine", "notes"),
    [
        ("standard", ("n1-standard-4",), []),
        ("large_model", ("n1-highmem-8",), []),
        ("complex_model_s", ("n1-standard-8",), ["vertex-machine-substitute"]),
        ("complex_model_m", ("n1-highcpu-16",), []),
        ("complex_model_l", ("n1-highcpu-32",), []),
        ("standard_gpu", ("n1-standard-8", "NVIDIA_TESLA_T4", 1), ["vertex-accelerator-substitute"]),
        ("complex_model_m_gpu", ("n1-standard-16", "NVIDIA_TESLA_T4", 4), ["vertex-accelerator-substitute"]),
        ("complex_model_l_gpu", ("n1-standard-32", "NVIDIA_TESLA_T4", 4), ["vertex-accelerator-substitute"]),
        ("standard_p100", ("n1-standard-8", "NVIDIA_TESLA_T4", 1), ["vertex-accelerator-substitute"]),
        ("complex_model_m_p100", ("n1-standard-16", "NVIDIA_TESLA_T4", 4), ["vertex-accelerator-substitute"]),
        ("standard_v100", ("n1-standard-8", "NVIDIA_TESLA_V100", 1), ["vertex-machine-assumed"]),
        ("large_model_v100", ("n1-highmem-8", "NVIDIA_TESLA_V100", 1), ["vertex-machine-assumed"]),
        ("complex_model_m_v100", ("n1-standard-16", "NVIDIA_TESLA_V100", 4), ["vertex-machine-assumed"]),
        ("complex_model_l_v100", ("n1-standard-32", "NVIDIA_TESLA_V100", 8), ["vertex-machine-assumed"]),
        ("n1-highcpu-8", ("n1-standard-8",), ["vertex-machine-substitute"]),
        ("e2-standard-16", ("e2-standard-16",), []),
        ("a2-highgpu-1g", ("a2-highgpu-1g", "NVIDIA_TESLA_A100", 1), ["vertex-accelerators-built-in"]),
    ],
)
def test_a_machine_type_becomes_a_machine(kind: str, machine: tuple[Any, ...], notes: list[str]) -> None:
    made = translated(contained(scaleTier="CUSTOM", masterType=kind))
    assert machines(made) == [(*machine, "1")]
    assert warnings(made) == [(note, "spec.trainingInput.masterType") for note in notes]
    assert refusals(made) == []


def test_a_substitute_is_told_with_what_stood_and_what_it_became() -> None:
    made = translated(contained(scaleTier="BASIC_GPU"))
    (problem,) = made.problems
    assert problem.value == "BASIC_GPU"
    assert "1 NVIDIA_TESLA_T4" in problem.rule
    assert "NVIDIA_TESLA_K80" in problem.rule


def test_the_administrator_chooses_the_substitutes() -> None:
    tables = Tables.parse(
        {
            "acceleratorSubstitutes": {"NVIDIA_TESLA_K80": {"type": "NVIDIA_TESLA_V100", "counts": {8: 8}}},
            "machineSubstitutes": {"n1-highcpu-8": "e2-highcpu-8"},
        }
    )
    made = translated(contained(scaleTier="CUSTOM", masterType="complex_model_l_gpu"), tables)
    assert machines(made) == [("n1-standard-32", "NVIDIA_TESLA_V100", 8, "1")]
    assert machines(translated(contained(scaleTier="STANDARD_1"), tables))[0] == ("e2-highcpu-8", "1")


def test_what_the_administrator_took_away_is_refused() -> None:
    tables = Tables.parse({"machineTypes": {"standard": None}, "tiers": {"BASIC": None}})
    made = translated(contained(scaleTier="CUSTOM", masterType="standard"), tables)
    assert refusals(made) == [("vertex-machine", "spec.trainingInput.masterType")]
    assert ("vertex-scale-tier", "spec.trainingInput.scaleTier") in refusals(translated(contained(), tables))


def test_roles_become_pools_by_position_and_those_between_are_empty() -> None:
    made = translated(
        contained(
            scaleTier="CUSTOM",
            masterType="n1-standard-8",
            parameterServerType="n1-highmem-2",
            parameterServerCount="3",
            parameterServerConfig={"imageUri": "gcr.io/my-project/reduce:1"},
            workerType="n1-standard-8",
            workerCount="0",
        )
    )
    assert machines(made) == [("n1-standard-8", "1"), (None,), ("n1-highmem-2", "3")]
    assert pools(made)[1] == {}
    assert pools(made)[2]["containerSpec"]["imageUri"] == "gcr.io/my-project/reduce:1"


@pytest.mark.parametrize(
    ("kind", "accelerators", "expected"),
    [
        ("n1-standard-8", ("NVIDIA_TESLA_V100", "2"), ("NVIDIA_TESLA_V100", 2)),
        ("n1-standard-8", ("NVIDIA_TESLA_P4", 4), ("NVIDIA_TESLA_P4", 4)),
        ("n1-standard-32", ("NVIDIA_TESLA_K80", "8"), ("NVIDIA_TESLA_T4", 4)),
        ("n1-standard-8", ("ACCELERATOR_TYPE_UNSPECIFIED", "0"), ()),
        ("a2-highgpu-2g", ("NVIDIA_TESLA_A100", "2"), ("NVIDIA_TESLA_A100", 2)),
    ],
)
def test_accelerators_are_taken_over(
    kind: str, accelerators: tuple[str, Any], expected: tuple[Any, ...]
) -> None:
    config = {"acceleratorConfig": dict(zip(("type", "count"), accelerators, strict=True))}
    made = translated(contained(scaleTier="CUSTOM", masterType=kind, masterConfig=config))
    assert machines(made) == [(kind, *expected, "1")]
    assert refusals(made) == []


@pytest.mark.parametrize(
    ("kind", "accelerators", "why"),
    [
        ("n1-standard-8", ("NVIDIA_TESLA_T4", "3"), "1, 2 or 4 GPUs"),
        ("n1-standard-32", ("NVIDIA_TESLA_V100", "2"), "has more GPUs"),
        ("n1-standard-96", ("NVIDIA_TESLA_P4", "2"), "has more GPUs"),
        ("n1-standard-8", ("NVIDIA_TESLA_A100", "1"), "P4, P100, T4 or V100"),
        ("n1-standard-8", ("NVIDIA_TESLA_K80", "3"), "in place of 3 NVIDIA_TESLA_K80"),
        ("n1-standard-8", ("TPU_V2", "8"), "machine of its own"),
        ("e2-standard-8", ("NVIDIA_TESLA_T4", "1"), "have no accelerators"),
        ("a2-highgpu-2g", ("NVIDIA_TESLA_A100", "1"), "another number"),
    ],
)
def test_accelerators_that_cannot_be_are_refused(kind: str, accelerators: tuple[str, str], why: str) -> None:
    config = {"acceleratorConfig": dict(zip(("type", "count"), accelerators, strict=True))}
    made = translated(contained(scaleTier="CUSTOM", masterType=kind, masterConfig=config))
    (problem,) = [problem for problem in made.problems if problem.severity is Severity.ERROR]
    assert problem.path.startswith("spec.trainingInput.masterConfig.acceleratorConfig")
    assert why in problem.rule


@pytest.mark.parametrize(
    ("disk", "expected"),
    [
        (
            {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 200},
            {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 200},
        ),
        ({"bootDiskSizeGb": 50}, {"bootDiskSizeGb": 100}),
        ({"bootDiskSizeGb": 0, "bootDiskType": ""}, None),
    ],
)
def test_a_disk_has_its_least_size(disk: Json, expected: Json | None) -> None:
    made = translated(contained(masterConfig={"diskConfig": disk}))
    assert pools(made)[0].get("diskSpec") == expected
    assert bool(warnings(made)) is (disk["bootDiskSizeGb"] == 50)


def test_too_large_a_disk_is_refused() -> None:
    made = translated(contained(masterConfig={"diskConfig": {"bootDiskSizeGb": 64001}}))
    assert refusals(made) == [("pool-disk-size", "spec.trainingInput.masterConfig.diskConfig.bootDiskSizeGb")]


# --- programs


def test_args_go_to_every_pool_with_the_job_directory_behind() -> None:
    made = translated(
        {**PACKAGE, "scaleTier": "STANDARD_1", "args": ["--epochs", "3"], "jobDir": "gs://b/job"}
    )
    expected = ["--epochs", "3", "--job-dir=gs://b/job"]
    assert [pool["pythonPackageSpec"]["args"] for pool in pools(made)] == [expected] * 3
    assert made.body["jobSpec"]["baseOutputDirectory"] == {"outputUriPrefix": "gs://b/job"}


def test_containers_have_commands_and_arguments_of_their_own() -> None:
    made = translated(
        contained(
            scaleTier="CUSTOM",
            masterType="standard",
            masterConfig={"containerCommand": ["run"], "containerArgs": ["--role=master"]},
            workerType="standard",
            workerCount=2,
            workerConfig={"containerArgs": ["--role=worker"]},
            jobDir="gs://b/job",
        )
    )
    assert [pool["containerSpec"] for pool in pools(made)] == [
        {"imageUri": IMAGE, "command": ["run"], "args": ["--role=master", "--job-dir=gs://b/job"]},
        {"imageUri": IMAGE, "args": ["--role=worker", "--job-dir=gs://b/job"]},
    ]


def test_gpus_choose_the_image_of_their_own_pool() -> None:
    roles = {"masterType": "standard_gpu", "workerType": "standard", "workerCount": "1"}
    made = translated({**PACKAGE, "scaleTier": "CUSTOM", **roles})
    images = [pool["pythonPackageSpec"]["executorImageUri"].rpartition("/")[2] for pool in pools(made)]
    assert images == ["tf-gpu.2-11:latest", "tf-cpu.2-11:latest"]


@pytest.mark.parametrize(
    ("runtime", "python", "path"),
    [
        ("1.15", "2.7", "pythonVersion"),
        ("1.14", "3.5", "pythonVersion"),
        ("1.15", None, "pythonVersion"),
        ("2.10", "3.7", "runtimeVersion"),
        ("1.14", "3.7", "runtimeVersion"),
    ],
)
def test_a_runtime_without_an_image_is_refused_and_it_is_said_how_to_set_one(
    runtime: str, python: str | None, path: str
) -> None:
    versions = {"runtimeVersion": runtime, "pythonVersion": python}
    made = translated({key: value for key, value in {**PACKAGE, **versions}.items() if value})
    (problem,) = [problem for problem in made.problems if problem.severity is Severity.ERROR]
    assert (problem.id, problem.path) == ("vertex-training-image", f"spec.trainingInput.{path}")
    assert (problem.value is MISSING) is (python is None)
    assert "spec.vertex.jobSpec.workerPoolSpecs[0].pythonPackageSpec.executorImageUri" in problem.rule
    assert "trainingImages" in problem.rule


def test_an_image_is_told_with_its_framework_and_its_days() -> None:
    made = translated(PACKAGE)
    assert warnings(made) == [
        ("vertex-training-image-chosen", "spec.trainingInput.runtimeVersion"),
        ("vertex-image-lifetime", "spec.trainingInput.runtimeVersion"),
    ]
    assert "tensorflow alone" in made.problems[0].rule
    assert "2024-11-15" in made.problems[1].rule


@pytest.mark.parametrize(("today", "warned"), [(date(2023, 11, 15), False), (date(2023, 11, 16), True)])
def test_an_image_that_is_supported_today_needs_no_warning(today: date, warned: bool) -> None:
    problems = review(TRAINING_JOB.name, {"trainingInput": PACKAGE}, shipped(), "us-central1", today=today)
    assert ("vertex-image-lifetime" in {problem.id for problem in problems}) is warned


def test_an_own_container_that_is_an_image_of_googles_has_its_days_too() -> None:
    image = "europe-docker.pkg.dev/vertex-ai/training/tf-cpu.2-16.py310:latest"
    made = translated(contained(masterConfig={"imageUri": image}))
    assert warnings(made) == [("vertex-image-lifetime", "spec.trainingInput.masterConfig.imageUri")]
    unknown = translated(
        contained(masterConfig={"imageUri": "us-docker.pkg.dev/vertex-ai/training/new:latest"})
    )
    assert "not known" in unknown.problems[0].rule
    assert warnings(translated(contained())) == []


# --- TPUs


@pytest.mark.parametrize(
    "machine",
    [
        {"scaleTier": "BASIC_TPU"},
        {"scaleTier": "CUSTOM", "masterType": "cloud_tpu"},
        {"scaleTier": "CUSTOM", "masterType": "standard", "workerType": "cloud_tpu", "workerCount": "1"},
    ],
)
def test_a_tpu_is_refused_until_somebody_allows_it(machine: Json) -> None:
    made = translated(contained(**machine))
    assert [name for name, _ in refusals(made)] == ["vertex-tpu"]

    allowed = translated(contained(**machine), Tables.parse({"machineTypes": TPU}))
    assert refusals(allowed) == []
    assert machines(allowed) == [("cloud-tpu", "TPU_V2", 8, "1")]
    alone = machine.get("masterType") == "cloud_tpu"
    assert ("vertex-tpu-alone" in {name for name, _ in warnings(allowed)}) is not alone

    own = {"machineType": "ct5lp-hightpu-4t", "tpuTopology": "2x2"}
    over = {"jobSpec": {"workerPoolSpecs": [{"machineSpec": own}]}}
    chosen = translated(contained(**machine), vertex=over)
    assert refusals(chosen) == []
    assert [pool["machineSpec"] for pool in pools(chosen)] == [own]


@pytest.mark.parametrize(
    ("accelerators", "expected"),
    [
        (("TPU_V3", "8"), ("TPU_V3", 8)),
        (("TPU_V2_POD", "32"), ("TPU_V2", 32)),
        (("TPU_V3_POD", "128"), ("TPU_V3", 128)),
        (("TPU_V2_POD", "16"), None),
        (("TPU_V4_POD", "32"), None),
        (("TPU_V2", "4"), None),
    ],
)
def test_tpus_have_their_cores(accelerators: tuple[str, str], expected: tuple[str, int] | None) -> None:
    config = {"acceleratorConfig": dict(zip(("type", "count"), accelerators, strict=True))}
    roles = {"masterType": "standard", "workerType": "cloud_tpu", "workerCount": "1", "workerConfig": config}
    made = translated(contained(scaleTier="CUSTOM", **roles), Tables.parse({"machineTypes": TPU}))
    if expected is None:
        assert refusals(made)
    else:
        assert refusals(made) == []
        assert machines(made) == [("cloud-tpu", *expected, "1")]


def test_nothing_else_runs_beside_a_tpu() -> None:
    roles = {
        "masterType": "standard",
        "workerType": "cloud_tpu",
        "workerCount": "2",
        "parameterServerType": "standard",
        "parameterServerCount": "1",
    }
    made = translated(contained(scaleTier="CUSTOM", **roles), Tables.parse({"machineTypes": TPU}))
    assert refusals(made) == [
        ("vertex-tpu", "spec.trainingInput.parameterServerType"),
        ("vertex-tpu", "spec.trainingInput.workerCount"),
    ]


# --- searches


def test_names_and_values_of_a_search_are_blamed_where_they_stand() -> None:
    search = {
        "hyperparameterMetricTag": "val loss",
        "params": [
            {"parameterName": "x", "type": "CATEGORICAL", "categoricalValues": ["a b"]},
            {"parameterName": "my rate", "type": "DISCRETE", "discreteValues": [0.5, 0.5 + 1e-11]},
        ],
    }
    made = translated(contained(hyperparameters=search))
    place = "spec.trainingInput.hyperparameters"
    wrong = {problem.path: problem.value for problem in made.problems if problem.severity is Severity.ERROR}
    assert wrong == {
        f"{place}.hyperparameterMetricTag": "val loss",
        f"{place}.params[1].parameterName": "my rate",
        f"{place}.params[1].discreteValues[1]": 0.5 + 1e-11,
    }


# --- the rest


def test_limits_accounts_networks_and_keys_have_their_places() -> None:
    key = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
    made = translated(
        contained(
            scheduling={"maxRunningTime": "3600s"},
            serviceAccount="a@p.iam.gserviceaccount.com",
            network="projects/1/global/networks/n",
            enableWebAccess=False,
            encryptionConfig={"kmsKeyName": key},
        )
    )
    assert made.problems == ()
    spec = {field: value for field, value in made.body["jobSpec"].items() if field != "workerPoolSpecs"}
    assert spec == {
        "scheduling": {"timeout": "3600s"},
        "serviceAccount": "a@p.iam.gserviceaccount.com",
        "network": "projects/1/global/networks/n",
        "enableWebAccess": False,
    }
    assert made.body["encryptionSpec"] == {"kmsKeyName": key}


def test_an_empty_account_is_none() -> None:
    assert "serviceAccount" not in translated(contained(serviceAccount="")).body["jobSpec"]


def test_trials_that_share_a_job_directory_are_warned_of() -> None:
    search = {"params": [{"parameterName": "x", "type": "CATEGORICAL", "categoricalValues": ["a"]}]}
    made = translated(contained(jobDir="gs://b/job", hyperparameters=search))
    assert warnings(made) == [("vertex-job-dir-trials", "spec.trainingInput.jobDir")]
    assert "trialJobSpec" in made.body


@pytest.mark.parametrize(
    ("training", "path"),
    [
        ({"workerConfig": {"diskConfig": {"bootDiskSizeGb": 200}}}, "workerConfig"),
        ({"masterType": "standard"}, "masterType"),
        ({"scaleTier": "STANDARD_1", "workerType": "standard"}, "workerType"),
        ({"packageUris": ["gs://b/p"]}, "packageUris"),
        ({"pythonModule": "trainer.task"}, "pythonModule"),
    ],
)
def test_what_has_no_effect_is_left_out_and_told(training: Json, path: str) -> None:
    assert ("vertex-unused", f"spec.trainingInput.{path}") in warnings(translated(contained(**training)))


def test_arguments_have_a_length_together() -> None:
    argument = "x" * 10_000
    assert refusals(translated(contained(args=[argument] * 10))) == []
    made = translated(contained(args=[argument] * 11))
    assert refusals(made) == [("vertex-args-length", "spec.trainingInput.args")]
    assert argument not in str(made.problems[0])


def test_a_refused_order_is_never_sent() -> None:
    spec = {"trainingInput": contained(scaleTier="BASIC_TPU")}
    order = Order(TRAINING_JOB.name, spec, Scope("projects/p/locations/us-central1"), "nightly", {})
    with pytest.raises(errors.Rejected, match=r"spec\.trainingInput\.scaleTier"):
        request(order, shipped())


def test_labels_of_the_owner_win() -> None:
    spec = {"trainingInput": contained(), "labels": {"team": "a", "mljobs-uid": "theirs"}}
    scope = Scope("projects/p/locations/us-central1")
    collection, body = request(
        Order(TRAINING_JOB.name, spec, scope, "nightly", {"mljobs-uid": "ours"}), shipped()
    )
    assert collection == "customJobs"
    assert body["labels"] == {"team": "a", "mljobs-uid": "ours"}
    assert body["displayName"] == "nightly"
