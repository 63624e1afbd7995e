"""What `mljobs plan` makes of lines as people write them, in a manifest and in gcloud's config file."""

import pytest

from mljobs.api.resources import API_VERSION
from tests.unit.cli.snippet_cases import SNIPPETS, Refused, Snippet, Verdict
from tests.unit.cli.test_plan import planned

IMAGE = {"imageUri": "gcr.io/p/t:1"}
INPUT = "{region: us-central1, masterConfig: {imageUri: 'gcr.io/p/t:1'}, %s}"
MANIFEST = (
    f"apiVersion: {API_VERSION}\nkind: TrainingJob\nmetadata: {{name: a}}\n"
    f"spec: {{projectId: my-project, trainingInput: {INPUT}}}\n"
)
CONFIG = f"trainingInput: {INPUT}\n"


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_in_a_manifest(snippet: Snippet) -> None:
    check(MANIFEST % snippet.text, snippet.manifest)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_in_a_config_file(snippet: Snippet) -> None:
    check(CONFIG % snippet.text, snippet.in_config)


def check(text: str, verdict: Verdict) -> None:
    outcome = planned(text)
    if not isinstance(verdict, Refused):
        assert outcome.code == 0, (outcome.out, outcome.err)
        wanted = {"region": "us-central1", "masterConfig": IMAGE, **verdict}
        assert without_empty(outcome.request["trainingInput"]) == wanted
        return
    assert outcome.code == 1
    if verdict.path:
        paths = [line.split(": ")[0].removeprefix("spec.trainingInput.") for line in outcome.out]
        assert verdict.path in paths
    else:
        assert outcome.err[-1].startswith("mljobs plan: cannot read the description: line ")


def without_empty(fields: dict[str, object]) -> dict[str, object]:
    """The fields that say something: to the service an empty list or object is as good as none."""
    return {name: value for name, value in fields.items() if value not in ([], {})}
