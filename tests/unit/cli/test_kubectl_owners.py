"""Who sets a field again and again, and who has merely made the resource."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from mljobs.kubectl.owners import LAST_APPLIED, appliers, owners

Json = dict[str, Any]


def entry(manager: str, operation: str, *fields: str, subresource: str = "") -> Json:
    place = {"subresource": subresource} if subresource else {}
    spec: Json = {f"f:{field}": {} for field in fields}
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": spec}, **place}


def body(*entries: Json, last_applied: str | None = None) -> Json:
    annotations = {} if last_applied is None else {LAST_APPLIED: last_applied}
    return {"metadata": {"managedFields": list(entries), "annotations": annotations}}


CASES: list[tuple[Json, Sequence[str], Sequence[str]]] = [
    (body(entry("helm", "Apply", "suspend", "labels")), ["helm"], ["helm"]),
    (body(entry("helm", "Apply", "labels")), [], []),
    (body(entry("kubectl-create", "Update", "suspend")), ["kubectl-create"], []),
    (body(last_applied=json.dumps({"spec": {"suspend": False}})), [], ["kubectl apply"]),
    (body(last_applied=json.dumps({"spec": {"labels": {}}})), [], []),
    (body(last_applied="no JSON"), [], []),
    (body(last_applied='["suspend"]'), [], []),
    (body(last_applied='{"spec": ["suspend"]}'), [], []),
    (body({"manager": "odd", "operation": "Apply"}), [], []),
    ({"metadata": {}}, [], []),
]


@pytest.mark.parametrize(("found", "owning", "applying"), CASES)
def test_who_sets_a_field(found: Json, owning: Sequence[str], applying: Sequence[str]) -> None:
    assert owners(found, "suspend") == owning
    assert appliers(found, "suspend") == applying
