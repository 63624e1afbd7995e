"""Random specs that keep every rule, and between them use every field.

They are canonical, but that an int64 may be a number too. `training_specs()`, `prediction_specs()` and
`specs(kind)` make specs, `manifests()` whole resources.
"""

from typing import Any

from hypothesis import strategies as st

from mljobs.api.resources import API_VERSION, PREDICTION_JOB, TRAINING_JOB

Spec = dict[str, Any]

REGIONS = ("asia-east1", "europe-west1", "europe-west4", "us-central1", "us-east1", "us-west1")
COMPUTE_ENGINE = ("n1-standard-4", "n1-highmem-8", "e2-highcpu-16", "a2-highgpu-1g")
LEGACY = ("standard", "large_model", "complex_model_m", "standard_gpu", "complex_model_l_v100")
GPUS = ("NVIDIA_TESLA_K80", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_T4")
TPUS = ("TPU_V2", "TPU_V3")
TIERS = ("BASIC", "STANDARD_1", "PREMIUM_1", "BASIC_GPU", "BASIC_TPU")
RUNTIMES = (
    ("2.11", "3.7"),
    ("1.15", "3.7"),
    ("1.15", "2.7"),
    ("1.14", "3.5"),
    ("1.4", "2.7"),
    ("2.1", "3.7"),
)
ROLES = ("worker", "parameterServer", "evaluator")

_WORD = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
_OBJECT = st.builds("gs://{}/{}".format, _WORD, _WORD)
_IMAGE = st.builds("gcr.io/my-project/{}:{}".format, _WORD, st.integers(1, 9))
_SECONDS = st.one_of(
    st.integers(1800, 10**7).map("{}s".format),
    st.decimals(1800, 10**6, places=9).map("{}s".format),
)


def int64(least: int, most: int) -> st.SearchStrategy[int | str]:
    """A whole number as number or as decimal text."""
    return st.one_of(st.integers(least, most), st.integers(least, most).map(str))


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Spec]:
    """Any of the fields; all of them often enough that rare combinations turn up."""
    return st.one_of(st.fixed_dictionaries({}, optional=fields), st.fixed_dictionaries(fields))


_LABELS = st.dictionaries(
    st.from_regex(r"[a-zéжñ名팀][a-z0-9_éжñ名팀-]{0,30}", fullmatch=True),
    st.from_regex(r"[a-z0-9_éжñ名팀-]{0,30}", fullmatch=True),
    max_size=4,
)

_BINDING = st.builds(
    lambda required, optional: {**required, **optional},
    st.fixed_dictionaries(
        {
            "role": st.builds("roles/ml.{}".format, _WORD),
            "members": st.lists(st.builds("user:{}@example.com".format, _WORD), min_size=1, max_size=2),
        }
    ),
    _some(condition=_some(expression=_TEXT, title=_TEXT, description=_TEXT, location=_TEXT)),
)

_FAILURE_RULE = st.builds(
    lambda given, more: {**given, **more},
    st.fixed_dictionaries(
        {
            "onCauses": st.lists(st.sampled_from(["UserCode", "Unknown"]), min_size=1, max_size=2),
            "action": st.sampled_from(["Retry", "RetryIgnoringLimit", "Fail"]),
        }
    ),
    _some(
        onExitCodes=st.lists(st.integers(0, 255), min_size=1, max_size=3),
        onMessagePatterns=st.lists(
            st.sampled_from(["(?i)out of memory", r"\bNCCL\b", "^a*$", "x{0,1000}"]), min_size=1, max_size=3
        ),
    ),
)

_COMMON = _some(
    projectId=st.just("my-project"),
    jobId=st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,40}", fullmatch=True),
    labels=_LABELS,
    deletionPolicy=st.sampled_from(["Cancel", "Orphan"]),
    suspend=st.booleans(),
    backoffLimit=st.integers(0, 100),
    failurePolicy=st.fixed_dictionaries({"rules": st.lists(_FAILURE_RULE, min_size=1, max_size=3)}),
    activeDeadlineSeconds=st.integers(1, 2**31 - 1),
    startDeadlineSeconds=st.integers(1, 2**31 - 1),
    ttlSecondsAfterFinished=st.integers(0, 2**31 - 1),
    ttlSecondsByOutcome=_some(
        succeeded=st.integers(0, 2**31 - 1),
        failed=st.integers(0, 2**31 - 1),
        cancelled=st.integers(0, 2**31 - 1),
    ),
    managedBy=st.sampled_from(["mljobs.dev/operator", "kueue.x-k8s.io/multikueue"]),
    iamBindings=st.lists(_BINDING, max_size=2),
)

