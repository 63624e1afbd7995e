"""No behaviour of the emulated Vertex AI without a source beside it, and what has none is documented."""

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from mljobs_dev.emulator.aiplatform import document, scripting, sources

MODULES = (
    "capacity",
    "defaults",
    "errors",
    "lifecycle",
    "listing",
    "log_entries",
    "machines",
    "study",
    "tuning",
    "validation",
)
"""The modules that say how the service behaves; the others carry it out."""

SOURCE = re.compile(r"([DORMGSI]|\?)\b|\?")
DOCUMENTATION = Path(__file__).parents[3] / "docs" / "emulator.md"
WITHOUT_SOURCE = {
    "a finished job: 200 without effect": "cancel of a finished job",
    "size of pages": "pages",
    "readMask": "readMask",
    "not before the end": "delete before the end",
    "display name and labels of these jobs": "custom jobs of trials",
    "defaults.with_defaults": "replicaCount",
    "errors.code_of": "`error.code`",
    "errors.rate_limited": "metrics of request quotas",
    "errors.wrong_bucket_region": "a bucket elsewhere",
    "errors.still_active": "delete before the end",
    "lifecycle.default_pace": "how long jobs run",
    "lifecycle.replan": "scripts",
    "lifecycle.force": "forced states",
    "listing.page_size": "pages",
    "log_entries.job_entries": "logs of batch prediction",
    "tuning.scripted": "scripts",
    "tuning.scripted_trials": "scripts",
    "options.list_lag": "`listLag`",
    "options.shuffle_lists": "`shuffleLists`",
    "options.trial_labels": "`trialLabels`",
}
"""What no public source tells, and the words under which the documentation says so."""


def behaviours() -> set[str]:
    """Everything that RULES has to name."""
    found = set()
    for name in MODULES:
        module = importlib.import_module(f"mljobs_dev.emulator.aiplatform.{name}")
        found |= {f"{name}.{function}" for function in functions(module)}
    found |= {f"options.{field}" for field in scripting.Options.model_fields}
    return found | {f"face.{face}" for face in scripting.Face}


def functions(module: ModuleType) -> set[str]:
    """The public functions of a module."""
    return {
        name
        for name, value in inspect.getmembers(module, inspect.isfunction)
        if value.__module__ == module.__name__ and not name.startswith("_")
    }


def test_every_method_has_sources() -> None:
    assert set(sources.METHODS) == set(document.METHOD_NAMES)
    assert all(sources.METHODS.values())


def test_every_rule_has_a_source() -> None:
    assert set(sources.RULES) == behaviours()


@pytest.mark.parametrize("name", sorted({*sources.METHODS, *sources.RULES}))
def test_sources_are_of_a_known_kind(name: str) -> None:
    rule = sources.RULES.get(name)
    texts = [rule] if rule is not None else list(sources.METHODS[name].values())
    for text in texts:
        assert SOURCE.match(text), f"{name}: {text!r} does not begin with a source"


def test_what_has_no_source_is_documented() -> None:
    known = {**sources.RULES}
    for behaviours_of in sources.METHODS.values():
        known |= behaviours_of
    assert {name for name, text in known.items() if "?" in text} == set(WITHOUT_SOURCE)
    documented = DOCUMENTATION.read_text().partition("## Where no public source")[2]
    assert [words for words in WITHOUT_SOURCE.values() if words not in documented] == []
