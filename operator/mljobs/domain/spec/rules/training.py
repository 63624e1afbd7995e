"""Rules for a TrainingInput's program, place and time; machines and tuning have modules of their own."""

from typing import Any

from mljobs.api.base import DURATION_PATTERN
from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.machines import INPUT, KINDS, MASTER_IMAGE, ROLES
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import (
    Term,
    any_of,
    between,
    filled,
    fits,
    given,
    is_one_of,
    is_true,
    item_fits,
    length,
    present,
    reads,
)

VERSION = r"[0-9]+[.][0-9]+"
VERSION_TEXT = "a runtime version is MAJOR.MINOR, such as 2.11"

REGION = r"[a-z]+(-[a-z]+)+[0-9]+"
REGION_TEXT = (
    "this is not named like a region; regions are us-central1, europe-west4 and so on, without a zone"
)

STORAGE = r"gs://[a-z0-9][a-z0-9._-]*(/.*)?"
"""A bucket alone is enough: the service has accepted one as a job's jobDir."""

OBJECT = r"gs://[a-z0-9][a-z0-9._-]*/.+"

LEAST_WAIT = 1800
"""Seconds; the least `maxWaitTime`."""

_SINCE_1_15 = r"1[.](1[5-9]|[2-9][0-9]|[0-9]{3,})|([2-9]|[1-9][0-9]+)[.][0-9]+"
_FROM_1_4_TO_1_14 = r"1[.]([4-9]|1[0-4])"
_PYTHON_3_ONLY = r"1[.](1[6-9]|[2-9][0-9]|[0-9]{3,})|([2-9]|[1-9][0-9]+)[.][0-9]+"
_UP_TO_1_15 = r"0[.][0-9]+|1[.]([0-9]|1[0-5])"

_SECONDS_IN_CEL = "double(self.substring(0, size(self) - 1))"
_SECONDS = DURATION_PATTERN.removeprefix("^").removesuffix("$")


def _program(there: Term, field: str, text: str, source: Source = Source.DISCOVERY) -> Rule:
    """A field that is required where there is no custom image."""
    return Rule(
        f"{hyphened(field)}-required",
        INPUT,
        MASTER_IMAGE | there,
        text,
        source,
        field=field,
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    )


def _python(version: str, runtimes: str, text: str) -> Rule:
    known = is_one_of("pythonVersion", version) & reads("runtimeVersion", VERSION)
    return Rule(
        f"python-{version.replace('.', '-')}-runtime",
        INPUT,
        known.implies(reads("runtimeVersion", runtimes)),
        f"Python {version} goes with {text}",
        Source.DISCOVERY,
        field="pythonVersion",
        kinds=KINDS,
    )


def hyphened(name: str) -> str:
    """`runtimeVersion` → `runtime-version`, for the name of a rule."""
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name)


def _seconds(value: Any) -> float | None:
    """Read a duration; None for anything else."""
    return float(value[:-1]) if reads("", _SECONDS).test(value) else None


def _long_enough(value: Any) -> bool:
    seconds = _seconds(value)
    return seconds is None or seconds >= LEAST_WAIT


