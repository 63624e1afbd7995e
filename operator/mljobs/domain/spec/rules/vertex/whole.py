"""Rules for the block as a whole: what it needs without an input, and what has one place only."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import MISSING, Severity, Source
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import Term, absent, any_of, filled, fits, get, given, present, there
from mljobs.domain.spec.rules.training import REGION, REGION_TEXT, hyphened
from mljobs.domain.spec.rules.vertex.making import (
    BATCH,
    JOB_SPEC,
    POOLS,
    PREDICTION,
    STUDY,
    TRAINING,
    forbidden,
    items,
    shaped,
    warning,
)

POOL_FIELDS = (
    "machineSpec",
    "replicaCount",
    "containerSpec",
    "pythonPackageSpec",
    "diskSpec",
    "nfsMounts",
    "lustreMounts",
)

NO_TRAINING_INPUT = present(JOB_SPEC) & ~present("trainingInput")
NO_PREDICTION_INPUT = present(BATCH) & ~present("predictionInput")
SEARCHES = present(STUDY) | present("trainingInput.hyperparameters")

_Lacks = Callable[[Any], str]


def _lacking(lacks: _Lacks) -> Callable[[Any], Iterable[tuple[str, Any]]]:
    """Finds the pools that lack something; `lacks` gives the field, empty where the pool has it."""

    def find(spec: Any) -> Iterator[tuple[str, Any]]:
        for index, pool in enumerate(items(get(spec, POOLS))):
            field = lacks(pool) if _used(pool) else ""
            if field:
                yield f"{POOLS}[{index}].{field}", MISSING

    return find


def _used(pool: Any) -> bool:
    return any(get(pool, field) is not MISSING for field in POOL_FIELDS)


_USED_IN_CEL = " || ".join(f"has(p.{field})" for field in POOL_FIELDS)


def _empty(pool: Any, path: str) -> bool:
    found = get(pool, path)
    return found is MISSING or (isinstance(found, str | list | tuple) and len(found) == 0)


def _has(path: str) -> str:
    return f"{there(path, 'p')} && size(p.{path}) > 0"


def _pools(name: str, lacks: _Lacks, cel: str, text: str) -> Rule:
    """What each pool that is used has to have in a job of its own; `cel` says over `p` that it has it."""
    find = _lacking(lacks)
    said = f"self.{POOLS}.all(p, !({_USED_IN_CEL}) || ({cel}))"
    complete = Term(lambda spec: not list(find(spec)), f"{absent(POOLS)} || {said}", frozenset({POOLS}))
    return Rule(
        name,
        "",
        NO_TRAINING_INPUT.implies(complete),
        text,
        Source.DISCOVERY,
        field=POOLS,
        blame=find,
        error_type=FieldErrorType.REQUIRED,
        kinds=TRAINING,
    )


_PACKAGE = ("executorImageUri", "packageUris", "pythonModule")


def _lacks_machine(pool: Any) -> str:
    return "machineSpec.machineType" if _empty(pool, "machineSpec.machineType") else ""


def _lacks_program(pool: Any) -> str:
    is_package = get(pool, "pythonPackageSpec") is not MISSING
    return "containerSpec.imageUri" if not is_package and _empty(pool, "containerSpec.imageUri") else ""


def _lacks_package(pool: Any) -> str:
    if get(pool, "pythonPackageSpec") is MISSING:
        return ""
    paths = (f"pythonPackageSpec.{field}" for field in _PACKAGE)
    return next((path for path in paths if _empty(pool, path)), "")


def _needed(
    name: str, when: Term, field: str, text: str, kinds: frozenset[str], of: Callable[[str], Term] = given
) -> Rule:
    """What a job that is described here alone has to have."""
    return Rule(
        name,
        "",
        when.implies(of(field)),
        text,
        Source.DISCOVERY,
        field=field,
        error_type=FieldErrorType.REQUIRED,
        kinds=kinds,
    )


def _one_place(name: str, field: str, other: str, kinds: frozenset[str], scope: str = "") -> Rule:
    return forbidden(
        name,
        scope,
        ~(given(field) & given(other)),
        f"this stands in {other} too, and has one place only",
        source=Source.OPERATOR,
        field=field,
        kinds=kinds,
    )


def _first_is_used(spec: Any) -> bool:
    pools = items(get(spec, POOLS))
    return not pools or _used(pools[0])


RULES = (
    *(
        forbidden(
            f"{kind}-block-{hyphened(field)}",
            "vertex",
            ~present(field),
            f"this is for a {other} only",
            source=Source.OPERATOR,
            field=field,
            kinds=kinds,
            in_schema=True,
        )
        for kind, other, kinds, fields in (
            ("training", "PredictionJob", TRAINING, ("batchPredictionJob", "models")),
            ("prediction", "TrainingJob", PREDICTION, ("jobSpec", "studySpec", "encryptionSpec")),
        )
        for field in fields
    ),
    Rule(
        "vertex-region-form",
        "vertex.region",
        fits(REGION),
        REGION_TEXT,
        Source.DISCOVERY,
        severity=Severity.WARNING,
    ),
    # --- training
    _needed(
        "pools-required",
        NO_TRAINING_INPUT,
        POOLS,
        "a job needs at least one worker pool",
        TRAINING,
        filled,
    ),
    Rule(
        "first-pool-used",
        "",
        NO_TRAINING_INPUT.implies(
            Term(
                _first_is_used,
                f"{absent(POOLS)} || size(self.{POOLS}) == 0 || "
                + " || ".join(f"has(self.{POOLS}[0].{field})" for field in POOL_FIELDS),
                frozenset({POOLS}),
            )
        ),
        "only pools after the first one can be skipped",
        Source.DISCOVERY,
        field=POOLS,
        blame=lambda _: [(f"{POOLS}[0]", MISSING)],
        error_type=FieldErrorType.REQUIRED,
        kinds=TRAINING,
    ),
    _pools(
        "pool-machine-required",
        _lacks_machine,
        _has("machineSpec.machineType"),
        "a pool needs the type of its machines",
    ),
    _pools(
        "pool-program-required",
        _lacks_program,
        f"has(p.pythonPackageSpec) || {_has('containerSpec.imageUri')}",
        "a pool needs the image of a containerSpec, or a pythonPackageSpec",
    ),
    _pools(
        "pool-package-required",
        _lacks_package,
        "!has(p.pythonPackageSpec) || "
        + " && ".join(_has(f"pythonPackageSpec.{field}") for field in _PACKAGE),
        "a pythonPackageSpec needs executorImageUri, packageUris and pythonModule",
    ),
    *(
        _needed(
            f"study-{field}-required",
            present(STUDY) & ~present("trainingInput.hyperparameters"),
            f"{STUDY}.{field}",
            f"a search needs {field}, here or in trainingInput.hyperparameters",
            TRAINING,
            filled,
        )
        for field in ("metrics", "parameters")
    ),
    *(
        forbidden(
            f"{name}-study",
            "",
            present(f"vertex.{field}").implies(SEARCHES),
            "trials are for a search: a studySpec, or trainingInput.hyperparameters",
            source=Source.OPERATOR,
            field=f"vertex.{field}",
            kinds=TRAINING,
        )
        for name, field in (
            ("max-trials", "maxTrialCount"),
            ("parallel-trials", "parallelTrialCount"),
            ("failed-trials", "maxFailedTrialCount"),
        )
    ),
    _one_place(
        "service-account-once", f"{JOB_SPEC}.serviceAccount", "trainingInput.serviceAccount", TRAINING
    ),
    _one_place("network-once", f"{JOB_SPEC}.network", "trainingInput.network", TRAINING),
    _one_place(
        "key-once", "vertex.encryptionSpec.kmsKeyName", "trainingInput.encryptionConfig.kmsKeyName", TRAINING
    ),
    # --- prediction
    *(
        _needed(name, NO_PREDICTION_INPUT, f"{BATCH}.{field}", text, PREDICTION)
        for name, field, text in (
            ("batch-instances-format", "inputConfig.instancesFormat", "the format of the input is required"),
            (
                "batch-predictions-format",
                "outputConfig.predictionsFormat",
                "the format of the output is required",
            ),
        )
    ),
    *(
        Rule(
            name,
            "",
            NO_PREDICTION_INPUT.implies(any_of(*(present(f"{BATCH}.{field}") for field in fields))),
            text,
            Source.PROTO,
            field=f"{BATCH}.{fields[0]}",
            error_type=FieldErrorType.REQUIRED,
            kinds=PREDICTION,
        )
        for name, text, fields in (
            (
                "batch-input-required",
                "a batch prediction needs an input",
                (
                    "inputConfig.gcsSource",
                    "inputConfig.bigquerySource",
                    "inputConfig.vertexMultimodalDatasetSource",
                ),
            ),
            (
                "batch-output-required",
                "a batch prediction needs an output",
                (
                    "outputConfig.gcsDestination",
                    "outputConfig.bigqueryDestination",
                    "outputConfig.vertexMultimodalDatasetDestination",
                ),
            ),
            (
                "batch-model-required",
                "a batch prediction needs a model or an unmanagedContainerModel",
                ("model", "unmanagedContainerModel"),
            ),
        )
    ),
    *(
        _needed(
            name,
            NO_PREDICTION_INPUT & present(f"{BATCH}.{part}"),
            f"{BATCH}.{part}.{field}",
            text,
            PREDICTION,
        )
        for name, part, field, text in (
            (
                "batch-machine-required",
                "dedicatedResources",
                "machineSpec.machineType",
                "machines need a type",
            ),
            (
                "serving-image-required",
                "unmanagedContainerModel",
                "containerSpec.imageUri",
                "a model in no registry needs the image of its container",
            ),
        )
    ),
    _one_place("display-name-once", "batchPredictionJob.displayName", "displayName", PREDICTION, "vertex"),
    shaped(
        "vertex-model",
        "vertex.models{}{}",
        r"projects/[^/]+/locations/[^/]+/models/[^/]+",
        "a model is projects/PROJECT/locations/REGION/models/ID, with @VERSION where wanted",
        PREDICTION,
    ),
    warning(
        "models-unused",
        "",
        ~present("vertex.models") | present("predictionInput"),
        "models are looked up for a predictionInput, and there is none",
        source=Source.OPERATOR,
        field="vertex.models",
        kinds=PREDICTION,
    ),
)
"""The rules of this module."""
