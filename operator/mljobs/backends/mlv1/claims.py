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
        sum(_accelerators(given, role) for role in ROLES) * _trials(given),
    )


def _types(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    tier = given.get("scaleTier") or "BASIC"
    if tier != CUSTOM:
        yield "spec.trainingInput.scaleTier", str(tier)
    for role in ROLES:
        if given.get(f"{role}Type"):
            yield f"spec.trainingInput.{role}Type", str(given[f"{role}Type"])


def _accelerators(given: Mapping[str, Any], role: str) -> int:
    config = (given.get(f"{role}Config") or {}).get("acceleratorConfig") or {}
    machines = 1 if role == "master" else int(given.get(f"{role}Count") or 0)
    return int(config.get("count") or 0) * machines


def _trials(given: Mapping[str, Any]) -> int:
    return int((given.get("hyperparameters") or {}).get("maxParallelTrials") or 1)
