"""Rules for a PredictionInput."""

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.rule import PREDICTION_JOB, Rule
from mljobs.domain.spec.rules.terms import (
    Term,
    any_of,
    at_least,
    filled,
    fits,
    given,
    is_one_of,
    item_fits,
    present,
)
from mljobs.domain.spec.rules.training import REGION, REGION_TEXT, STORAGE, VERSION, VERSION_TEXT

INPUT = "predictionInput"
KINDS = frozenset({PREDICTION_JOB})
MODEL_SOURCES = ("modelName", "versionName", "uri")


def _required(field: str, name: str, text: str, there: Term | None = None) -> Rule:
    return Rule(
        name,
        INPUT,
        there or given(field),
        text,
        Source.DISCOVERY,
        field=field,
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    )


def _format(field: str, name: str, text: str, *words: str) -> Rule:
    return Rule(name, INPUT, ~is_one_of(field, *words), text, Source.DISCOVERY, field=field, kinds=KINDS)


def _deprecated_text(field: str, name: str) -> Rule:
    return Rule(
        name,
        INPUT,
        ~is_one_of(field, "TEXT"),
        "TEXT is deprecated; use JSON",
        Source.DISCOVERY,
        field=field,
        severity=Severity.WARNING,
        kinds=KINDS,
    )


def _shape(field: str, name: str, pattern: str, text: str) -> Rule:
    form = item_fits(pattern) if field.endswith("[]") else fits(pattern)
    return Rule(name, f"{INPUT}.{field}", form, text, Source.DISCOVERY, kinds=KINDS)


def _not_negative(field: str, name: str) -> Rule:
    text = "this number is not negative; 0 stands for the default"
    return Rule(name, f"{INPUT}.{field}", at_least(0), text, Source.DISCOVERY, kinds=KINDS)


RULES = (
    Rule(
        "data-format-required",
        INPUT,
        given("dataFormat") & ~is_one_of("dataFormat", "DATA_FORMAT_UNSPECIFIED"),
        "the format of the input files is required: JSON, TF_RECORD or TF_RECORD_GZIP",
        Source.DISCOVERY,
        field="dataFormat",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    _format("dataFormat", "data-format-csv", "CSV is for output files only", "CSV"),
    _deprecated_text("dataFormat", "data-format-text"),
    _format(
        "outputDataFormat",
        "output-data-format",
        "TF_RECORD and TF_RECORD_GZIP are for input files only",
        "TF_RECORD",
        "TF_RECORD_GZIP",
    ),
    _deprecated_text("outputDataFormat", "output-data-format-text"),
    _required(
        "inputPaths",
        "input-paths-required",
        "at least one path of input files is required",
        filled("inputPaths"),
    ),
    _shape(
        "inputPaths[]", "input-path", STORAGE, "an input path is a Cloud Storage path, gs://BUCKET/OBJECT"
    ),
    _required("outputPath", "output-path-required", "the folder for the output files is required"),
    _shape(
        "outputPath", "output-path", STORAGE, "the output path is a Cloud Storage path, gs://BUCKET/OBJECT"
    ),
    _required("region", "prediction-region-required", "the region to run in is required"),
    Rule(
        "prediction-region-form",
        f"{INPUT}.region",
        fits(REGION),
        REGION_TEXT,
        Source.RECORDED,
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "model-source-required",
        INPUT,
        any_of(*(given(field) for field in MODEL_SOURCES)),
        "exactly one of modelName, versionName and uri is required",
        Source.PROTO,
        field="modelName",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    *(
        Rule(
            f"model-source-single-{name}",
            INPUT,
            given(field).implies(~any_of(*(given(other) for other in others))),
            "exactly one of modelName, versionName and uri may be set",
            Source.PROTO,
            field=field,
            error_type=FieldErrorType.FORBIDDEN,
            kinds=KINDS,
        )
        for field, name, others in (
            ("versionName", "version", ("modelName",)),
            ("uri", "uri", ("modelName", "versionName")),
        )
    ),
    _shape(
        "modelName", "model-name", r"projects/[^/]+/models/[^/]+", "a model is projects/PROJECT/models/MODEL"
    ),
    _shape(
        "versionName",
        "version-name",
        r"projects/[^/]+/models/[^/]+/versions/[^/]+",
        "a version is projects/PROJECT/models/MODEL/versions/VERSION",
    ),
    _shape("uri", "model-uri", STORAGE, "a model's uri is a Cloud Storage path, gs://BUCKET/OBJECT"),
    Rule(
        "prediction-accelerator",
        INPUT,
        ~present("accelerator"),
        "batch prediction has no accelerator in the v1 API; gcloud's flag for it has no counterpart",
        Source.CLIENTS,
        field="accelerator",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=KINDS,
        in_schema=True,
    ),
    _not_negative("maxWorkerCount", "max-worker-count"),
    _not_negative("batchSize", "batch-size"),
    _shape("runtimeVersion", "prediction-runtime-version", VERSION, VERSION_TEXT),
)
"""The rules of this module."""
