"""The pages that are made from the code say all of it, and nothing that the code does not do."""

import json
import re
from importlib import resources
from typing import Any

import pytest
from prometheus_client import generate_latest

from mljobs.config import Settings
from mljobs.controller.process.metrics import Metrics
from mljobs.domain.reasons import ConditionType, Reason
from mljobs.domain.spec.problems import Severity
from mljobs.domain.spec.rules import RULES
from tests.unit.api import discovery, vertex_discovery
from tests.unit.docs.markdown import DOCS
from tests.unit.domain.rule_cases import CASES
from tests.unit.domain.schedule.test_decide import CASES as SCHEDULES
from tests.unit.domain.schedule.test_decide import status_after
from tests.unit.domain.test_cases import OF_SCHEDULES, WITHOUT_CONDITION
from tests.unit.domain.test_translated import ways
from tests.unit.gitops.states import FRESH, every
from tools.docs import coverage as docs_coverage
from tools.docs import pages as docs_pages
from tools.docs import vertex_coverage
from tools.packaging import values

DOCUMENT: dict[str, Any] = json.loads(
    resources.files("googleapiclient.discovery_cache.documents").joinpath("ml.v1.json").read_text("utf-8")
)
METHODS: dict[str, Any] = DOCUMENT["resources"]["projects"]["resources"]["jobs"]["methods"]


def rows(page: str) -> list[list[str]]:
    """The cells of all tables' rows."""
    return [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]


def test_the_reasons_are_met_where_the_page_says_and_nowhere_else() -> None:
    produced = {
        (reason, f"{kind}={status}") for shown in every() for kind, (status, reason) in shown.words.items()
    }
    produced |= {(reason.value, place) for reason, place in ways()}
    documented = {(reason.value, place) for reason, places in docs_pages.SHOWN.items() for place in places}
    of_schedules = {(reason.value, place) for reason in OF_SCHEDULES for place in docs_pages.SHOWN[reason]}
    assert documented - of_schedules == produced
    alone = {reason for reason, places in docs_pages.SHOWN.items() if not places}
    assert alone - OF_SCHEDULES == WITHOUT_CONDITION


def test_the_reasons_of_schedules_are_met_where_the_page_says() -> None:
    """In the cases of schedules; but for those that jobs have, too."""
    produced = {
        (row["reason"], f"{row['type']}={row['status']}")
        for case in SCHEDULES
        for row in (status_after(case) or {}).get("conditions", ())
    }
    documented = {(reason.value, place) for reason in OF_SCHEDULES for place in docs_pages.SHOWN[reason]}
    assert documented == {pair for pair in produced if pair[0] in {reason.value for reason in OF_SCHEDULES}}


def test_every_condition_and_every_reason_has_its_row() -> None:
    names = [row[0] for row in rows(docs_pages.conditions())]
    assert names == [*(f"`{kind}`" for kind in ConditionType), *(f"`{reason}`" for reason in Reason)]


def test_every_setting_has_its_rows() -> None:
    first = [row[0].strip("`") for row in rows(docs_pages.settings())]
    names = [re.sub(r"_(\w)", lambda match: match[1].upper(), name) for name in Settings.model_fields]
    assert first == [*names, *names]


def test_every_setting_names_its_value_in_the_chart() -> None:
    named = {row[3].strip("`") for row in rows(docs_pages.settings())[len(Settings.model_fields) :]}
    settings = {path for path, *_ in values.rows() if path.startswith("config.")}
    assert named == {*settings, "watchNamespaces", "set by the chart"}


def test_every_metric_that_is_served_has_its_row() -> None:
    text = generate_latest(Metrics().registry).decode()
    served = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
    documented = [row[0].strip("`") for row in rows(docs_pages.metrics())]
    of_any_program = ("process_", "python_info")  # which the page names besides
    assert sorted(documented) == sorted(name for name in served if not name.startswith(of_any_program))


def test_every_method_and_parameter_is_placed_and_none_is_made_up() -> None:
    assert set(docs_coverage.METHODS) == set(METHODS)
    parameters = {f"{name}.{one}" for name, method in METHODS.items() for one in method["parameters"]}
    assert set(docs_coverage.PARAMETERS) == parameters


def test_every_field_of_a_job_has_a_row_and_they_are_counted() -> None:
    page = docs_coverage.page()
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", page, re.MULTILINE | re.DOTALL))
    queue, seen, count = [docs_coverage.JOB], set(), 0
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        properties = DOCUMENT["schemas"][name]["properties"]
        documented = [row[0].strip("`") for row in rows(sections[name.rpartition("_")[2]])]
        assert documented == list(properties)
        count += len(properties)
        queue += re.findall(r"'\$ref': '(\w+)'", str(properties))
    assert len(seen) == len(sections)
    assert f"{len(METHODS)} of {len(METHODS)} methods and {count} of {count} fields" in page


