"""Rules for what follows a job: deadlines, retries, clean-up."""

from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.patterns import compiled
from mljobs.domain.spec.problems import Source
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import Term, at_least, between, present


def _seconds(name: str, field: str, least: int) -> Rule:
    text = f"a whole number of seconds, at least {least}"
    return Rule(name, field, at_least(least), text, Source.OPERATOR)


def _is_pattern(value: Any) -> bool:
    return not isinstance(value, str) or compiled(value) is not None


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
)
"""The rules of this module."""
