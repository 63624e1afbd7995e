"""What a job's program may be told of its resource: `$(MLJOBS_ATTEMPT)` and the like in a spec.

The notation is that of a container's `args` in Kubernetes: `$(NAME)` stands for a value, `$$(NAME)` for that
very text. Only these names are known; every other text stays as it is, so that scripts keep their `$(…)`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.domain.port import Owner

NAMES = ("MLJOBS_ATTEMPT", "MLJOBS_NAME", "MLJOBS_NAMESPACE", "MLJOBS_UID")
"""The variables."""

_REPLICAS = ("masterConfig", "workerConfig", "parameterServerConfig", "evaluatorConfig")
_POOL = "vertex.jobSpec.workerPoolSpecs[]"
_SERVED = "vertex.batchPredictionJob.unmanagedContainerModel.containerSpec"

PATHS = (
    "trainingInput.args[]",
    "trainingInput.jobDir",
    *(
        f"trainingInput.{config}.{field}[]"
        for config in _REPLICAS
        for field in ("containerArgs", "containerCommand")
    ),
    "predictionInput.outputPath",
    *(f"{_POOL}.containerSpec.{field}" for field in ("args[]", "command[]", "env[].value")),
    *(f"{_POOL}.pythonPackageSpec.{field}" for field in ("args[]", "env[].value")),
    "vertex.jobSpec.baseOutputDirectory.outputUriPrefix",
    *(f"{_SERVED}.{field}" for field in ("args[]", "command[]", "env[].value")),
    "vertex.batchPredictionJob.outputConfig.gcsDestination.outputUriPrefix",
)
"""Where they are replaced: below `spec`, with `[]` for each item of a list."""

_STEPS = tuple(
    tuple((field.removesuffix("[]"), field.endswith("[]")) for field in path.split(".")) for path in PATHS
)
"""The paths step by step: a name, and whether each item of its list is meant."""

_MARK = "$("
_VARIABLE = re.compile(rf"(\$?)\$\(({'|'.join(NAMES)})\)")


def expanded(document: Mapping[str, Any], owner: Owner, attempt: int) -> dict[str, Any]:
    """The spec of an attempt's job.

    Args:
        document: the validated spec in canonical JSON.
        owner: of the job.
        attempt: counted from 1.
    """
    values = dict(zip(NAMES, (str(attempt), owner.name, owner.namespace, owner.uid), strict=True))
    made: Any = document
    for steps in _STEPS:
        if steps[0][0] in document:
            made = _replaced(made, steps, values)
    return dict(made)


def _replaced(node: Any, steps: Sequence[tuple[str, bool]], values: Mapping[str, str]) -> Any:
    """The same with the texts at a path replaced; what is not there stays away, and the same stays itself."""
    if not steps:
        if not isinstance(node, str) or _MARK not in node:
            return node
        return _VARIABLE.sub(lambda found: _value(found, values), node)
    (name, many), *rest = steps
    before = node.get(name) if isinstance(node, Mapping) else None
    if before is None:
        return node
    if not many:
        after = _replaced(before, rest, values)
    elif isinstance(before, list | tuple):
        after = [_replaced(item, rest, values) for item in before]
        if all(new is old for new, old in zip(after, before, strict=True)):
            return node
    else:
        return node
    return node if after is before else {**node, name: after}


def _value(found: re.Match[str], values: Mapping[str, str]) -> str:
    return found[0][1:] if found[1] else values[found[2]]
