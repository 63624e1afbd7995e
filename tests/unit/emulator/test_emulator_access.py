"""Labels, policies, permissions and quotas: what may be done to a job besides running it."""

from collections.abc import Callable
from typing import Any

import pytest

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.quota import Quota
from mljobs_dev.emulator.scripting import Denial

Json = dict[str, Any]
Make = Callable[..., Json]
Rig = Any


def test_patch_labels(rig: Rig, training: Make) -> None:
    created = rig.create({**training(), "labels": {"a": "b", "c": "d"}})
    patched = rig(
        "patch", "census", {"labels": {"e": "f"}, "etag": created["etag"]}, updateMask="labels,etag"
    )
    assert patched["labels"] == {"e": "f"}
    assert patched["etag"] != created["etag"]
    assert patched == rig("get", "census")
    stale = rig.refuse("patch", "census", {"labels": {}, "etag": created["etag"]}, updateMask="labels,etag")
    assert (stale.code, stale.status) == (409, "ABORTED")
    emptied = rig("patch", "census", {}, updateMask="labels")
    assert "labels" not in emptied
    assert rig("patch", "census", {"etag": emptied["etag"]}, updateMask="etag") == emptied


def test_patch_after_a_change_of_state_is_stale(new_rig: Callable[..., Rig], training: Make) -> None:
    rig = new_rig(stale_etag_status=412)
    created = rig.create(training())
    rig.time.advance(1000)
    stale = rig.refuse("patch", "census", {"etag": created["etag"]}, updateMask="labels,etag")
    assert (stale.code, stale.status) == (412, "FAILED_PRECONDITION")


@pytest.mark.parametrize(
    ("mask", "body", "field"),
    [
        ("", {}, "update_mask"),
        ("trainingInput", {}, "update_mask"),
        ("labels.team", {}, "update_mask"),
        ("labels,state", {}, "update_mask"),
        ("labels,etag", {"labels": {}}, "job.etag"),
        ("labels", {"labels": {"A": "b"}}, "labels"),
    ],
)
def test_patch_refuses(rig: Rig, training: Make, mask: str, body: Json, field: str) -> None:
    rig.create(training())
    error = rig.refuse("patch", "census", body, updateMask=mask)
    assert error.code == 400
    assert error.details[0]["fieldViolations"][0]["field"] == field


BINDING = {"role": "roles/ml.jobOwner", "members": ["user:a@example.com"]}


def test_iam_policy(rig: Rig, training: Make) -> None:
    rig.create(training())
    assert rig("getIamPolicy", "census") == {"etag": "ACAB"}
    written = rig("setIamPolicy", "census", {"policy": {"bindings": [BINDING], "etag": "ACAB"}})
    assert written == {"version": 1, "bindings": [BINDING], "etag": written["etag"]}
    assert rig("getIamPolicy", "census", **{"options.requestedPolicyVersion": "3"}) == written
    error = rig.refuse("setIamPolicy", "census", {"policy": {"etag": "ACAB"}})
    assert (error.code, error.status) == (409, "ABORTED")
    emptied = rig("setIamPolicy", "census", {"policy": {"etag": written["etag"]}})
    assert "bindings" not in emptied
    assert emptied["etag"] not in (written["etag"], "ACAB")


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"version": 2}, "policy.version"),
        ({"bindings": [{"members": ["allUsers"]}]}, "policy.bindings[0].role"),
        ({"bindings": [{"role": "owner", "members": ["allUsers"]}]}, "policy.bindings[0].role"),
        ({"bindings": [{"role": "roles/x"}]}, "policy.bindings[0].members"),
        ({"bindings": [{"role": "roles/x", "members": ["a@example.com"]}]}, "policy.bindings[0].members"),
        ({"bindings": [{**BINDING, "condition": {"expression": "true"}}]}, "policy.version"),
    ],
)
def test_iam_policy_refuses(rig: Rig, training: Make, policy: Json, field: str) -> None:
    rig.create(training())
    error = rig.refuse("setIamPolicy", "census", {"policy": policy})
    assert error.code == 400
    assert error.details[0]["fieldViolations"][0]["field"] == field


def test_denied_permissions(rig: Rig, training: Make) -> None:
    rig.create(training())
    asked = {"permissions": ["ml.jobs.get", "ml.jobs.cancel"]}
    assert rig("testIamPermissions", "census", asked) == asked
    rig.emulator.service.denials.append(Denial(job_id="census", denied=["ml.jobs.cancel"]))
    assert rig("testIamPermissions", "census", asked) == {"permissions": ["ml.jobs.get"]}
    error = rig.refuse("cancel", "census")
    assert (error.code, error.status) == (403, "PERMISSION_DENIED")
    assert error.message == "Permission denied on resource project p."
    assert error.details[0]["@type"] == "type.googleapis.com/google.rpc.Help"
    assert rig("get", "census")["state"] == "QUEUED"
    assert rig.refuse("testIamPermissions", "census", {"permissions": ["ml.*"]}).code == 400


def test_quota() -> None:
    quota = Quota()
    for _ in range(60):
        quota.take("ml.projects.jobs.create", "p", 0.0)
    with pytest.raises(ApiError) as caught:
        quota.take("ml.projects.jobs.create", "p", 59.0)
    error = caught.value.as_json()["error"]
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    quota.take("ml.projects.jobs.create", "other", 59.0)
    for verb in ("get", "list", "cancel"):
        for _ in range(100):
            quota.take(f"ml.projects.jobs.{verb}", "p", 59.0)
    with pytest.raises(ApiError):
        quota.take("ml.projects.jobs.get", "p", 59.0)
    quota.take("ml.projects.jobs.patch", "p", 59.0)
    quota.take("ml.projects.jobs.create", "p", 60.0)
