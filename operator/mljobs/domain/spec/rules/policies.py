"""Rules for what follows a job: deadlines, retries, clean-up."""

from collections.abc import Sequence
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.patterns import compiled
from mljobs.domain.spec.problems import MISSING, Severity, Source
from mljobs.domain.spec.rules.machines import COMPUTE_ENGINE
from mljobs.domain.spec.rules.rule import PREDICTION_JOB, TRAINING_JOB, Rule
from mljobs.domain.spec.rules.terms import Term, at_least, between, fits, get, is_one_of, positive, present
from mljobs.domain.spec.rules.training import REGION, REGION_TEXT
from mljobs.domain.spec.rules.vertex.machines import UNSPECIFIED

RULES_FIELD, NEXT = "failurePolicy.rules", "NextPlacement"
MACHINE_WORDS = ("machineType", "acceleratorType")

_BUCKETS = (
    "trainingInput.jobDir",
    "trainingInput.packageUris",
    "predictionInput.inputPaths",
    "predictionInput.outputPath",
    "vertex.jobSpec.baseOutputDirectory.outputUriPrefix",
    "vertex.batchPredictionJob.inputConfig.gcsSource.uris",
    "vertex.batchPredictionJob.outputConfig.gcsDestination.outputUriPrefix",
)
"""What the service reads and writes itself."""


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _regions(spec: Any) -> bool:
    """Whether the placements are in more than one region."""
    own = [get(spec, f"{part}.region") for part in ("vertex", "trainingInput", "predictionInput")]
    usual = next((region for region in own if region is not MISSING), MISSING)
    named = [get(one, "region") for one in _items(get(spec, "placements"))]
    return len({str(usual if region is MISSING else region) for region in named}) > 1


def _buckets(spec: Any) -> bool:
    found = [get(spec, path) for path in _BUCKETS]
    texts = [text for value in found for text in (value if isinstance(value, list | tuple) else [value])]
    return any(isinstance(text, str) and text.startswith("gs://") for text in texts)


def _seconds(name: str, field: str, least: int) -> Rule:
    text = f"a whole number of seconds, at least {least}"
    return Rule(name, field, at_least(least), text, Source.OPERATOR)


def _is_pattern(value: Any) -> bool:
    return not isinstance(value, str) or compiled(value) is not None


def _on_machines(spec: Any) -> bool:
    """Whether one of the placements names a machine, or accelerators."""
    found = [get(one, word) for one in _items(get(spec, "placements")) for word in MACHINE_WORDS]
    return any(word is not MISSING for word in found)


_ON_MACHINES = Term(
    _on_machines,
    f"self.placements.exists(one, {' || '.join(f'has(one.{word})' for word in MACHINE_WORDS)})",
    frozenset({"placements"}),
)

# An expression that cannot be read is an error of CEL itself, which refuses the resource, too.
_PATTERN = Term(_is_pattern, "''.matches(self) || !''.matches(self)")

