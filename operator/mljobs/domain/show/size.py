"""Truncates a status that is too large: the least informative parts first, and the record never.

The steps build on each other. Those whose outcome is read back from the status come first, so that equal
knowledge yields an equal status.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.domain.show.outputs import bounded_text
from mljobs.domain.spec.sizes import STATUS_BYTES, stored_bytes

_OUTPUTS = ("trainingOutput", "predictionOutput")
_FEW_ATTEMPTS = 5
_SHORT, _SHORTEST = 512, 128
"""Characters of a text."""


def fitted(status: JsonObject) -> JsonObject:
    """The status, or the first of its smaller forms whose stored size is within the limit."""
    for form in _forms(status):
        if stored_bytes(form) <= STATUS_BYTES:
            return form
    return barest(status)


def barest(status: JsonObject) -> JsonObject:
    """The smallest form: the record, the state, and conditions with short messages."""
    *_, last = _forms(status)
    return last


def _forms(status: JsonObject) -> Iterator[JsonObject]:
    """The status, then smaller and smaller forms of it, which most statuses never need."""
    yield status
    steps: list[Callable[[JsonObject], JsonObject]] = [
        _with_short_attempts,
        _with_few_attempts,
        *[_with_half_the_trials] * 8,
        _with_the_best_trial_alone,
        lambda form: _with_short_texts(form, _SHORT),
        _with_scalar_outputs,
        lambda form: _without(form, "attempts", "labels"),
        lambda form: _with_short_texts(form, _SHORTEST),
        lambda form: _without(form, *_OUTPUTS, "consoleUrl", "logsUrl"),
    ]
    for step in steps:
        status = step(status)
        yield status


def _without(form: JsonObject, *keys: str) -> JsonObject:
    return {key: value for key, value in form.items() if key not in keys}


def _with_short_attempts(form: JsonObject) -> JsonObject:
    """Each earlier attempt without its error message, which is its largest part."""
    return _changed(form, "attempts", lambda rows: [_without(row, "errorMessage") for row in rows])


def _with_few_attempts(form: JsonObject) -> JsonObject:
    return _changed(form, "attempts", lambda rows: rows[-_FEW_ATTEMPTS:])


def _with_half_the_trials(form: JsonObject) -> JsonObject:
    return _changed(form, "trainingOutput", lambda output: _fewer(output, len(output.get("trials", ())) // 2))


def _with_the_best_trial_alone(form: JsonObject) -> JsonObject:
    return _changed(form, "trainingOutput", lambda output: _fewer(output, 0))


def _fewer(output: JsonObject, number: int) -> JsonObject:
    trials = output.get("trials", [])
    if len(trials) <= number:
        return output
    truncated = int(output.get("trialsTruncated", 0)) + len(trials) - number
    rest = {**_without(output, "trials"), "trialsTruncated": truncated}
    return {**rest, "trials": trials[:number]} if number else rest


def _with_scalar_outputs(form: JsonObject) -> JsonObject:
    for key in _OUTPUTS:
        form = _changed(form, key, _scalars)
    return form


def _scalars(output: Mapping[str, Any]) -> JsonObject:
    return {key: value for key, value in output.items() if not isinstance(value, dict | list)}


def _with_short_texts(form: JsonObject, limit: int) -> JsonObject:
    form = _changed(form, "errorMessage", lambda text: bounded_text(text, limit))
    return _changed(
        form,
        "conditions",
        lambda rows: [{**row, "message": bounded_text(row["message"], limit)} for row in rows],
    )


def _changed(form: JsonObject, key: str, change: Callable[[Any], Any]) -> JsonObject:
    return {**form, key: change(form[key])} if key in form else form