def test_a_field_without_a_place_stops_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    places = {name: paths for name, paths in docs_coverage.PLACES.items() if name != "etag"}
    monkeypatch.setattr(docs_coverage, "PLACES", places)
    docs_coverage._occurrences.cache_clear()
    try:
        with pytest.raises(docs_coverage.Incomplete, match=r"Job\.etag"):
            docs_coverage.page()
    finally:
        docs_coverage._occurrences.cache_clear()


def test_a_path_that_no_crd_has_stops_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs_coverage, "PLACES", {**docs_coverage.PLACES, "etag": ("status.tag",)})
    docs_coverage._occurrences.cache_clear()
    try:
        with pytest.raises(docs_coverage.Incomplete, match=r"no CRD has status\.tag"):
            docs_coverage.page()
    finally:
        docs_coverage._occurrences.cache_clear()


def test_a_field_of_vertex_without_a_place_stops_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = {**vertex_coverage.ELSEWHERE, "displayName": "spec.vertex.title"}
    monkeypatch.setattr(vertex_coverage, "ELSEWHERE", moved)
    with pytest.raises(docs_coverage.Incomplete, match=r"CustomJob\.displayName.*: no CRD has it"):
        docs_coverage.page()


def test_every_field_of_vertex_that_a_request_may_hold_is_on_the_page() -> None:
    page = docs_coverage.page()
    for name in discovery.reachable(vertex_discovery.load(), f"{vertex_discovery.PREFIX}CustomJobSpec"):
        assert f"### Vertex {name.removeprefix(vertex_discovery.PREFIX)}\n" in page
    assert "`replicaCount` | int64 | `spec.vertex.jobSpec.workerPoolSpecs[].replicaCount`" in page


def test_every_method_and_parameter_of_vertex_is_placed_and_none_is_made_up() -> None:
    folder = resources.files("googleapiclient.discovery_cache.documents")
    document = json.loads(folder.joinpath("aiplatform.v1.json").read_text("utf-8"))
    locations = document["resources"]["projects"]["resources"]["locations"]["resources"]
    collections = ("customJobs", "hyperparameterTuningJobs", "batchPredictionJobs")
    methods = [locations[name]["methods"] for name in collections]
    for found in methods:
        assert set(found) == set(vertex_coverage.METHODS)
        parameters = {f"{verb}.{one}" for verb, method in found.items() for one in method["parameters"]}
        assert parameters == set(vertex_coverage.PARAMETERS)


def test_what_the_figures_count_is_counted() -> None:
    text = (DOCS / "benchmarks.md").read_text("utf-8")
    errors = [rule for rule in RULES if rule.severity is Severity.ERROR]
    in_cel, in_schema = (
        sum(map(bool, found)) for found in zip(*((rule.cel, rule.in_schema) for rule in errors), strict=True)
    )
    alone = len(errors) - in_cel - in_schema
    (fields,) = re.findall(r"and (\d+) of \d+ fields", docs_coverage.page())
    for row in (
        f"| rules that refuse a spec | {len(errors)}: {in_cel} in CEL, {in_schema} in the CRD's schema, "
        f"{alone} only by the operator |",
        f"| rules that warn | {len(RULES) - len(errors)} |",
        f"| methods of `projects.jobs` | {len(METHODS)} of {len(METHODS)}, ",
        f"| fields of the discovery document's Job and all it nests | {fields}, ",
        f"| specs that keep or break a rule, judged alike by API server and operator | {len(CASES)}, ",
    ):
        assert row in text, row


def moments() -> dict[str, dict[str, str]]:
    """The rows of the table of conditions in Concepts: the statuses by condition."""
    lines = (DOCS / "concepts.md").read_text("utf-8").splitlines()
    start = lines.index("| moment | Submitted | Succeeded | Reconciling | Stalled |")
    kinds = lines[start].strip("| ").split(" | ")[1:]
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        moment, *statuses = line.strip("| ").split(" | ")
        found[moment] = dict(zip(kinds, statuses, strict=True))
    return found


@pytest.mark.parametrize("moment", moments())
def test_the_conditions_of_each_moment_are_met_together(moment: str) -> None:
    row = moments()[moment]

    def fits(words: dict[str, tuple[str, str]]) -> bool:
        return all(words.get(kind, ("–", ""))[0] in told.split(" or ") for kind, told in row.items())

    assert any(fits(shown.words) for shown in [FRESH, *every()])


def test_every_meeting_of_conditions_is_in_the_table() -> None:
    known = [{kind: told.split(" or ") for kind, told in row.items()} for row in moments().values()]
    for shown in every():
        words = {kind: shown.words.get(kind, ("–", ""))[0] for kind in known[0]}
        if "deletionTimestamp" not in shown.body["metadata"]:
            assert any(all(words[kind] in row[kind] for kind in row) for row in known), (words, shown.name)
