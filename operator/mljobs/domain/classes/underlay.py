"""What a class lays under a spec: it counts where the spec says nothing."""

from collections.abc import Mapping
from typing import Any

from mljobs.domain.classes.job_class import Underlay

Spec = Mapping[str, Any]


def lay_under(kind: str, spec: Spec, underlay: Underlay, *, translates: bool) -> Spec:
    """Complete a spec by the class's defaults.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: unchecked; what is of a wrong type stays as it is.
        underlay: the defaults.
        translates: whether the service is Vertex AI, whose batch predictions can have an account.

    Returns:
        The spec itself if nothing is added.
    """
    added: dict[str, Any] = {}
    labels = spec.get("labels")
    if underlay.labels and isinstance(labels, Mapping | None):
        added["labels"] = {**underlay.labels, **(labels or {})}
    if underlay.deletion_policy and spec.get("deletionPolicy") is None:
        added["deletionPolicy"] = underlay.deletion_policy.value
    added |= {name: value for name, value in underlay.seconds.items() if spec.get(name) is None}
    if kind == "TrainingJob":
        added |= _training(spec, {"network": underlay.network, "serviceAccount": underlay.account})
    elif translates and underlay.account:
        added |= _prediction(spec, underlay.account)
    return {**spec, **added} if added else spec


def _training(spec: Spec, wanted: Mapping[str, str]) -> dict[str, Any]:
    vertex = _mapping(spec, "vertex")
    block = _mapping(vertex, "jobSpec") if vertex is not None else None
    given = _mapping(spec, "trainingInput")
    missing = {
        name: value
        for name, value in wanted.items()
        if value and not (given or {}).get(name) and not (block or {}).get(name)
    }
    if not missing:
        return {}
    if given is not None:
        return {"trainingInput": {**given, **missing}}
    if block is not None and "trainingInput" not in spec:  # the block is the whole job
        return {"vertex": {**(vertex or {}), "jobSpec": {**block, **missing}}}
    return {}


def _prediction(spec: Spec, account: str) -> dict[str, Any]:
    vertex = _mapping(spec, "vertex") if "vertex" in spec else {}
    if vertex is None:
        return {}
    block = _mapping(vertex, "batchPredictionJob") if "batchPredictionJob" in vertex else {}
    if block is None or block.get("serviceAccount"):
        return {}
    if "predictionInput" not in spec and "batchPredictionJob" not in vertex:
        return {}
    return {"vertex": {**vertex, "batchPredictionJob": {**block, "serviceAccount": account}}}


def _mapping(spec: Spec, name: str) -> Spec | None:
    value = spec.get(name)
    return value if isinstance(value, Mapping) else None
