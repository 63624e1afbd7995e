"""A search for hyperparameters as a study."""

from collections.abc import Mapping
from typing import Any

from mljobs.backends.vertex.translate.notes import Notes
from mljobs.domain.spec.problems import Source

Json = dict[str, Any]

SEARCH = "trainingInput.hyperparameters"

METRIC = "training/hptuning/metric"
"""What `ml` v1 optimises where no metric is named."""


def study(search: Mapping[str, Any], notes: Notes) -> Json:
    """Make the `studySpec` of a HyperparameterSpec."""
    if search.get("resumePreviousJobId"):
        notes.field(f"{SEARCH}.resumePreviousJobId", search["resumePreviousJobId"])
    metric = search.get("hyperparameterMetricTag") or METRIC
    goal = "MINIMIZE" if search.get("goal") == "MINIMIZE" else "MAXIMIZE"
    made: Json = {
        "metrics": [{"metricId": metric, "goal": goal}],
        "parameters": [_parameter(param) for param in search.get("params") or ()],
    }
    if search.get("algorithm") not in (None, "", "ALGORITHM_UNSPECIFIED"):
        made["algorithm"] = search["algorithm"]
    if search.get("enableTrialEarlyStopping"):
        notes.changed(
            "vertex-early-stopping",
            f"{SEARCH}.enableTrialEarlyStopping",
            True,
            "it becomes the median stopping rule, which may end other trials than ml v1 did",
            Source.OPERATOR,
        )
        made["medianAutomatedStoppingSpec"] = {}
    return made


def counts(search: Mapping[str, Any]) -> Json:
    """How many trials a tuning job has; both services' default is one, which Vertex AI wants written."""
    made: Json = {
        "maxTrialCount": search.get("maxTrials") or 1,
        "parallelTrialCount": search.get("maxParallelTrials") or 1,
    }
    if search.get("maxFailedTrials"):
        made["maxFailedTrialCount"] = search["maxFailedTrials"]
    return made


def _parameter(param: Mapping[str, Any]) -> Json:
    made: Json = {"parameterId": str(param.get("parameterName") or "")}
    match param.get("type"):
        case "DOUBLE":
            made["doubleValueSpec"] = {key: param.get(key, 0) for key in ("minValue", "maxValue")}
        case "INTEGER":
            made["integerValueSpec"] = {key: str(int(param.get(key, 0))) for key in ("minValue", "maxValue")}
        case "CATEGORICAL":
            made["categoricalValueSpec"] = {"values": list(param.get("categoricalValues") or ())}
        case "DISCRETE":
            made["discreteValueSpec"] = {"values": list(param.get("discreteValues") or ())}
    if param.get("scaleType") not in (None, "", "NONE"):
        made["scaleType"] = param["scaleType"]
    return made