RULES = (
    Rule(
        "region-required",
        INPUT,
        given("region"),
        "the region to run in is required",
        Source.DISCOVERY,
        field="region",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    Rule(
        "region-form",
        f"{INPUT}.region",
        fits(REGION),
        REGION_TEXT,
        Source.RECORDED,
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    _program(
        given("runtimeVersion"),
        "runtimeVersion",
        "exactly one of runtimeVersion and masterConfig.imageUri is required",
    ),
    Rule(
        "runtime-version-image",
        INPUT,
        ~(MASTER_IMAGE & given("runtimeVersion")),
        "exactly one of runtimeVersion and masterConfig.imageUri may be set",
        Source.DISCOVERY,
        field="runtimeVersion",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=KINDS,
    ),
    Rule(
        "runtime-version",
        f"{INPUT}.runtimeVersion",
        fits(VERSION),
        VERSION_TEXT,
        Source.DOCUMENTATION,
        kinds=KINDS,
    ),
    _program(
        filled("packageUris"), "packageUris", "without a custom image, 1 to 100 Python packages are required"
    ),
    Rule(
        "package-uris-count",
        f"{INPUT}.packageUris",
        length(0, 100),
        "at most 100 packages",
        Source.DISCOVERY,
        kinds=KINDS,
        in_schema=True,
    ),
    Rule(
        "package-uri",
        f"{INPUT}.packageUris[]",
        item_fits(OBJECT),
        "a package is a Cloud Storage object, gs://BUCKET/OBJECT",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
    _program(
        given("pythonModule"), "pythonModule", "without a custom image, the Python module to run is required"
    ),
    Rule(
        "program-image",
        INPUT,
        MASTER_IMAGE.implies(~any_of(filled("packageUris"), given("pythonModule"))),
        "with a custom image, packageUris and pythonModule are not needed and may have no effect",
        Source.DISCOVERY,
        field="masterConfig.imageUri",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "python-version-required",
        INPUT,
        any_of(MASTER_IMAGE, given("pythonVersion"), ~reads("runtimeVersion", _PYTHON_3_ONLY)),
        "without a custom image, runtime versions above 1.15 require the Python version, which is 3.7",
        Source.RECORDED,
        field="pythonVersion",
        error_type=FieldErrorType.REQUIRED,
        kinds=KINDS,
    ),
    Rule(
        "python-version-missing",
        INPUT,
        any_of(MASTER_IMAGE, given("pythonVersion"), reads("runtimeVersion", _PYTHON_3_ONLY)),
        "without a custom image the Python version is due; older jobs ran without it",
        Source.CLIENTS,
        field="pythonVersion",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "python-version-image",
        INPUT,
        ~(MASTER_IMAGE & given("pythonVersion")),
        "a custom image has a Python of its own: pythonVersion cannot be set with masterConfig.imageUri",
        Source.DISCOVERY,
        field="pythonVersion",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=KINDS,
    ),
    Rule(
        "python-version",
        f"{INPUT}.pythonVersion",
        fits(r"2[.]7|3[.]5|3[.]7|3[.]10"),
        "ml v1 has Python 2.7, 3.5 and 3.7, Vertex AI 3.7 and 3.10",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
    _python("3.7", _SINCE_1_15, "runtime versions from 1.15 on"),
    _python("3.5", _FROM_1_4_TO_1_14, "runtime versions 1.4 to 1.14"),
    _python("2.7", _UP_TO_1_15, "runtime versions up to 1.15"),
    Rule(
        "args-container",
        INPUT,
        filled("args").implies(
            ~any_of(
                *(
                    filled(f"{role.config}.{field}")
                    for role in ROLES
                    for field in ("containerArgs", "containerCommand")
                )
            )
        ),
        "args cannot be set together with any containerArgs or containerCommand",
        Source.DISCOVERY,
        field="args",
        error_type=FieldErrorType.FORBIDDEN,
        kinds=KINDS,
    ),
    Rule(
        "network",
        f"{INPUT}.network",
        fits(r"projects/[0-9]+/global/networks/[^/]+"),
        "a network is projects/NUMBER/global/networks/NAME, with the project's number instead of its id",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
    Rule(
        "kms-key-name",
        f"{INPUT}.encryptionConfig.kmsKeyName",
        fits(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+"),
        "a key is projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
    Rule(
        "job-dir",
        f"{INPUT}.jobDir",
        fits(STORAGE),
        "a job directory is a Cloud Storage path, gs://BUCKET/OBJECT",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
    Rule(
        "chief-image",
        INPUT,
        is_true("useChiefInTfConfig").implies(MASTER_IMAGE),
        "useChiefInTfConfig has an effect with a custom image only",
        Source.DISCOVERY,
        field="useChiefInTfConfig",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "service-account",
        f"{INPUT}.serviceAccount",
        fits(r"[^@ ]+@[^@ ]+"),
        "a service account is given by its e-mail address",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
    Rule(
        "service-account-empty",
        INPUT,
        present("serviceAccount").implies(given("serviceAccount")),
        "an empty service account is left out, since the service would take it to the letter",
        Source.DOCUMENTATION,
        field="serviceAccount",
        severity=Severity.WARNING,
        kinds=KINDS,
    ),
    Rule(
        "max-running-time",
        f"{INPUT}.scheduling.maxRunningTime",
        fits(_SECONDS),
        "a duration is a number of seconds with at most nine decimals and an s, such as 7200s",
        Source.DISCOVERY,
        kinds=KINDS,
        in_schema=True,
    ),
    Rule(
        "max-running-time-least",
        f"{INPUT}.scheduling.maxRunningTime",
        Term(lambda value: _seconds(value) != 0.0, f"{_SECONDS_IN_CEL} > 0.0"),
        "a maxRunningTime is above 0s",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
    Rule(
        "max-wait-time",
        f"{INPUT}.scheduling.maxWaitTime",
        fits(_SECONDS),
        "a duration is a number of seconds with at most nine decimals and an s, such as 7200s",
        Source.DISCOVERY,
        kinds=KINDS,
        in_schema=True,
    ),
    Rule(
        "max-wait-time-least",
        f"{INPUT}.scheduling.maxWaitTime",
        Term(_long_enough, f"{_SECONDS_IN_CEL} >= {LEAST_WAIT}.0"),
        f"the least maxWaitTime is {LEAST_WAIT}s",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
    Rule(
        "priority",
        f"{INPUT}.scheduling.priority",
        between(0, 1000),
        "a priority lies between 0 and 1000",
        Source.DISCOVERY,
        kinds=KINDS,
    ),
)
"""The rules of this module."""
