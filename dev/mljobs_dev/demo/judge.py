"""Evaluates the state of the cluster and the ledger for the demo: pure functions, without any I/O."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mljobs.api.outputs import TERMINAL_STATES
from mljobs_dev.demo.acts import DELETED, Act
from mljobs_dev.demo.table import Row
from mljobs_dev.stack.emulator_control import CANCEL, CREATE, verb

Json = Mapping[str, Any]


class DemoError(Exception):
    """The demo did not go as it should; the message is the reason."""


def row(act: Act, body: Json | None, *, deleted: bool) -> Row:
    """Show one resource.

    Args:
        act: its story.
        body: the object from the API server; None if there is none.
        deleted: whether the demo has asked for its deletion.

    Raises:
        DemoError: it cannot come to the end that it should any more.
    """
    if body is None:
        if not deleted:
            raise DemoError(f"{act.name} is gone although nobody has deleted it")
        return Row(act.name, act.shows, DELETED, "the resource is gone", done=True)
    kind, status = str(body["kind"]), body.get("status") or {}
    state = str(status.get("state") or "")
    stalled = _condition(status, "Stalled")
    if stalled.get("status") == "True":
        raise DemoError(f"{kind} {act.name} cannot go on: {stalled.get('reason')}: {stalled.get('message')}")
    if state in TERMINAL_STATES and state != act.end:
        raise DemoError(
            f"{kind} {act.name} should end as {act.end}, and its job is {state}: "
            f"{status.get('errorMessage') or 'without an error message'}"
        )
    detail = "kubectl delete; cancelling" if deleted else _detail(body, status)
    return Row(act.name, act.shows, state or "–", detail, done=state == act.end)


def _condition(status: Json, kind: str) -> Json:
    found = (one for one in status.get("conditions") or () if one.get("type") == kind)
    return next(found, {})


def _detail(body: Json, status: Json) -> str:
    if status.get("errorMessage"):
        return str(status["errorMessage"])
    predictions = status.get("predictionOutput", {}).get("predictionCount", "0")
    if predictions != "0":
        return f"{predictions} predictions"
    output = status.get("trainingOutput") or {}
    if not output.get("trials"):
        return str(status.get("jobId") or "waiting for the operator")
    wanted = body["spec"]["trainingInput"]["hyperparameters"].get("maxTrials", 1)
    text = f"{output.get('completedTrialCount', 0)}/{wanted} trials"
    best = output.get("bestTrial") or {}
    metric = best.get("finalMetric", {}).get("objectiveValue")
    return text if metric is None else f"{text}, the best is trial {best.get('trialId')} with {metric:g}"


def judge_ledger(acts: Sequence[Act], jobs: Mapping[str, str], effects: Iterable[Json]) -> None:
    """Judge what the service was asked to do.

    Args:
        acts: all acts.
        jobs: the last part of each act's job name.
        effects: the ledger's rows.

    Raises:
        DemoError: a job was not created exactly once, or not cancelled as often as it should.
    """
    rows = list(effects)
    for act in acts:
        job = jobs[act.name]
        for method, wanted in ((CREATE, 1), (CANCEL, 1 if act.end == DELETED else 0)):
            found = sum(verb(row["method"]) == method and row["jobId"] == job for row in rows)
            if found != wanted:
                raise DemoError(f"the ledger has {found} calls of {method} for {job}, and not {wanted}")


def excerpt(description: str) -> list[str]:
    """The lines of `kubectl describe` that show how a job ended: names, error message, state, and events.

    Args:
        description: all of the command's output.
    """
    lines = description.splitlines()
    events = next((index for index, line in enumerate(lines) if line.startswith("Events:")), len(lines))
    wanted = re.compile(r"(  )?(Name|Kind|Error Message|Job Name|State): ")
    shown = [line for line in lines[:events] if wanted.match(line)]
    return [line.rstrip() for line in (*shown, *lines[events:])]
