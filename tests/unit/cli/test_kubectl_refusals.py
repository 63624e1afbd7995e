"""How refusals of servers are worded, and that nothing ends in a traceback."""

import asyncio
import json
from typing import Any

import pytest
import urllib3
from kubernetes.client import ApiException

from mljobs.domain import errors
from mljobs.kubectl.cluster import worded
from mljobs.kubectl.failure import Failure
from mljobs.kubectl.references import Found, kind_named
from mljobs.kubectl.service import ask
from tests.unit.cli.kubectl_command import run


def refusal(status: int, reason: str, message: str, details: Any = None) -> ApiException:
    error = ApiException(status=status, reason="whatever")
    error.body = json.dumps({"reason": reason, "message": message, "details": details})
    return error


INVALID = {
    "causes": [
        {"field": "spec.trainingInput.region", "message": "Required value"},
        {"field": "<nil>", "message": "another"},
    ]
}


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (
            refusal(422, "Invalid", "all of it", INVALID),
            1,
            ["spec.trainingInput.region: Required value", "another"],
        ),
        (
            refusal(409, "AlreadyExists", "x already exists", {"name": "x"}),
            1,
            ["x already exists; choose another name"],
        ),
        (refusal(403, "Forbidden", "a policy says no"), 1, ["a policy says no"]),
        (refusal(401, "Unauthorized", "who"), 2, ["list things: who; the kubeconfig's credentials"]),
        (
            refusal(404, "NotFound", "the server could not find"),
            2,
            ["list things: the cluster does not know"],
        ),
        (refusal(404, "NotFound", "x not found", {"name": "x"}), 1, ["x not found"]),
        (refusal(500, "InternalError", "oh"), 2, ["list things: oh; the API server is in trouble"]),
        (ApiException(status=502, reason="Bad Gateway"), 2, ["list things: Bad Gateway"]),
        (
            urllib3.exceptions.MaxRetryError(None, "/", OSError("refused")),  # type: ignore[arg-type]
            2,
            ["list things: the API server gave no answer: refused; check --kubeconfig"],
        ),
    ],
)
def test_the_api_server(error: Exception, code: int, lines: list[str]) -> None:
    with pytest.raises(Failure) as caught, worded("list things"):
        raise error
    assert caught.value.exit_code == code
    said = [str(caught.value), *caught.value.more]
    assert len(said) == len(lines)
    for text, begin in zip(said, lines, strict=True):
        assert text.startswith(begin)


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (
            errors.Denied("no credentials", cause=errors.Denial.CREDENTIALS),
            2,
            "gcloud auth application-default login",
        ),
        (errors.Denied("The caller does not have permission", status=403), 2, "grant the permission"),
        (errors.Denied("deleted", cause=errors.Denial.PROJECT), 2, "no permission helps here: the project"),
        (errors.Throttled("quota"), 2, "try again later"),
        (errors.NoCapacity("no machines"), 2, "try again later"),
        (errors.Unavailable("down"), 2, "try again later"),
        (errors.StaleEtag("stale"), 1, "read it again"),
        (errors.NotFound("no such job"), 1, ""),
        (errors.Rejected("wrong"), 1, ""),
        (ValueError("endpoint: 'x' must be a URL"), 2, ""),
    ],
)
def test_the_service(error: Exception, code: int, hint: str) -> None:
    async def question() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(Failure) as caught:
        ask(question())
    assert caught.value.exit_code == code
    assert str(error) in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "list",
        "describe census",
        "wait census",
        "logs census",
        "cancel census",
        "resume census",
        "iam get census",
        "iam test census",
        "submit training census --region us-central1 --master-image-uri gcr.io/t/x:1",
    ],
)
def test_no_cluster(words: str, tmp_path: Any) -> None:
    done = run(f"{words} --kubeconfig {tmp_path}/none")
    assert done.code == 2
    (line,) = done.err
    assert line.startswith("error: no cluster: ")
    assert "check --kubeconfig, --context" in line


@pytest.mark.parametrize(
    "text", ["{", "a: [", "clusters: []", "- a", "kind: Config\ncurrent-context: x\ncontexts: []"]
)
def test_a_kubeconfig_that_is_none(text: str, tmp_path: Any) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    done = run(f"list --kubeconfig {file}")
    assert done.code == 2
    (line,) = done.err
    assert line.startswith("error: no cluster: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("list --state sleeping", "--state sleeping: must be one of STATE_UNSPECIFIED, QUEUED"),
        ("list pods", "there is no kind pods; must be one of trainingjob (tj), predictionjob (pj)"),
        ("lst", "No such command 'lst'. Did you mean 'list'"),
        ("submit", "Missing command"),
        ("wait census --for ever", "'ever' is not one of 'submitted', 'succeeded', 'ended'"),
        ("wait census --timeout x", "--timeout x: must be a length of time"),
        ("iam set census /nowhere", "/nowhere: cannot be read: No such file or directory"),
        ("import", "Missing option '--project'"),
    ],
)
def test_wrong_usage(words: str, says: str) -> None:
    done = run(words)
    assert done.code == 2
    (line,) = done.err
    assert line.startswith("error: ")
    assert says in line


@pytest.mark.parametrize("text", ["", "a: 1", "bindings: x", "- a"])
def test_a_policy_that_is_none(text: str) -> None:
    done = run("iam set census -", stdin=text)
    assert done.code == 2
    (line,) = done.err
    assert line.startswith("error: -: ")


def test_a_key_of_a_policy_that_stands_twice_is_a_warning() -> None:
    done = run("iam set census - --kubeconfig /nowhere", stdin="bindings: []\nbindings: []\n")
    assert done.err[0].startswith("warning: bindings: Duplicate value: 0 items: line 2 sets it again")


def test_help_and_version() -> None:
    assert "Usage: kubectl mljobs" in run("").out
    assert run("--version").out.strip()
    shown = run("submit training --help")
    assert shown.code == 0
    assert "[-- USER_ARGS...]" in shown.out
    assert "--parameter-server-machine-type" in shown.out


@pytest.mark.parametrize(
    "word", ["TrainingJob", "trainingjobs", "tj", "trainingjobs.mljobs.dev", "training", "TRAININGJOB"]
)
def test_words_for_a_kind(word: str) -> None:
    assert kind_named(word).name == "TrainingJob"


def test_a_resource_without_a_job_says_what_to_do() -> None:
    found = Found(kind_named("tj"), {"metadata": {"name": "census"}})
    with pytest.raises(Failure, match=r"trainingjob/census has no job yet; `kubectl mljobs describe"):
        _ = found.job


def test_an_unforeseen_error_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of\nours")

    monkeypatch.setattr("mljobs.kubectl.list_jobs.connect", broken)
    done = run("list")
    assert done.code == 2
    assert done.err == ["error: unforeseen ZeroDivisionError: of ours; MLJOBS_DEBUG=1 shows where"]
    with pytest.raises(AssertionError, match="ours"):
        run("list", env={"MLJOBS_DEBUG": "1"})
