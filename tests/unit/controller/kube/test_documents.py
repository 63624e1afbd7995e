"""Objects as JSON texts, and what is left out of them."""

import json
import math
from typing import Any

import pytest

from mljobs.api.json_text import decoded, encoded
from mljobs.controller.kube.documents import LAST_APPLIED, slim
from mljobs.domain.job.resource import Resource

ODD = {"half": "a\ud800", "large": 10**30, "least": -(2**63), "deep": [{"ä": None}, 0.5, True]}


def test_what_is_written_is_read_again() -> None:
    assert decoded(encoded(ODD)) == ODD
    assert decoded(json.dumps(ODD).encode()) == ODD
    assert json.loads(encoded(ODD)) == ODD
    assert math.isnan(decoded(encoded({"x": math.nan}))["x"])


@pytest.mark.parametrize("text", [b"", b"{cut", b'{"a": 1} x', b"\xff"])
def test_what_is_no_json_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        decoded(text)


def test_what_cannot_be_json_is_refused() -> None:
    with pytest.raises(TypeError):
        encoded({"a": object()})


def body(**metadata: Any) -> dict[str, Any]:
    return {"kind": "TrainingJob", "metadata": {"name": "census", **metadata}, "spec": {}}


def test_what_nobody_looks_at_is_left_out_and_counted() -> None:
    fields, copied = [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}], '{"kind":"TrainingJob"}'
    kept = {"mljobs.dev/adopt": "true"}
    made = slim(body(managedFields=fields, annotations={LAST_APPLIED: copied, **kept}))
    left = len(encoded(fields)) + len(encoded(copied))
    assert made == {**body(annotations=kept), "leftOutBytes": left}
    assert Resource.parse(made).left_out == left


def test_an_object_without_any_of_it_stays_as_it_is() -> None:
    assert slim(body()) == body()
    assert slim(body(annotations={})) == body(annotations={})
    assert Resource.parse(body()).left_out == 0
    assert slim({"kind": "Status"}) == {"kind": "Status"}