_DISK = _some(
    bootDiskSizeGb=st.integers(0, 4000),
    bootDiskType=st.sampled_from(["pd-ssd", "pd-standard"]),
)

_SCHEDULING = _some(maxRunningTime=_SECONDS, maxWaitTime=_SECONDS, priority=st.integers(0, 1000))

_BOUND = st.floats(-1e9, 1e9, allow_nan=False)


@st.composite
def _ranged(draw: st.DrawFn) -> Spec:
    """A DOUBLE or INTEGER parameter."""
    kind = draw(st.sampled_from(["DOUBLE", "INTEGER"]))
    scale = draw(
        st.sampled_from([None, "NONE", "UNIT_LINEAR_SCALE", "UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE"])
    )
    above = scale in ("UNIT_LOG_SCALE", "UNIT_REVERSE_LOG_SCALE")
    number = (
        st.integers(1 if above else -(2**53), 2**53)
        if kind == "INTEGER"
        else st.floats(1e-9 if above else -1e9, 1e9)
    )
    ends = number if above else st.just(0) | number  # zero is what JSON of the service leaves out
    low, high = sorted([draw(ends), draw(ends)])
    made = {"type": kind, "minValue": float(low), "maxValue": float(high)}
    return made if scale is None else {**made, "scaleType": scale}


_CHOICE = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("CATEGORICAL"), "categoricalValues": st.lists(_TEXT, min_size=1, max_size=4)}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("DISCRETE"),
            "discreteValues": st.lists(_BOUND, min_size=1, max_size=5, unique=True).map(sorted),
        }
    ),
)


@st.composite
def _search(draw: st.DrawFn) -> Spec:
    names = draw(st.lists(_WORD, max_size=4, unique=True))
    params = [{"parameterName": name, **draw(st.one_of(_ranged(), _CHOICE))} for name in names]
    doubles = any(param["type"] == "DOUBLE" for param in params)
    algorithms = ["ALGORITHM_UNSPECIFIED", "RANDOM_SEARCH", *([] if doubles else ["GRID_SEARCH"])]
    made = draw(
        _some(
            algorithm=st.sampled_from(algorithms),
            enableTrialEarlyStopping=st.booleans(),
            goal=st.sampled_from(["GOAL_TYPE_UNSPECIFIED", "MAXIMIZE", "MINIMIZE"]),
            hyperparameterMetricTag=_TEXT,
            maxFailedTrials=st.integers(0, 5),
            maxParallelTrials=st.integers(0, 5),
            maxTrials=st.integers(5, 50),
        )
    )
    if params:
        made["params"] = params
    if not params or draw(st.booleans()):
        made["resumePreviousJobId"] = draw(_WORD)
    return made


@st.composite
def _replica(draw: st.DrawFn, machine: str | None, image: bool, container: bool) -> Spec:
    """A ReplicaConfig that fits the machine type and the kind of program."""
    made = draw(_some(diskConfig=_DISK))
    accelerators: dict[str, st.SearchStrategy[Spec]] = {
        "cloud_tpu": st.fixed_dictionaries(
            {"type": st.sampled_from(TPUS), "count": st.sampled_from([8, "8"])}
        )
    }
    if machine in COMPUTE_ENGINE:
        accelerators[machine] = st.fixed_dictionaries({"type": st.sampled_from(GPUS), "count": int64(1, 8)})
    none = st.just({"type": "ACCELERATOR_TYPE_UNSPECIFIED", "count": "0"})
    made |= draw(_some(acceleratorConfig=accelerators.get(machine or "", none)))
    if image:
        made |= draw(_some(imageUri=_IMAGE))
    if container:
        words = st.lists(_TEXT, max_size=3)
        made |= draw(_some(containerArgs=words, containerCommand=words))
    if image and machine == "cloud_tpu":
        made["tpuTfVersion"] = "2.1"
    return made


