"""Objects that etcd can hardly hold: refused before any call, or told of by an Event in any case."""

from collections.abc import Callable

import pytest
from kubernetes import client

from mljobs.domain.spec.sizes import ETCD_BYTES, OBJECT_BYTES, STATUS_BYTES, stored_bytes
from tests.e2e.support import Job, Json, Namespace, eventually, training
from tests.e2e.support_stack import Emulator

ESCAPED = "<"
"""Takes six bytes as it is stored: what the CRD counts as characters takes much more room."""

CHARACTERS = 250 * 1024
"""Of command lines, less than what the CRD allows."""


def refusal_of(call: Callable[[], object]) -> client.ApiException | None:
    """Make a call of the API server; gives its refusal."""
    try:
        call()
    except client.ApiException as error:
        return error
    return None


def create(namespace: Namespace, manifest: Json) -> client.ApiException | None:
    """Make a resource; gives the refusal."""
    return refusal_of(lambda: namespace.create(manifest))


def lines(characters: int, char: str = "a") -> list[str]:
    return [char * 32768] * (characters // 32768) + [char * (characters % 32768)]


def told(namespace: Namespace, job: Job, reason: str) -> str:
    """The message of the Event with that reason, once it is there."""
    found = eventually(
        lambda: [row for row in namespace.events(job.uid) if row["reason"] == reason],
        what=f"the Event {reason}",
        report=namespace.report,
    )
    assert len(found) == 1
    return str(found[0]["message"])


@pytest.mark.parametrize("characters", [300_000, 1_500_000])
def test_a_large_spec_is_refused_when_it_is_applied(namespace: Namespace, characters: int) -> None:
    refusal = create(namespace, training("large", args=lines(characters)))
    assert refusal is not None
    assert refusal.status == 422
    assert "all command lines together have at most 262144 characters" in str(refusal.body)
    assert namespace.all() == []


def test_what_only_the_operator_can_count_is_refused_before_any_call(
    namespace: Namespace, emulator: Emulator
) -> None:
    job = namespace.create(training("escaped", args=lines(200 * 1024, ESCAPED)))
    assert stored_bytes(job.object()) < ETCD_BYTES
    stalled = job.until_condition("Stalled", "True", "InvalidSpec")
    assert "a spec takes at most 1114112 bytes as it is stored" in stalled["message"]
    assert emulator.effects(project=namespace.name) == []
    assert emulator.applied("create", namespace.name) == []
    job.patch({"spec": {"trainingInput": {"args": lines(100 * 1024, ESCAPED)}}})
    job.until_condition("Submitted", "True")


def annotated(manifest: Json, size: int) -> Json:
    """A manifest whose object, as it is stored, takes so many bytes by an annotation."""
    empty = {**manifest, "metadata": {**manifest["metadata"], "annotations": {"note": ""}}}
    missing = size - stored_bytes(empty)
    escaped, plain = divmod(missing, 6)
    empty["metadata"]["annotations"]["note"] = ESCAPED * escaped + "x" * plain
    return empty


def test_annotations_that_leave_no_room_are_refused_before_any_call(
    namespace: Namespace, emulator: Emulator
) -> None:
    fill = training("annotated", args=lines(60 * 1024, ESCAPED))
    job = namespace.create(annotated(fill, OBJECT_BYTES + 1000))
    stalled = job.until_condition("Stalled", "True", "InvalidSpec")
    assert "shorten its annotations or its spec" in stalled["message"]
    assert emulator.applied("create", namespace.name) == []
    job.annotate(note="")
    job.until_condition("Submitted", "True")


def test_at_the_very_brim_an_event_tells_and_nothing_is_submitted(
    namespace: Namespace, emulator: Emulator
) -> None:
    """Not even a condition has room."""
    fill = training("brim", args=lines(60 * 1024, ESCAPED))
    for spare in range(900, 3000, 100):  # etcd takes a little less than its limit
        if create(namespace, annotated(fill, ETCD_BYTES - spare)) is None:
            break
    job = namespace.job("TrainingJob", "brim")
    message = told(namespace, job, "NotStored")
    assert "request is too large" in message
    assert "shorten its annotations" in message
    assert job.status() == {"observedGeneration": -1}
    assert emulator.applied("create", namespace.name) == []
    job.annotate(note="")
    job.until_condition("Submitted", "True")


def test_a_running_job_whose_object_is_filled_up_still_says_how_it_is(
    namespace: Namespace, emulator: Emulator
) -> None:
    """Its outputs no longer fit: what matters is shown, and an Event says that something is left out."""
    job = namespace.create(training("filled", args=lines(CHARACTERS // 2, ESCAPED)))
    emulator.force(job.job_id, "RUNNING")
    job.until_state("RUNNING")
    found = job.object()
    assert found
    room = ETCD_BYTES - stored_bytes(found)
    assert room > STATUS_BYTES
    for spare in range(1200, 6000, 200):
        note = ESCAPED * ((room - spare) // 6)
        if refusal_of(lambda note=note: job.annotate(note=note)) is None:  # type: ignore[misc]
            break
    emulator.force(job.job_id, "FAILED", "It went wrong. " * 200)
    job.until_state("FAILED")
    assert "Outputs, earlier attempts and long messages are left out" in told(namespace, job, "NotStored")
    job.until_condition("Succeeded", "False", "JobFailed")
    job.delete()
    job.until_gone()
