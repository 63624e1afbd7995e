"""What we say of manifests, and the manifests that we print, through the real kubectl and API server."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mljobs.api.resources import API_VERSION
from mljobs.console.documents import gcloud, kubectl, writing
from mljobs.console.documents.loaded import Unreadable
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Kubectl
from tests.strategies import kinds_and_specs
from tests.unit.cli.kubectl_command import run
from tests.unit.domain.metadata_cases import REFUSED_METADATA, TAKEN_METADATA

Json = dict[str, Any]

SEVERAL = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Each example is many documents, since each starts a kubectl."""


@dataclass(frozen=True)
class Reader:
    """kubectl as a reader of files: it labels what it has read and prints it, and asks no server."""

    program: Path
    folder: Path

    def __call__(self, texts: Sequence[str]) -> dict[str, Json]:
        """Read each text, and give the resources by their names; none for what cannot be read."""
        for file in self.folder.iterdir():
            file.unlink()
        for number, text in enumerate(texts):
            (self.folder / f"{number}.yaml").write_bytes(text.encode())
        words = ["label", "--local", f"--filename={self.folder}", "--output=json", "read=yes"]
        done = subprocess.run(
            [str(self.program), *words], capture_output=True, text=True, timeout=60, check=False
        )
        return {item["metadata"]["name"]: item for item in _values(done.stdout)}


def _values(text: str) -> list[Json]:
    decoder = json.JSONDecoder()
    found: list[Json] = []
    rest = text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found


@pytest.fixture(scope="module")
def reader(binaries_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(binaries_dir / "kubectl", tmp_path_factory.mktemp("manifests"))


# --- what we print

_CONFUSING = [
    *("y", "N", "yes", "Off", "true", "~", "null", "Null", "", "=", "<<", "-", "?", ":", "---", "..."),
    *(">", "1", "08", "0o17", "0x1F", "0b11", "1_000", "+1", "-0", "1e3", "1e-3", "1.", ".5", "1e400"),
    *(".inf", "-.INF", ".nan", "1:30", "1:30.5", "2019-01-01", "2019-01-01T00:00:00Z", "0o7", "_1", "0x"),
    *("1__0", "!x", "&a", "*a", "@a", "`a", "%a", "#a", "a: b", "a:", "a #b", "a#b", "{a", "[a", "a,b"),
    *("'", '"', "a'b", "\\", "\t", " a", "a ", "a\nb", "a\n", "\n", "a\r\nb", "--- a", "a\n--- b"),
    *("a\n---\nb", "a\n...\nb", "\xe9", "\U0001f600", "\u2028", "\x85", "\xa0", "\ufeff", "\x7f", "\x00"),
    *("|", "x" * 200, "x " * 100, "x\n" * 20, " x" * 60),
]
_TEXT = st.one_of(
    st.sampled_from(_CONFUSING),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(alphabet="yYnNoOfFeE~=<.-+_:0123456789xb ", max_size=8),
    st.text(alphabet=" \n\t-:#'\"ax", max_size=14),
)
# Doubles between these two kubectl writes as whole numbers that only mean the same double.
_VALUE = st.recursive(
    st.one_of(
        _TEXT,
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not 2**53 < abs(x) < 1e21),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=8,
)


@given(specs=st.lists(st.dictionaries(_TEXT, _VALUE, max_size=6), min_size=1, max_size=40))
@example(specs=[{text: text, "list": [text], "inner": {text: [text]}} for text in _CONFUSING])
@SEVERAL
def test_what_is_printed_means_the_same_to_kubectl(specs: list[Json], reader: Reader) -> None:
    texts = [writing.dump([_resource(number, spec)]) for number, spec in enumerate(specs)]
    found = reader(texts)
    for number, spec in enumerate(specs):
        for read in (
            found[f"n{number}"].get("spec", {}),
            kubectl.load(kubectl.Piece(texts[number])).value["spec"],
            gcloud.load(texts[number]).value["spec"],
        ):
            assert _types(read) == _types(spec), texts[number]
            assert read == spec, texts[number]


@given(made=st.lists(kinds_and_specs(), min_size=1, max_size=20))
@SEVERAL
def test_manifests_of_valid_specs_in_one_stream_come_through_kubectl(
    made: list[tuple[str, Json]], reader: Reader
) -> None:
    resources = [{**_resource(number, spec), "kind": kind} for number, (kind, spec) in enumerate(made)]
    found = reader([writing.dump(resources)])
    assert [found[f"n{number}"]["spec"] for number in range(len(made))] == [spec for _, spec in made]


def _types(value: Any) -> Any:
    """The types within a value; whole numbers and others are one to JSON."""
    if isinstance(value, dict):
        return {key: _types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_types(item) for item in value]
    return float if type(value) is int else type(value)


def _resource(number: int, spec: Json) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainingJob",
        "metadata": {"name": f"n{number}"},
        "spec": spec,
    }


