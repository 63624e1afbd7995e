"""Holds what translation and overlay made together against the rules of `spec.vertex`, before any call."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mljobs.backends.vertex.translate.notes import Notes
from mljobs.backends.vertex.translate.pools import CUSTOM, POOLS
from mljobs.domain.spec.problems import MISSING, Problem, Severity, Source
from mljobs.domain.spec.rules.machines import CLOUD_TPU, ROLES
from mljobs.domain.spec.rules.rule import Nodes
from mljobs.domain.spec.rules.terms import get
from mljobs.domain.spec.rules.vertex import batch, jobs, machines, study

Json = Mapping[str, Any]

RULES = (*jobs.RULES, *machines.RULES, *study.RULES, *batch.RULES)

BETTER_SAID = frozenset({"pool-program"})
"""Rules that are told below in other words."""

ARGUMENT_CHARACTERS = 100_000
"""Characters that all arguments of a job may have together (documentation of quotas)."""

_POOL = re.compile(r"spec\.vertex\.jobSpec\.workerPoolSpecs\[(\d+)\]\.(machineSpec|diskSpec)\b(.*)")
_STUDY = re.compile(r"spec\.vertex\.studySpec\.(metrics|parameters)\[(\d+)\](.*)")

_PARAMETER_FIELDS = {
    ".parameterId": ".parameterName",
    ".discreteValueSpec.values": ".discreteValues",
    ".scaleType": ".scaleType",
}


def check(kind: str, spec: Json, block: Json, notes: Notes) -> None:
    """Note what is wrong with a job that was made; what is wrong with the block alone has been told before.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        spec: that it was made from.
        block: what was made, in the shape of `spec.vertex`.
        notes: takes what is refused.
    """
    told = {(problem.id, problem.path) for problem in _broken(kind, spec.get("vertex") or {})}
    for problem in _broken(kind, block):
        if (problem.id, problem.path) not in told:
            notes.add(_placed(problem, spec))
    pools = (block.get("jobSpec") or {}).get("workerPoolSpecs") or ()
    for number, pool in enumerate(pools):
        _check_program(pool, f"{POOLS}[{number}]", notes)
    length = sum(map(len, _arguments(pools)))
    if length > ARGUMENT_CHARACTERS:
        rule = f"all arguments of a job together have at most {ARGUMENT_CHARACTERS} characters on Vertex AI"
        path = "trainingInput.args" if spec.get("trainingInput") is not None else POOLS
        notes.refused("vertex-args-length", path, length, rule)


def _broken(kind: str, block: Json) -> Iterator[Problem]:
    nodes = Nodes({"vertex": block})
    for rule in RULES:
        if rule.severity is Severity.ERROR and kind in rule.kinds and rule.id not in BETTER_SAID:
            yield from rule.problems(nodes)


def _check_program(pool: Json, path: str, notes: Notes) -> None:
    if "containerSpec" in pool and "pythonPackageSpec" in pool:
        notes.refused(
            "vertex-program",
            f"{path}.containerSpec",
            pool["containerSpec"],
            "the pool runs a Python package; a container needs its imageUri here, and env of the package "
            "goes into pythonPackageSpec",
            Source.DISCOVERY,
        )


def _arguments(pools: Sequence[Json]) -> list[str]:
    programs = [pool.get(name) or {} for pool in pools for name in ("containerSpec", "pythonPackageSpec")]
    return [argument for program in programs for argument in program.get("args") or ()]


# --- where the author has written it


def _placed(problem: Problem, spec: Json) -> Problem:
    """Blame the legacy field, unless the block itself has what is blamed."""
    training, block = spec.get("trainingInput"), spec.get("vertex") or {}
    if training is None:
        return problem
    study_given = block.get("studySpec") or {}
    path = ""
    if match := _POOL.fullmatch(problem.path):
        given = _at((block.get("jobSpec") or {}).get("workerPoolSpecs") or (), int(match[1]))
        if match[2] not in given:
            path = _of_pool(training, int(match[1]), match[2], match[3])
    elif (match := _STUDY.fullmatch(problem.path)) and match[1] not in study_given:
        path = _of_study(match[1], match[2], match[3])
    if not path:
        return problem
    return replace(problem, path=f"spec.{path}", value=_found(spec, path))


def _of_pool(training: Json, number: int, part: str, rest: str) -> str:
    """Where a pool's machine or disk comes from: the role's configuration, its type or the scale tier."""
    role = ROLES[number]
    if number == 0:  # a TPU is the only pool, whatever its role was
        role = next((role for role in ROLES if training.get(role.type) == CLOUD_TPU), role)
    config = training.get(role.config) or {}
    if part == "diskSpec":
        return f"trainingInput.{role.config}.diskConfig{rest}"
    if config.get("acceleratorConfig"):
        return f"trainingInput.{role.config}.acceleratorConfig"
    return f"trainingInput.{role.type if training.get('scaleTier') == CUSTOM else 'scaleTier'}"


def _of_study(part: str, number: str, rest: str) -> str:
    search = "trainingInput.hyperparameters"
    if part == "metrics":
        return f"{search}.hyperparameterMetricTag"
    field, _, index = rest.partition("[")
    legacy = _PARAMETER_FIELDS.get(field, "")
    return f"{search}.params[{number}]{legacy}" + (f"[{index}" if index and legacy else "")


def _found(spec: Json, path: str) -> Any:
    node: Any = spec
    for key in path.replace("]", "").replace("[", ".").split("."):
        if key.isdecimal() and isinstance(node, list | tuple):
            node = node[int(key)] if int(key) < len(node) else MISSING
        else:
            node = get(node, key)
    return node


def _at(items: Sequence[Json], index: int) -> Json:
    return items[index] if index < len(items) else {}
