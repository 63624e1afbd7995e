"""Argo CD's health check, run in the version of Lua that Argo CD has, without the libraries that it lacks."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaRuntime  # type: ignore[import-untyped]

from mljobs.domain.spec.validate import validate
from tests.unit.gitops.states import CONDITIONS, FRESH, WIPED, Shown, every, named, unseen

FOLDER = Path(__file__).parents[3] / "deploy" / "gitops" / "argocd"
SCRIPT = (FOLDER / "health.lua").read_text("utf-8")
WORDS = {"Healthy", "Progressing", "Degraded", "Suspended"}
"""The words that Argo CD knows, but for Missing and Unknown."""


def health(body: dict[str, Any]) -> tuple[str, str]:
    """Run the check on an object: status and message."""
    lua = LuaRuntime(unpack_returned_tuples=True, register_eval=False)
    for library in ("io", "os", "debug", "math", "coroutine", "string", "python"):
        lua.execute(f"{library} = nil")
    lua.globals()["obj"] = lua.table_from(copy.deepcopy(body), recursive=True)
    found = lua.execute(SCRIPT)
    assert set(found) == {"status", "message"}, dict(found)
    return str(found["status"]), str(found["message"])


def waiting(shown: Shown) -> dict[str, Any]:
    """The same resource with the annotation that makes its health the outcome."""
    body = copy.deepcopy(shown.body)
    body["metadata"]["annotations"] = {"mljobs.dev/argocd-health": "outcome"}
    return body


EXPECTED = {
    "accepted": "Healthy",
    "adopted": "Healthy",
    "running": "Healthy",
    "succeeded": "Healthy",
    "failed": "Degraded",
    "cancelled": "Degraded",
    "ended-by-its-deadline": "Degraded",
    "not-started-in-time": "Degraded",
    "failed-while-its-deadline-ended-it": "Degraded",
    "retries-exhausted": "Degraded",
    "no-time-for-another": "Degraded",
    "deadline-exceeded": "Progressing",
    "deadline-exceeded-and-ending": "Progressing",
    "not-started-in-time-and-ending": "Progressing",
    "retrying": "Progressing",
    "retrying-uncounted": "Progressing",
    "placement-refused": "Progressing",
    "placement-refused-again": "Progressing",
    "placement-round-waits": "Progressing",
    "placement-failed": "Progressing",
    "placement-all-refused": "Degraded",
    "placement-failed-in-the-last": "Degraded",
    "placement-not-started-in-the-last": "Degraded",
    "lost": "Degraded",
    "taken-by-another-resource": "Degraded",
    "missing-for-a-while": "Healthy",
    "found-again": "Healthy",
    "found-again-and-at-its-end": "Healthy",
    "missing-while-it-is-deleted": "Progressing",
    "reading-denied": "Degraded",
    "reading-fails-for-a-while": "Healthy",
    "outcome-unknown": "Progressing",
    "throttled": "Progressing",
    "denied": "Degraded",
    "no-such-project": "Degraded",
    "rejected": "Degraded",
    "no-job-class": "Degraded",
    "class-does-not-allow": "Degraded",
    "failed-for-lack-of-machines": "Degraded",
    "invalid": "Degraded",
    "invalid-labels-on-a-running-job": "Degraded",
    "held-back": "Suspended",
    "suspending": "Progressing",
    "suspended": "Suspended",
    "a-cancel-was-denied": "Degraded",
    "cancel-unanswered": "Progressing",
    "resuming": "Progressing",
    "released": "Progressing",
    "labels-contested": "Progressing",
    "no-capacity": "Progressing",
    "waits-for-its-turn": "Progressing",
    "translated-exactly": "Healthy",
    "translated-with-losses": "Healthy",
    "succeeded-in-part": "Healthy",
    "nothing-to-adopt": "Degraded",
    "adoption-not-allowed": "Degraded",
    "id-in-use": "Degraded",
}


def test_the_table_has_every_case() -> None:
    assert set(EXPECTED) == set(CONDITIONS)


@pytest.mark.parametrize("case", EXPECTED)
def test_health(case: str) -> None:
    assert health(named(case).body)[0] == EXPECTED[case]


RUNNING = (
    "accepted",
    "adopted",
    "running",
    "reading-fails-for-a-while",
    "missing-for-a-while",
    "found-again",
    "translated-exactly",
    "translated-with-losses",
)


@pytest.mark.parametrize("case", EXPECTED)
def test_the_annotation_holds_a_running_job_back_and_changes_nothing_else(case: str) -> None:
    expected = "Progressing" if case in RUNNING else EXPECTED[case]
    assert health(waiting(named(case)))[0] == expected


@pytest.mark.parametrize("shown", [FRESH, WIPED], ids=lambda shown: shown.name)
def test_what_nobody_has_looked_at_is_in_progress(shown: Shown) -> None:
    assert health(shown.body)[0] == "Progressing"


def test_in_every_state_the_word_follows_from_the_conditions() -> None:
    found = every()
    assert len(found) > 60
    for shown in found:
        word, message = health(shown.body)
        assert word in WORDS, shown
        assert message, shown
        broken = shown.says("Stalled", "True") or shown.says("Succeeded", "False")
        assert (word == "Degraded") == broken, shown
        if shown.says("Succeeded", "True"):
            assert word == "Healthy", shown
        if word == "Healthy":
            assert shown.says("Submitted", "True"), shown
        if word == "Suspended":
            assert shown.says("Suspended", "True"), shown
            assert shown.says("Reconciling", "False"), shown
        assert (health(waiting(shown))[0] == "Healthy") == (shown.says("Succeeded", "True") and not broken), (
            shown
        )


def test_in_every_state_a_changed_spec_is_in_progress() -> None:
    for shown in every():
        assert health(unseen(shown).body)[0] == "Progressing", shown


def test_the_message_says_why() -> None:
    word, message = health(named("rejected").body)
    assert word == "Degraded"
    assert message.startswith("Rejected: The service refused the job: There is no such region.")
    assert health(named("running").body)[1] == "The service has accepted the job, which is RUNNING"


def test_the_next_wave_waits_for_the_outcome_of_the_one_before() -> None:
    first, second = yaml.safe_load_all((FOLDER / "sync-waves.yaml").read_text("utf-8"))
    for manifest in (first, second):
        assert validate(manifest["kind"], manifest["spec"]).problems == ()
    waves = [int(one["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]) for one in (first, second)]
    assert waves == sorted(set(waves))
    running = copy.deepcopy(named("running").body)
    running["metadata"]["annotations"] = first["metadata"]["annotations"]
    assert health(running)[0] == "Progressing"


def test_the_config_map_carries_the_script_for_both_kinds() -> None:
    patch = yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text("utf-8"))
    assert (patch["kind"], patch["metadata"]["name"]) == ("ConfigMap", "argocd-cm")
    assert patch["data"] == {
        f"resource.customizations.health.mljobs.dev_{kind}": SCRIPT
        for kind in ("TrainingJob", "PredictionJob")
    }