PRINTED = ["y", "n", "1e-3", "0o17", "08", "1:30", "~", "=", "2019-01-01", ".5", "a: b", "", "on", "1_000"]


def test_what_submit_prints_is_applied_with_the_same_arguments(
    binaries_dir: Path, control_plane: ControlPlane, crds: None
) -> None:
    words = "submit training printed --dry-run --region us-central1 --project my-project"
    program = Kubectl(binaries_dir / "kubectl", control_plane.kubeconfig, "default")
    done = run(f"{words} --master-image-uri gcr.io/p/t:1 --labels team=y --", *map(json.dumps, PRINTED))
    assert done.code == 0, done.err
    applied = program.out("apply", "--dry-run=server", "--output=json", "--filename=-", stdin=done.out)
    spec = json.loads(applied)["spec"]
    assert spec["trainingInput"]["args"] == PRINTED
    assert spec["labels"] == {"team": "y"}


# --- what we read

_PIECES = [
    *("a", "b: ", "c: ", "- ", "? ", ": ", "\n", "\n  ", "\n    ", "\n      ", " ", "\t", "{", "}", "["),
    *("]", ", ", "&x ", "*x", "!!str ", "!!int ", "!!float ", "!foo ", "-", ">", "'", '"', "# c", "\\n"),
    *("\\x41", "<<: ", "1", "y", "~", "0o7", "1.5", "1e3", "---", "...", "%Y", "@", "\xe9", "\U0001f600"),
    *("\xa0", "\u2028", "\x85", "http://x:80", "a:b", "x,y", "'q'", '"d"', '"e\\\n  f"', "null: "),
    *("\r\n", "a b", "*x : ", "1: ", "y: ", "|", "|-", "|+", ">+", ","),
]
_SOUP = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=9).map("".join)
_SCALAR = st.text(alphabet="yYnNesoOfFinaAlLtTrRuUxXbB~=<.-+_:0123456789", min_size=1, max_size=7)


@given(parts=st.lists(st.one_of(_SOUP, _SCALAR), min_size=20, max_size=120))
@example(
    parts=[
        "{1: a, 0x1: b}",
        "y",
        "1",
        "1.0",
        "18446744073709551615",
        "{1.0: a, 1e6: b}",
        "{y: a}",
        "{a? }",
        "[a?b]",
        "[?a]",
        'a?b: ["a?", b]',
        "!!binary /w==",
        "\ufeff",
    ]
)
@SEVERAL
def test_our_reader_reads_as_kubectl_does(parts: list[str], reader: Reader) -> None:
    head = f"apiVersion: {API_VERSION}\nkind: TrainingJob\nmetadata: {{name: n%s}}\nspec:\n  "
    texts = [f"{head % number}{part}\n" for number, part in enumerate(parts)]
    found = reader(texts)
    for number, text in enumerate(texts):
        theirs = found.get(f"n{number}")
        try:
            loaded = kubectl.load(next(kubectl.pieces(text)))
        except Unreadable:
            assert theirs is None, text
            continue
        assert theirs is not None, text
        if not any("either" in problem.rule for problem in loaded.problems):  # which is left to chance
            assert _typed(loaded.value.get("spec")) == _typed(theirs.get("spec")), text


def _typed(value: Any) -> str:
    """A value as text, so that 1 is not true; kubectl writes some doubles as whole numbers above int64."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_typed(item)}' for key, item in sorted(value.items()))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_typed, value))}]"
    large = type(value) is int and not -(2**63) <= value < 2**63
    return repr(float(value) if large else value)


@pytest.fixture(scope="module")
def api_server(binaries_dir: Path, control_plane: ControlPlane, crds: None) -> Kubectl:
    return Kubectl(binaries_dir / "kubectl", control_plane.kubeconfig, "default")


def _dry_run(api_server: Kubectl, metadata: Json) -> "subprocess.CompletedProcess[str]":
    spec = {"trainingInput": {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/p/t:1"}}}
    whole = {**_resource(0, spec), "metadata": {"name": "a", **metadata}}
    return api_server.run("create", "--dry-run=server", "--filename=-", stdin=json.dumps(whole))


@pytest.mark.parametrize(("metadata", "_says"), REFUSED_METADATA, ids=lambda value: str(value)[:40])
def test_the_api_server_refuses_such_metadata(metadata: Json, _says: str, api_server: Kubectl) -> None:
    assert _dry_run(api_server, metadata).returncode == 1


@pytest.mark.parametrize("metadata", TAKEN_METADATA, ids=lambda value: str(value)[:40])
def test_the_api_server_takes_such_metadata(metadata: Json, api_server: Kubectl) -> None:
    done = _dry_run(api_server, metadata)
    assert done.returncode == 0, done.stderr
