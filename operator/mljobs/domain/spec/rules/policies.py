"""Rules for what follows a job: deadlines, retries, clean-up."""

from mljobs.api.crd import FieldErrorType
from mljobs.domain.spec.problems import Source
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import at_least, between, present


def _seconds(name: str, field: str, least: int) -> Rule:
    text = f"a whole number of seconds, at least {least}"
    return Rule(name, field, at_least(least), text, Source.OPERATOR)


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
        "failure-rule-about",
        "failurePolicy.rules[]",
        present("onCauses") | present("onExitCodes"),
        "a rule names causes or exit codes; without one, backoffLimit alone decides",
        Source.OPERATOR,
        field="onCauses",
        error_type=FieldErrorType.REQUIRED,
    ),
)
"""The rules of this module."""
