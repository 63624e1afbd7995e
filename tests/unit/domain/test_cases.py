"""Each case of decide and project is as its two files say; see `cases/README.md`."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from mljobs.api.resources import KINDS
from mljobs.domain.decide import decide, polled
from mljobs.domain.decide.decisions import AT_ONCE, Decision, Move, Record, Settled, Stall, Submit
from mljobs.domain.decide.intents import foreseen
from mljobs.domain.job import naming
from mljobs.domain.job.resource import FINALIZER, SUBMISSION
from mljobs.domain.reasons import Reason
from mljobs.domain.show.events import transitions
from mljobs.domain.show.project import project
from tests.unit.domain.cases import reading
from tests.unit.domain.cases.__main__ import main
from tests.unit.domain.cases.following import PROJECT, decided, difference, status
from tests.unit.domain.cases.reading import FOLDER, case, load, names, read, rule_of

NAMES = names()
SHOWN = [name for name in NAMES if name.startswith(PROJECT)]
WITHOUT_CONDITION = {Reason.LEFT_BEHIND, Reason.EXTRA_JOB, Reason.SPEC_WARNING, Reason.NOT_STORED}
"""Reasons of Events that the controller posts by itself."""

OF_SCHEDULES = {
    Reason.NOT_DUE,
    Reason.RUN_ACTIVE,
    Reason.REPLACING,
    Reason.NOT_CREATED,
    Reason.NAME_TAKEN,
    Reason.RUN_STARTED,
    Reason.RUN_REPLACED,
    Reason.RUN_MISSED,
}
"""Reasons that no job has; they have cases of their own."""


@pytest.mark.parametrize("name", NAMES)
def test_what_follows(name: str) -> None:
    found = difference(case(name))
    assert not found, f"{case(name).rule}\n{found}To review: python -m tests.unit.domain.cases --write {name}"


def test_every_file_is_one_of_a_pair() -> None:
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.y*ml")}
    assert files == {f"{name}.{which}.yaml" for name in NAMES for which in ("in", "out")}


@pytest.mark.parametrize("which", ["in", "out"])
def test_every_file_begins_with_the_rule_in_a_sentence(which: str) -> None:
    for name in NAMES:
        rule = rule_of(FOLDER / f"{name}.{which}.yaml")
        assert rule == case(name).rule
        assert rule.endswith("."), name
        assert rule[0].isupper(), name


def test_no_two_cases_show_the_same_rule() -> None:
    assert len({case(name).rule for name in NAMES}) == len(NAMES)


def answers() -> Iterator[dict[str, Any]]:
    for name in NAMES:
        yield load(case(name).answer.read_text("utf-8"))


def test_every_answer_has_a_case() -> None:
    kinds = {kind.__name__ for kind in get_args(Decision)}
    assert kinds == {document["next"] for document in answers()}


def test_every_reason_is_shown_in_a_case() -> None:
    rows = [row for document in answers() for row in document.get("status", {}).get("conditions", ())]
    assert {row["reason"] for row in rows} == {
        reason.value for reason in {*Reason} - WITHOUT_CONDITION - OF_SCHEDULES
    }


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_asked_again_at_a_time_that_has_passed(name: str) -> None:
    again = decided(case(name)).again
    assert again is None or again == AT_ONCE or again > case(name).now


@pytest.mark.parametrize("name", NAMES)
def test_the_poller_watches_the_job_of_the_resource(name: str) -> None:
    one = case(name)
    watched = polled(one.resource, one.known)
    if watched:
        assert watched.target == one.resource.target
        assert watched.reference == (one.known.job.reference if one.known.job else watched.target.reference)


@pytest.mark.parametrize("name", SHOWN)
def test_a_status_fits_the_model_and_is_stable(name: str) -> None:
    one, shown, later = case(name), status(case(name)), case(name).now + timedelta(seconds=1)
    assert KINDS[one.resource.kind].status.model_validate(shown).document() == shown
    again = replace(one.resource, status=shown)
    known = one.known.moved() if isinstance(decided(one), Move) else one.known
    decision = decide(again, known, one.policy, later)
    if isinstance(decision, Settled):
        assert project(again, known, decision, later) == shown
    assert transitions(shown, shown) == []


def test_a_first_submission_is_foreseen_as_it_would_be_decided() -> None:
    seen = set()
    for name in NAMES:
        one, step = case(name), decided(case(name))
        if not (isinstance(step, Record) and step.first):
            continue
        resource = one.resource
        finalizers = (*resource.finalizers, FINALIZER)
        annotations = {**resource.annotations, SUBMISSION: step.intent.encode(resource.uid)}
        after = replace(resource, version="8", finalizers=finalizers, annotations=annotations)
        known = one.known.planned(step.intent.target, first=True)
        expected = foreseen(step, resource, after)
        assert isinstance(step.then, Submit) == (expected is not None), name
        if expected:
            assert decide(after, known, one.policy, one.now + timedelta(milliseconds=5)) == expected, name
            seen.add((resource.kind, type(resource.facts)))
    assert len(seen) >= 3, seen


def test_who_may_not_adopt_a_job_is_not_told_whose_it_is() -> None:
    refused = 0
    for name in NAMES:
        step, job = decided(case(name)), case(name).known.job
        if isinstance(step, Stall) and step.reason is Reason.NOT_ALLOWED and job:
            refused += 1
            owner = (naming.owner_uid(job.labels), job.labels.get(naming.NAMESPACE_LABEL))
            assert not any(word in step.message for word in owner if word), name
    assert refused >= 4


TEXT = (FOLDER / "deletion" / "running.in.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("now:", "surprise: 1\nnow:"),
        ("now: 2026-01-02T03:04:05Z", "now: 2026-01-02T03:04:05"),
        ("now:", "settings: {pollInterwal: 1}\nnow:"),
        ("now:", "service: Vertex\nnow:"),
        ("kind: TrainingJob", "kind: Job"),
        ("    generation: 1", "    generations: 1"),
        ("    projectId: proj\n    trainingInput", "    project: proj\n    trainingInput"),
        ("    state: RUNNING\n    attempt", "    status: RUNNING\n    attempt"),
        ("      accepted: Created", "      accept: Created"),
        ("  seenAt:", "  seen:"),
        ("  seenAt:", "  since: 2026-01-02T03:04:05Z\n  seenAt:"),
        ("  seenAt:", "  failed: {get: {error: Nope, message: x, generation: 1, retryAt: x}}\n  seenAt:"),
        ("  seenAt:", "  failed: {gets: {error: Denied, message: x, generation: 1}}\n  seenAt:"),
    ],
)
def test_what_nothing_reads_is_an_error(there: str, instead: str) -> None:
    assert there in TEXT
    read("x", "A rule.", TEXT)
    with pytest.raises((ValueError, KeyError, yaml.YAMLError)):
        read("x", "A rule.", TEXT.replace(there, instead, 1))


def test_outcomes_are_compared_and_written_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("deletion/running", "labels/differ"):
        for which in ("in", "out"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(FOLDER / f"{name}.{which}.yaml", tmp_path / f"{name}.{which}.yaml")
    monkeypatch.setattr(reading, "FOLDER", tmp_path)
    odd = case("deletion/running").answer
    right = odd.read_text("utf-8")
    odd.write_text(right.replace("next: Cancel", "next: Release"), "utf-8")
    assert main(["labels"]) == 0
    assert main(["deletion/running"]) == 1
    assert "-next: Release\n+next: Cancel\n" in capsys.readouterr().out
    assert main(["--write"]) == 0
    assert odd.read_text("utf-8") == right
    odd.unlink()
    assert main(["--write"]) == 0
    assert odd.read_text("utf-8") == right