RULES = (
    _seconds("active-deadline", "activeDeadlineSeconds", 1),
    _seconds("start-deadline", "startDeadlineSeconds", 1),
    _seconds("ttl", "ttlSecondsAfterFinished", 0),
    _seconds("ttl-succeeded", "ttlSecondsByOutcome.succeeded", 0),
    _seconds("ttl-failed", "ttlSecondsByOutcome.failed", 0),
    _seconds("ttl-cancelled", "ttlSecondsByOutcome.cancelled", 0),
    Rule("backoff-limit", "backoffLimit", between(0, 100), "a number from 0 to 100", Source.OPERATOR),
    Rule(
        "failure-exit-code",
        "failurePolicy.rules[].onExitCodes[]",
        between(0, 255),
        "an exit code is a number from 0 to 255",
        Source.OPERATOR,
    ),
    Rule(
        "failure-message-pattern",
        "failurePolicy.rules[].onMessagePatterns[]",
        _PATTERN,
        "a regular expression in RE2's syntax, without look-around and back-references",
        Source.OPERATOR,
        fails=True,
    ),
    Rule(
        "failure-rule-about",
        "failurePolicy.rules[]",
        present("onCauses") | present("onExitCodes") | present("onMessagePatterns"),
        "a rule names causes, exit codes or patterns of messages; without one, backoffLimit alone decides",
        Source.OPERATOR,
        field="onCauses",
        error_type=FieldErrorType.REQUIRED,
    ),
    Rule(
        "next-placement-needs-placements",
        "",
        present("placements")
        | Term(
            lambda spec: not any(get(rule, "action") == NEXT for rule in _items(get(spec, RULES_FIELD))),
            f"!has(self.failurePolicy) || !self.{RULES_FIELD}.exists(rule, rule.action == '{NEXT}')",
            frozenset({RULES_FIELD}),
        ),
        f"the action {NEXT} needs placements to go on to",
        Source.OPERATOR,
        field="placements",
        error_type=FieldErrorType.REQUIRED,
    ),
    Rule(
        "placement-policy-needs-placements",
        "",
        present("placementPolicy").implies(present("placements")),
        "a placementPolicy needs placements to be about",
        Source.OPERATOR,
        field="placements",
        error_type=FieldErrorType.REQUIRED,
    ),
    Rule(
        "placement-rounds",
        "placementPolicy.rounds",
        between(0, 100),
        "a number from 0 to 100",
        Source.OPERATOR,
    ),
    Rule(
        "placement-region-form",
        "placements[].region",
        fits(REGION),
        REGION_TEXT,
        Source.DISCOVERY,
        severity=Severity.WARNING,
    ),
    Rule(
        "placement-strategy",
        "placements[]",
        ~present("strategy") | is_one_of("strategy", "STANDARD"),
        "a batch prediction is STANDARD: SPOT and FLEX_START are for training",
        Source.DISCOVERY,
        field="strategy",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=frozenset({PREDICTION_JOB}),
    ),
    Rule(
        "placement-wait",
        "placements[]",
        ~present("maxWaitDuration") | is_one_of("strategy", "FLEX_START"),
        "maxWaitDuration is for the strategy FLEX_START of the same placement",
        Source.DISCOVERY,
        field="maxWaitDuration",
        error_type=FieldErrorType.FORBIDDEN,
    ),
    _seconds("placement-start-deadline", "placements[].startDeadlineSeconds", 1),
    Rule(
        "placement-machine-type",
        "placements[].machineType",
        fits(COMPUTE_ENGINE),
        "a placement's machine type is one of Compute Engine, such as n1-standard-8",
        Source.OPERATOR,
    ),
    Rule(
        "placement-machine-tier",
        "",
        (present("placements") & present("trainingInput") & _ON_MACHINES).implies(
            is_one_of("trainingInput.scaleTier", "CUSTOM")
        ),
        "placements that name machines need a trainingInput of scaleTier CUSTOM; the default is BASIC",
        Source.OPERATOR,
        field="placements",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=frozenset({TRAINING_JOB}),
    ),
    Rule(
        "placement-accelerator-type",
        "placements[]",
        present("acceleratorCount").implies(
            present("acceleratorType") & ~is_one_of("acceleratorType", UNSPECIFIED)
        ),
        "acceleratorType and acceleratorCount go together; a machine without accelerators has neither",
        Source.OPERATOR,
        field="acceleratorType",
        error_type=FieldErrorType.REQUIRED,
    ),
    Rule(
        "placement-accelerator-count",
        "placements[]",
        present("acceleratorType").implies(positive("acceleratorCount")),
        "acceleratorType and acceleratorCount go together, and there is 1 accelerator at least",
        Source.OPERATOR,
        field="acceleratorCount",
        error_type=FieldErrorType.REQUIRED,
    ),
    Rule(
        "placement-buckets",
        "",
        Term(lambda spec: not (_regions(spec) and _buckets(spec))),
        "these placements are in several regions, and a bucket is in one: the service refuses a staging "
        "bucket of another region than the job's, and reads across regions cost",
        Source.DOCUMENTATION,
        field="placements",
        severity=Severity.WARNING,
    ),
)
"""The rules of this module."""