@st.composite
def _machines(draw: st.DrawFn, image: bool, container: bool) -> Spec:
    """Tier, types, counts and configs."""
    if draw(st.booleans()):
        made = draw(_some(scaleTier=st.sampled_from(TIERS), workerCount=st.sampled_from([0, "0"])))
        types: dict[str, str | None] = {role: None for role in ("master", *ROLES) if draw(st.booleans())}
    else:
        category = draw(st.sampled_from([COMPUTE_ENGINE, LEGACY]))
        made = {
            "scaleTier": "CUSTOM",
            "masterType": draw(st.one_of(st.sampled_from(category), st.just("cloud_tpu"))),
        }
        types = {"master": made["masterType"]}
        for role in (role for role in ROLES if draw(st.booleans())):
            types[role] = made[f"{role}Type"] = draw(
                st.one_of(st.sampled_from(category), st.just("cloud_tpu"))
            )
            made[f"{role}Count"] = draw(int64(1, 9))
    for role, machine in types.items():
        config = draw(_replica(machine, image, container))
        empty: bool = draw(st.booleans())
        if config or empty:
            made[f"{role}Config"] = config
    return made


@st.composite
def training_specs(draw: st.DrawFn) -> Spec:
    """Specs of TrainingJobs."""
    image = draw(st.booleans())
    container = image and draw(st.booleans())
    made = draw(_machines(image, container))
    if image:
        made["masterConfig"] = {**made.get("masterConfig", {}), "imageUri": draw(_IMAGE)}
    else:
        runtime, python = draw(st.sampled_from(RUNTIMES))
        made |= {
            "runtimeVersion": runtime,
            "pythonVersion": python,
            "packageUris": draw(st.lists(_OBJECT, min_size=1, max_size=3)),
            "pythonModule": f"{draw(_WORD)}.task",
        }
    if not container:
        made |= draw(_some(args=st.lists(_TEXT, max_size=4)))
    made |= draw(
        _some(
            enableWebAccess=st.booleans(),
            encryptionConfig=_some(
                kmsKeyName=st.builds("projects/p/locations/global/keyRings/r/cryptoKeys/{}".format, _WORD)
            ),
            hyperparameters=_search(),
            jobDir=_OBJECT,
            network=st.builds("projects/{}/global/networks/{}".format, st.integers(1, 10**12), _WORD),
            scheduling=_SCHEDULING,
            serviceAccount=st.builds("{}@my-project.iam.gserviceaccount.com".format, _WORD),
            useChiefInTfConfig=st.booleans() if image else st.just(False),
        )
    )
    return {**draw(_COMMON), "trainingInput": {**made, "region": draw(st.sampled_from(REGIONS))}}


@st.composite
def prediction_specs(draw: st.DrawFn) -> Spec:
    """Specs of PredictionJobs."""
    source = draw(
        st.one_of(
            st.builds(lambda name: {"modelName": f"projects/my-project/models/{name}"}, _WORD),
            st.builds(lambda name: {"versionName": f"projects/my-project/models/{name}/versions/v1"}, _WORD),
            st.builds(lambda path: {"uri": path, "runtimeVersion": "2.11"}, _OBJECT),
        )
    )
    required = {
        "dataFormat": draw(st.sampled_from(["JSON", "TF_RECORD", "TF_RECORD_GZIP"])),
        "inputPaths": draw(st.lists(_OBJECT, min_size=1, max_size=3)),
        "outputPath": draw(_OBJECT),
        "region": draw(st.sampled_from(REGIONS)),
    }
    optional = draw(
        _some(
            batchSize=int64(0, 1000),
            maxWorkerCount=int64(0, 100),
            outputDataFormat=st.sampled_from(["JSON", "CSV"]),
            signatureName=_WORD,
        )
    )
    return {**draw(_COMMON), "predictionInput": {**required, **source, **optional}}


def specs(kind: str) -> st.SearchStrategy[Spec]:
    """Specs of one kind, `TrainingJob` or `PredictionJob`."""
    return training_specs() if kind == TRAINING_JOB.name else prediction_specs()


def kinds_and_specs() -> st.SearchStrategy[tuple[str, Spec]]:
    """A kind and a spec of it."""
    return st.one_of(
        st.tuples(st.just(TRAINING_JOB.name), training_specs()),
        st.tuples(st.just(PREDICTION_JOB.name), prediction_specs()),
    )


@st.composite
def manifests(draw: st.DrawFn, namespace: str = "default") -> Spec:
    """Whole resources, named `sample`."""
    kind, spec = draw(kinds_and_specs())
    metadata = {"name": "sample", "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
