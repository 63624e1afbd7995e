"""IAM bindings of a spec, and what a missing permission looks like."""

from tests.e2e.support import Job, Json, Namespace, eventually, training
from tests.e2e.support_stack import PROJECT, Emulator

MINE: list[Json] = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
FOREIGN: Json = {"role": "roles/viewer", "members": ["user:z@example.com"]}


def policy(emulator: Emulator, job: Job) -> dict[str, set[str]]:
    path = f"/v1/projects/{PROJECT}/jobs/{job.job_id}:getIamPolicy"
    bindings = emulator._json("GET", path).get("bindings", [])
    return {binding["role"]: set(binding["members"]) for binding in bindings}


def until_policy(emulator: Emulator, job: Job, **roles: set[str]) -> None:
    wanted = {role.replace("_", "/"): members for role, members in roles.items()}
    eventually(
        lambda: policy(emulator, job),
        lambda found: found == wanted,
        what=f"policy {wanted}",
        report=job.namespace.report,
    )


def test_bindings_follow_the_spec_and_foreign_ones_stay(namespace: Namespace, emulator: Emulator) -> None:
    job = namespace.create(training("census", {"iamBindings": MINE}))
    until_policy(emulator, job, roles_viewer={"user:a@example.com"})
    job.until_status(
        lambda status: status.get("record", {}).get("iamBindings") == MINE, "the bindings that were made"
    )
    path = f"/v1/projects/{PROJECT}/jobs/{job.job_id}"
    current = emulator._json("GET", f"{path}:getIamPolicy")
    both = [{"role": "roles/viewer", "members": [*MINE[0]["members"], *FOREIGN["members"]]}]
    emulator._post(f"{path}:setIamPolicy", {"policy": {**current, "bindings": both}})
    job.patch_spec(iamBindings=[{"role": "roles/editor", "members": ["user:b@example.com"]}])
    until_policy(emulator, job, roles_viewer={"user:z@example.com"}, roles_editor={"user:b@example.com"})
    job.patch_spec(iamBindings=None)
    until_policy(emulator, job, roles_viewer={"user:z@example.com"})
    job.until_status(lambda status: "iamBindings" not in status["record"], "no bindings of ours")
    job.expect_events("Accepted")


def test_a_policy_that_changes_meanwhile_is_read_again(namespace: Namespace, emulator: Emulator) -> None:
    emulator.fault("error", method="setIamPolicy", jobId=f"^{namespace.name}_", status=409, times=2)
    job = namespace.create(training("census", {"iamBindings": MINE}))
    until_policy(emulator, job, roles_viewer={"user:a@example.com"})
    written = [row["status"] for row in emulator.effects(method="setIamPolicy", jobId=job.job_id)]
    assert written == [409, 409, 200]


def test_a_denied_cancel_names_the_permission_and_goes_through_once_it_is_granted(
    namespace: Namespace, emulator: Emulator
) -> None:
    job = namespace.create(training("census"))
    job_id = job.job_id
    emulator._post("/_emulator/permissions", {"jobId": f"^{job_id}$", "denied": ["ml.jobs.cancel"]})
    job.delete()
    stalled = job.until_condition("Stalled", "True", "Denied")
    assert (
        f"The permission ml.jobs.cancel is missing on projects/{PROJECT}/jobs/{job_id}" in stalled["message"]
    )
    assert emulator.job(job_id)["state"] == "QUEUED"
    emulator._json("DELETE", "/_emulator/permissions")
    job.annotate(poke="1")
    job.until_gone(within=60)
    assert emulator.applied("cancel", job_id) == [job_id]
