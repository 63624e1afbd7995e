"""Converts a job's output for a status: known fields only, explicit zeros, trials best first, bounded.

Total: whatever the service sends, the result can be stored.
"""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError

from mljobs.api.base import JsonObject, Observed
from mljobs.api.crd import structural
from mljobs.api.resources import KINDS, TRIALS_LIMIT
from mljobs.domain.spec.defaults import with_defaults

TRIALS_BYTES = 36 * 1024
"""The size limit of all trials of a status as JSON; the status as a whole stays under 64 KiB."""

MAP_BYTES = 4 * 1024
"""The size limit of a map that the service fills (`webAccessUris`, a trial's `hyperparameters`)."""

MESSAGE_LIMIT = 4096
"""Characters of a text of the service, such as an error message."""


def readable(model: type[Observed], raw: Mapping[str, Any]) -> JsonObject:
    """Keep the fields of a JSON object that are valid in the model; the others are left out."""
    data: Any = raw
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(data).document()
        except ValidationError as error:
            places = sorted(
                {row["loc"] for row in error.errors(include_url=False, include_input=False)}, key=_depth
            )
            for place in places:
                data = _without(data, place)
    return {}


_ROUNDS = 8


def job_output(kind: str, raw: Mapping[str, Any], goal: str, *, complete: bool = False) -> JsonObject:
    """The `trainingOutput` or `predictionOutput` of a status.

    Args:
        kind: of the resource.
        raw: the field of the job with the same name.
        goal: `MAXIMIZE` or `MINIMIZE`, for the order of trials.
        complete: whether a number that is absent is not known, and no zero that JSON leaves out.
    """
    model = KINDS[kind].output
    # before validation: an invalid value, such as NaN, is not a zero
    output = readable(model, raw if complete else with_defaults(_schema(model), raw))
    if not output.get("isHyperparameterTuningJob") and output.get("completedTrialCount") == "0":
        del output["completedTrialCount"]  # "only set for hyperparameter tuning jobs" (discovery document)
    if "webAccessUris" in output:
        output["webAccessUris"] = _bounded_map(output["webAccessUris"])
    trials = output.pop("trials", None)
    if trials:
        output.update(_trials(trials, goal))
    return output


@cache
def _schema(model: type[Observed]) -> JsonObject:
    return structural(model)


def bounded_text(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """A text of at most `limit` characters, truncated if it is longer."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _trials(trials: Sequence[JsonObject], goal: str) -> JsonObject:
    ordered = [_bounded_trial(trial) for trial in sorted(trials, key=lambda trial: _rank(trial, goal))]
    best = ordered[0] if _objective(ordered[0]) is not None else None
    room = TRIALS_BYTES - (_size(best) if best else 0)
    kept: list[JsonObject] = []
    for trial in ordered[:TRIALS_LIMIT]:
        room -= _size(trial) + 1
        if room < 0:
            break
        kept.append(trial)
    result: JsonObject = {"trials": kept} if kept else {}
    if best:
        result["bestTrial"] = best
    if len(kept) < len(ordered):
        result["trialsTruncated"] = len(ordered) - len(kept)
    return result


def _rank(trial: JsonObject, goal: str) -> tuple[bool, float, int, str]:
    """The sort key, best first: trials without a metric last, equal ones by number."""
    objective = _objective(trial)
    number = str(trial.get("trialId", ""))
    order = int(number) if number.isascii() and number.isdigit() else 0
    if objective is None:
        return (True, 0.0, order, number)
    return (False, objective if goal == "MINIMIZE" else -objective, order, number)


def _objective(trial: JsonObject) -> float | None:
    value = (trial.get("finalMetric") or {}).get("objectiveValue")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _bounded_trial(trial: JsonObject) -> JsonObject:
    trial = {key: _bounded_map(value) if key in _MAPS else value for key, value in trial.items()}
    if _size(trial.get("allMetrics", [])) > MAP_BYTES:
        del trial["allMetrics"]
    return trial


_MAPS = frozenset({"hyperparameters", "webAccessUris"})


def _bounded_map(entries: Mapping[str, str]) -> JsonObject:
    kept: JsonObject = {}
    room = MAP_BYTES
    for key in sorted(entries):
        room -= _size({key: entries[key]})
        if room < 0:
            break
        kept[key] = entries[key]
    return kept


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _depth(place: tuple[int | str, ...]) -> tuple[int, list[int]]:
    """The sort key: inner places first, later list items before earlier ones, so that indexes stay valid."""
    return (-len(place), [-part for part in place if isinstance(part, int)])


def _without(data: Any, place: tuple[int | str, ...]) -> Any:
    """A copy of JSON data without one member, or without its closest existing parent."""
    if not place:
        return {}
    head, rest = place[0], place[1:]
    if isinstance(data, Mapping) and head in data:
        inner = _without(data[head], rest) if rest and _inside(data[head], rest[0]) else None
        return {
            key: inner if key == head else value
            for key, value in data.items()
            if key != head or inner is not None
        }
    if isinstance(data, list | tuple) and isinstance(head, int) and head < len(data):
        inner = _without(data[head], rest) if rest and _inside(data[head], rest[0]) else None
        return [*data[:head], *([] if inner is None else [inner]), *data[head + 1 :]]
    return {}


def _inside(data: Any, key: int | str) -> bool:
    if isinstance(data, Mapping):
        return key in data
    return isinstance(data, list | tuple) and isinstance(key, int) and key < len(data)


def goal_of(spec: Mapping[str, Any]) -> str:
    """Whether a search's metric is to become large or small: a word of `goal`, empty where nothing says it.

    Args:
        spec: in any state; its block for Vertex AI is laid over its input.
    """
    places = (("vertex", "studySpec", "metrics", 0, "goal"), ("trainingInput", "hyperparameters", "goal"))
    found = (_at(spec, place) for place in places)
    return next((goal for goal in found if isinstance(goal, str) and goal), "")


def _at(node: Any, place: Sequence[str | int]) -> Any:
    for key in place:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return None
    return node
