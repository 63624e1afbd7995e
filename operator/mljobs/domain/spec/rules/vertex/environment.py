"""Rules for environment variables, which two kinds of containers have."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.api.field_error import FieldErrorType
from mljobs.domain.spec.problems import Severity, Source
from mljobs.domain.spec.rules.rule import Rule
from mljobs.domain.spec.rules.terms import Term, fits, get, given, present
from mljobs.domain.spec.rules.vertex.making import BATCH, POOLS, PREDICTION, TRAINING, items, unique

_SECRETIVE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_]*\)")

_PLACES: Mapping[str, tuple[str, frozenset[str], int]] = {
    "container-env": (f"{POOLS}[].containerSpec.env", TRAINING, 100),
    "package-env": (f"{POOLS}[].pythonPackageSpec.env", TRAINING, 100),
    "serving-env": (f"{BATCH}.unmanagedContainerModel.containerSpec.env", PREDICTION, 200),
}
"""The first part of the rules' names, and where they stand, for which kinds, with how many at the most."""


def _is_secret(variable: Any) -> bool:
    name, value = get(variable, "name"), get(variable, "value")
    if not isinstance(name, str) or not isinstance(value, str) or not value:
        return False
    return _SECRETIVE.search(name) is not None and _REFERENCE.fullmatch(value) is None


def _of(name: str) -> Iterator[Rule]:
    scope, kinds, most = _PLACES[name]
    yield Rule(
        f"{name}-name-required",
        f"{scope}[]",
        given("name"),
        "an environment variable needs a name",
        Source.DISCOVERY,
        field="name",
        error_type=FieldErrorType.REQUIRED,
        kinds=kinds,
    )
    yield Rule(
        f"{name}-name",
        f"{scope}[].name",
        fits(r"[A-Za-z_][A-Za-z0-9_]*"),
        "the name of an environment variable is a C identifier: letters, digits and underscores",
        Source.DISCOVERY,
        kinds=kinds,
    )
    yield Rule(
        f"{name}-value-required",
        f"{scope}[]",
        present("value"),
        "an environment variable needs a value, be it empty",
        Source.DISCOVERY,
        field="value",
        error_type=FieldErrorType.REQUIRED,
        kinds=kinds,
    )
    yield unique(f"{name}-unique", scope, "name", "an environment variable stands there once", kinds)
    yield Rule(
        f"{name}-count",
        scope,
        Term(lambda found: len(items(found)) <= most),
        f"at most {most} environment variables",
        Source.DISCOVERY,
        kinds=kinds,
        in_schema=True,
    )
    yield Rule(
        f"{name}-secret",
        f"{scope}[]",
        Term(lambda variable: not _is_secret(variable)),
        "whoever may read the resource or the job reads this: keep secrets in Secret Manager, and let the "
        "program read them there as the job's service account",
        Source.OPERATOR,
        field="value",
        severity=Severity.WARNING,
        kinds=kinds,
    )


RULES = tuple(rule for name in _PLACES for rule in _of(name))
"""The rules of this module."""
