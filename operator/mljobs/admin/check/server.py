"""The API server itself: that it answers, its version, its clock."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime

from mljobs.admin.check.cluster import Answer
from mljobs.admin.check.finding import Finding, failed, ok, skipped, warning

OLDEST = (1, 30)
"""From this version on the API server knows `selectableFields`, behind a feature gate (alpha)."""

FULL = (1, 31)
"""From this version on that gate, CustomResourceFieldSelectors, is open by default (beta)."""

SKEW_LIMIT = 30.0
"""Seconds between the clocks above which times in conditions, and Google's tokens, become doubtful."""

_MINOR = re.compile(r"\d+")


def check_version(answer: Answer, host: str) -> Finding:
    """Evaluate the answer to `/version`."""
    check, document = "Kubernetes version", answer.document
    name = str(document.get("gitVersion", "unknown"))
    minor = _MINOR.match(str(document.get("minor", "")))  # some clouds write "30+"
    if not minor or not str(document.get("major", "")).isdecimal():
        return warning(
            check, f"{host} does not report its version ({name})", "check that it is 1.31 or newer"
        )
    version = (int(document["major"]), int(minor[0]))
    if version < OLDEST:
        return failed(check, f"{host} is {name}; 1.30 is the oldest that works", "upgrade the cluster")
    if version < FULL:
        return warning(
            check,
            f"{host} is {name}: resources cannot be selected by state",
            "upgrade to 1.31, or set the feature gate CustomResourceFieldSelectors",
        )
    return ok(check, f"{host} is {name}")


def check_clock(answer: Answer, asked: datetime, answered: datetime) -> Finding:
    """Compare the API server's clock with ours.

    Args:
        answer: any of its answers.
        asked: our time before the request.
        answered: our time after it.
    """
    check = "Clock"
    try:
        theirs = parsedate_to_datetime(answer.date)
    except (TypeError, ValueError):
        return skipped(check, "the API server does not report the time")
    ours = asked + (answered - asked) / 2
    skew = (ours - theirs).total_seconds()
    if abs(skew) <= SKEW_LIMIT:
        return ok(check, f"ours and the API server's agree within {SKEW_LIMIT:g} s")
    direction = "ahead of" if skew > 0 else "behind"
    return warning(
        check,
        f"ours is {abs(skew):.0f} s {direction} the API server's",
        "synchronise the clocks of the nodes (NTP): Google refuses tokens of a clock that is minutes off",
    )
