"""Rules for what both kinds have in common: the project, the job's id, its labels, its one input."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.api.patterns import JOB_ID, PROJECT
from mljobs.domain.spec import marks
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.rule import PREDICTION_JOB, TRAINING_JOB, Rule
from mljobs.domain.spec.rules.terms import Term, fits, given, length, present

JOB_ID_TEXT = "a job id is a letter, then letters, digits and underscores, at most 128 characters in all"

LABELS_LIMIT = 64 - len(marks.OWNERSHIP_LABELS)
"""A job has at most 64 labels, of which the operator needs its own."""

_LETTERS = ("Ll", "Lo")
_VALUE = r"[\p{Ll}\p{Lo}\p{N}_-]*"
_KEY = rf"[\p{{Ll}}\p{{Lo}}]{_VALUE}"
"""In RE2's notation, for CEL; `_is_key` and `_is_value` are the same in Python, whose `re` lacks it.

They do not count: to RE2 each possible repetition of such a class is a class of its own.
"""


def _label(pattern: str, text: str) -> str:
    """Says in CEL that a label's key or value is short enough and like the pattern."""
    return f"size({text}) <= {marks.LABEL_LIMIT} && {text}.matches(r'^{pattern}$')"


_EVERYBODY = ("allUsers", "allAuthenticatedUsers")

_MEMBER = Term(
    lambda text: not isinstance(text, str) or text in _EVERYBODY or ":" in text[1:-1],
    # A pattern would cost too much for so many and so long texts.
    f"self in {list(_EVERYBODY)} || size(self) > 2 && self.substring(1, size(self) - 1).contains(':')",
)


def _is_letter(char: str) -> bool:
    return unicodedata.category(char) in _LETTERS


def _is_value(text: Any) -> bool:
    return not isinstance(text, str) or (
        len(text) <= marks.LABEL_LIMIT
        and all(_is_letter(char) or char in "_-" or unicodedata.category(char)[0] == "N" for char in text)
    )


def _is_key(text: Any) -> bool:
    return not isinstance(text, str) or (text != "" and _is_letter(text[0]) and _is_value(text))


def _wrong_keys(labels: Any) -> Iterable[tuple[str, Any]]:
    return [(f"[{key}]", key) for key in labels if not _is_key(key)] if isinstance(labels, Mapping) else []


def _own_keys(labels: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(labels, Mapping):
        return []
    return [(f"[{key}]", value) for key, value in labels.items() if key in marks.OWNERSHIP_LABELS]


_WORD = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
MANAGER = rf"{_WORD}([.]{_WORD})*/[A-Za-z0-9/._~%!$&\x27()*+,;=:-]+"
"""What a `batch/v1` Job's own managedBy has to be: `IsDomainPrefixedPath` of Kubernetes' validation."""

RULES = (
    Rule(
        "project-required",
        "",
        Term(given("projectId").test),  # only the operator knows whether there is a default
        "a Google Cloud project is required where the administrator has set no default",
        Source.OPERATOR,
        field="projectId",
        error_type=FieldErrorType.REQUIRED,
    ),
    Rule(
        "project-id",
        "projectId",
        fits(PROJECT),
        "a project is named by its id, lower-case letters, digits and hyphens such as my-project-1",
        Source.DOCUMENTATION,
    ),
    Rule("job-id", "jobId", fits(JOB_ID), JOB_ID_TEXT, Source.DOCUMENTATION),
    Rule(
        "managed-by",
        "managedBy",
        fits(MANAGER),
        "a controller is named by a domain, a slash and a path, such as example.com/my-controller",
        Source.OPERATOR,
    ),
    Rule(
        "training-input-required",
        "",
        present("trainingInput") | present("vertex.jobSpec"),
        "a TrainingJob has trainingInput, or the whole job in vertex.jobSpec",
        Source.PROTO,
        field="trainingInput",
        error_type=FieldErrorType.REQUIRED,
        kinds=frozenset({TRAINING_JOB}),
    ),
    Rule(
        "training-job-one-input",
        "",
        ~present("predictionInput"),
        "a TrainingJob has no predictionInput; batch prediction is a PredictionJob of its own",
        Source.PROTO,
        field="predictionInput",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=frozenset({TRAINING_JOB}),
        in_schema=True,
    ),
    Rule(
        "prediction-input-required",
        "",
        present("predictionInput") | present("vertex.batchPredictionJob"),
        "a PredictionJob has predictionInput, or the whole job in vertex.batchPredictionJob",
        Source.PROTO,
        field="predictionInput",
        error_type=FieldErrorType.REQUIRED,
        kinds=frozenset({PREDICTION_JOB}),
    ),
    Rule(
        "prediction-job-one-input",
        "",
        ~present("trainingInput"),
        "a PredictionJob has no trainingInput; training is a TrainingJob of its own",
        Source.PROTO,
        field="trainingInput",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=frozenset({PREDICTION_JOB}),
        in_schema=True,
    ),
    Rule(
        "iam-role",
        "iamBindings[].role",
        fits(r"((projects|organizations)/[^/]+/)?roles/[A-Za-z0-9_.]+"),
        "a role is roles/NAME, or projects/PROJECT/roles/NAME for one of your own",
        Source.DOCUMENTATION,
    ),
    Rule(
        "iam-member",
        "iamBindings[].members[]",
        _MEMBER,
        "a member is user:, group:, serviceAccount: or domain: and an address, or allUsers and the like",
        Source.DOCUMENTATION,
    ),
    Rule(
        "labels-count",
        "labels",
        length(0, LABELS_LIMIT),
        f"at most {LABELS_LIMIT} labels: a job has 64, of which the operator adds {64 - LABELS_LIMIT}",
        Source.DOCUMENTATION,
    ),
    Rule(
        "label-key",
        "labels",
        Term(lambda labels: not _wrong_keys(labels), f"self.all(key, {_label(_KEY, 'key')})"),
        "a label's key starts with a lower-case letter and has at most 63 lower-case letters, digits, "
        "underscores and hyphens",
        Source.DOCUMENTATION,
        blame=_wrong_keys,
    ),
    Rule(
        "label-value",
        "labels{}",
        Term(_is_value, _label(_VALUE, "self")),
        "a label's value has at most 63 lower-case letters, digits, underscores and hyphens",
        Source.DOCUMENTATION,
    ),
    Rule(
        "label-reserved",
        "labels",
        Term(lambda labels: not _own_keys(labels)),
        "this label marks whose job it is; the operator replaces the value",
        Source.OPERATOR,
        blame=_own_keys,
        severity=Severity.WARNING,
    ),
)
"""The rules of this module."""
