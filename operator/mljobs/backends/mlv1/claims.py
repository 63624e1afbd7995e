"""What a job would use on AI Platform: what its input says, in the service's words."""

from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.domain.port import Claims

ROLES = ("master", "worker", "parameterServer", "evaluator")
CUSTOM = "CUSTOM"

BUILT_IN = {
    "BASIC_GPU": 1,
    "BASIC_TPU": 8,
    "standard_gpu": 1,
    "complex_model_m_gpu": 4,
    "complex_model_l_gpu": 8,
    "standard_p100": 1,
    "complex_model_m_p100": 4,
    "standard_v100": 1,
    "large_model_v100": 1,
    "complex_model_m_v100": 4,
    "complex_model_l_v100": 8,
    "cloud_tpu": 8,
}
"""Accelerators that a scale tier or a legacy machine type brings along (documentation of machine types); a
cloud_tpu without a count has the 8 cores of a TPU device."""


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
    tier = given.get("scaleTier") or "BASIC"
    if tier != CUSTOM:
        return BUILT_IN.get(str(tier), 0) if role == "master" else 0
    config = (given.get(f"{role}Config") or {}).get("acceleratorConfig") or {}
    machines = 1 if role == "master" else int(given.get(f"{role}Count") or 0)
    own = int(config.get("count") or 0) or BUILT_IN.get(str(given.get(f"{role}Type")), 0)
    return own * machines


def _trials(given: Mapping[str, Any]) -> int:
    return int((given.get("hyperparameters") or {}).get("maxParallelTrials") or 1)
