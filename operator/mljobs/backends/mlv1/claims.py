"""What a job would use on AI Platform: what its input says, in the service's words."""

from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.domain.port import Claims

ROLES = ("master", "worker", "parameterServer", "evaluator")
CUSTOM = "CUSTOM"


def claims(kind: str, spec: Mapping[str, Any]) -> Claims:
    """Say what a job would use; see `domain.port.Facts.claims`. A scale tier counts as a machine type."""
    if kind != "TrainingJob":
        return Claims()
    given = spec.get("trainingInput") or {}
    account = given.get("serviceAccount")
    return Claims(
        tuple(_types(given)),
        (("spec.trainingInput.serviceAccount", str(account)),) if account else (),
    )


def _types(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    tier = given.get("scaleTier") or "BASIC"
    if tier != CUSTOM:
        yield "spec.trainingInput.scaleTier", str(tier)
    for role in ROLES:
        if given.get(f"{role}Type"):
            yield f"spec.trainingInput.{role}Type", str(given[f"{role}Type"])
