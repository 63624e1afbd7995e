"""Waiting for a condition, kubectl, and the resources of one namespace through the official client."""

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from kubernetes import client, config, watch

from mljobs.api.jobclass import DEFAULT_CLASS, JOB_CLASS
from mljobs.api.jobschedule import JOB_SCHEDULE
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import (
    API_VERSION,
    GROUP,
    KINDS,
    PREDICTION_JOB,
    TRAINING_JOB,
    VERSION,
    JobKind,
    ResourceKind,
)

Json = dict[str, Any]
T = TypeVar("T")

NAMESPACED = [kind for kind in ALL_KINDS.values() if kind.namespaced]

PATIENCE = 30.0
"""Seconds after which a condition counts as never coming true."""


def eventually(
    look: Callable[[], T],
    accept: Callable[[T], Any] = bool,
    *,
    what: str,
    within: float = PATIENCE,
    glance: float | None = None,
    report: Callable[[], str] = str,
) -> T:
    """Look again and again until what is seen is accepted, and give it.

    Args:
        look: sees how things are now.
        accept: whether that is what the test waits for.
        what: names it, for the failure.
        within: seconds.
        glance: seconds from one look to the next. Left out, it is no less than a look takes, nor than a tenth
            of the wait so far, since looks take CPU from what is waited for.
        report: tells more, for the failure.
    """
    start = time.monotonic()
    while True:
        begun = time.monotonic()
        seen = look()
        if accept(seen):
            return seen
        now = time.monotonic()
        if now > start + within:
            shown = json.dumps(seen, indent=1, default=str)[:6000]
            pytest.fail(f"not within {within:g} s: {what}\nlast seen: {shown}\n{report()}", pytrace=True)
        time.sleep(glance or max(0.03, now - begun, (now - start) / 10))


class Kubectl:
    """kubectl with one kubeconfig, in one namespace."""

    def __init__(self, program: Path, kubeconfig: Path, namespace: str) -> None:
        self._program = program
        self._namespace = namespace
        self._command = [str(program), f"--kubeconfig={kubeconfig}", f"--namespace={namespace}"]

    def with_kubeconfig(self, kubeconfig: Path) -> "Kubectl":
        """The same with another identity."""
        return Kubectl(self._program, kubeconfig, self._namespace)

    def run(self, *args: str, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, *args], input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )

    def out(self, *args: str, stdin: str = "", timeout: float = 60) -> str:
        """Run a command that has to succeed, and give what it prints."""
        done = self.run(*args, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done.stdout

    def apply(self, *manifests: Json) -> str:
        return self.out("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start a command that is to end later."""
        return subprocess.Popen(
            [*self._command, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def connect(kubeconfig: Path) -> client.ApiClient:
    """Open the official client on a kubeconfig."""
    opened: client.ApiClient = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
    return opened


class Namespace:
    """The resources and events of one namespace.

    Args:
        api: of the administrator.
        name: of the namespace, which exists.
        report: tells how things are, for failures.
    """

    def __init__(self, api: client.ApiClient, name: str, report: Callable[[], str]) -> None:
        self.name = name
        self.api = api
        self._custom: Any = client.CustomObjectsApi(api)
        self._core: Any = client.CoreV1Api(api)
        self._report = report
        self.begin_history()

    def begin_history(self) -> None:
        """Let `history` begin now."""
        found = self._custom.list_namespaced_custom_object(GROUP, VERSION, self.name, TRAINING_JOB.plural)
        self._since = str(found["metadata"]["resourceVersion"])

    def create(self, manifest: Json) -> "Job":
        """Make a resource."""
        made = self._custom.create_namespaced_custom_object(
            GROUP, VERSION, self.name, KINDS[manifest["kind"]].plural, manifest
        )
        return self.job(manifest["kind"], made["metadata"]["name"])

    def would_take(self, manifest: Json) -> bool:
        """Whether the API server would take a manifest."""
        try:
            self._custom.create_namespaced_custom_object(
                GROUP, VERSION, self.name, KINDS[manifest["kind"]].plural, manifest, dry_run="All"
            )
        except client.ApiException as error:
            if error.status != 422:
                raise
            return False
        return True

    def create_all(self, manifests: Iterable[Json]) -> list["Job"]:
        return [self.create(manifest) for manifest in manifests]

    def job(self, kind: str, name: str) -> "Job":
        return Job(self, KINDS[kind], name)

    def get(self, kind: ResourceKind, name: str) -> Json | None:
        """Read a resource; None if there is none."""
        try:
            found: Json = self._custom.get_namespaced_custom_object(
                GROUP, VERSION, self.name, kind.plural, name
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    def all(self) -> list[Json]:
        """Read all resources."""
        return [
            item
            for kind in NAMESPACED
            for item in self._custom.list_namespaced_custom_object(GROUP, VERSION, self.name, kind.plural)[
                "items"
            ]
        ]

    def schedule(self, name: str, template: Json, *, overdue: bool = False, **spec: Any) -> None:
        """Make a JobSchedule that has a run at each full hour.

        Args:
            name: its name.
            template: the manifest of a job.
            overdue: whether it is as after an outage of some hours.
            spec: of the schedule.
        """
        inner = {"kind": template["kind"], "spec": template["spec"]}
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": JOB_SCHEDULE.name,
            "metadata": {"name": name},
            "spec": {"schedule": "0 * * * *", "template": inner, **spec},
        }
        self._custom.create_namespaced_custom_object(GROUP, VERSION, self.name, JOB_SCHEDULE.plural, body)
        if overdue:
            self.neglect(name)

    def neglect(self, name: str, hours: float = 3) -> None:
        """Let a JobSchedule be as if nobody had looked after it for some hours; its status says so."""
        spec = (self.get(JOB_SCHEDULE, name) or {})["spec"]
        since = datetime.now(UTC) - timedelta(hours=hours)
        record = {"schedule": spec["schedule"], "since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
        self._custom.patch_namespaced_custom_object_status(
            GROUP,
            VERSION,
            self.name,
            JOB_SCHEDULE.plural,
            name,
            {"status": {"record": record}},
            _content_type="application/merge-patch+json",
        )

    def runs(self, schedule: str) -> list[Json]:
        """The runs of a JobSchedule, the oldest first."""
        found = [
            item
            for item in self.all()
            if (item["metadata"].get("labels") or {}).get("mljobs.dev/schedule") == schedule
        ]
        return sorted(found, key=lambda item: int(item["metadata"]["resourceVersion"]))

    def patch(self, kind: ResourceKind, name: str, change: Json) -> Json:
        """Merge a change into a resource."""
        patched: Json = self._custom.patch_namespaced_custom_object(
            GROUP, VERSION, self.name, kind.plural, name, change, _content_type="application/merge-patch+json"
        )
        return patched

    def history(self, kind: JobKind) -> Iterator[tuple[str, Json]]:
        """What a watch has told of all resources of a kind since `begin_history`, and goes on to tell.

        It begins when the namespace is made. The API server replays what has happened already, a hundred
        events at least. Yields the type of the event and the object.
        """
        for event in watch.Watch().stream(  # type: ignore[no-untyped-call]
            self._custom.list_namespaced_custom_object,
            GROUP,
            VERSION,
            self.name,
            kind.plural,
            resource_version=self._since,
            timeout_seconds=int(PATIENCE),
        ):
            yield event["type"], event["object"]

    def delete(self, kind: ResourceKind, name: str) -> None:
        """Ask for a resource's deletion."""
        self._custom.delete_namespaced_custom_object(GROUP, VERSION, self.name, kind.plural, name)

    def delete_all(self) -> None:
        """Ask for the deletion of all resources."""
        for kind in reversed(NAMESPACED):  # schedules first, which would go on
            self._custom.delete_collection_namespaced_custom_object(GROUP, VERSION, self.name, kind.plural)

    def release_all(self) -> None:
        """Take all finalizers away by force."""
        for left in self.all():
            self.patch(ALL_KINDS[left["kind"]], left["metadata"]["name"], {"metadata": {"finalizers": None}})

    def events(self, uid: str) -> list[Json]:
        """The events about one object, in the order in which they were made."""
        found = self._core.list_namespaced_event(self.name, field_selector=f"involvedObject.uid={uid}").items
        found.sort(key=lambda event: int(event.metadata.resource_version))
        return [
            {"type": event.type, "reason": event.reason, "message": event.message, "count": event.count}
            for event in found
        ]

    def report(self) -> str:
        """How the resources, the operator and the service are now."""
        lines = [
            f"{item['kind']} {item['metadata']['name']}: {json.dumps(item.get('status'))[:1000]}"
            for item in self.all()[:4]
        ]
        return "\n".join([*lines, self._report()])


@dataclass(frozen=True)
class Job:
    """One TrainingJob or PredictionJob."""

    namespace: Namespace
    kind: JobKind
    name: str

    def object(self) -> Json | None:
        """The whole object, or None once it is gone."""
        return self.namespace.get(self.kind, self.name)

    def metadata(self) -> Json:
        found = self.object()
        assert found is not None, f"{self.name} is gone"
        metadata: Json = found["metadata"]
        return metadata

    def status(self) -> Json:
        """Its status; empty if there is none."""
        return (self.object() or {}).get("status") or {}

    def statuses_until(self, state: str) -> list[Json]:
        """All statuses that it has ever had, up to the first with that state."""
        statuses: list[Json] = []
        for _, found in self.namespace.history(self.kind):
            if found["metadata"]["name"] == self.name:
                statuses.append(found.get("status") or {})
                if statuses[-1].get("state") == state:
                    return statuses
        pytest.fail(f"{self.name} was never {state}: {statuses}")

    @property
    def uid(self) -> str:
        return str(self.metadata()["uid"])

    @property
    def job_id(self) -> str:
        """The cloud job's id, once the status has it."""
        return str(self.until_status(lambda status: status.get("jobId"), "a job id")["jobId"])

    def until_status(self, accept: Callable[[Json], Any], what: str, within: float = PATIENCE) -> Json:
        """Wait for a status."""
        return eventually(
            self.status, accept, what=f"{self.name}: {what}", within=within, report=self.namespace.report
        )

    def until_state(self, *states: str, within: float = PATIENCE) -> Json:
        """Wait until the status has one of these states, and give the status."""
        return self.until_status(
            lambda status: status.get("state") in states, f"state {' or '.join(states)}", within
        )

    def until_condition(
        self, kind: str, status: str, reason: str | None = None, within: float = PATIENCE
    ) -> Json:
        """Wait for a condition, and give it."""

        def there(shown: Json) -> bool:
            found = condition(shown, kind)
            return found.get("status") == status and reason in (None, found.get("reason"))

        return condition(self.until_status(there, f"{kind}={status} {reason or ''}", within), kind)

    def until_observed(self) -> Json:
        """Wait until the status speaks of the newest generation, and give it."""
        generation = self.metadata()["generation"]
        return self.until_status(
            lambda status: status.get("observedGeneration") == generation, f"generation {generation} was seen"
        )

    def until_gone(self, within: float = PATIENCE) -> None:
        eventually(
            self.object,
            lambda found: found is None,
            what=f"{self.name} is gone",
            within=within,
            report=self.namespace.report,
        )

    def patch(self, change: Json) -> Json:
        return self.namespace.patch(self.kind, self.name, change)

    def patch_spec(self, **fields: Any) -> Json:
        return self.patch({"spec": fields})

    def annotate(self, **annotations: str) -> Json:
        return self.patch({"metadata": {"annotations": annotations}})

    def delete(self) -> None:
        self.namespace.delete(self.kind, self.name)

    def events(self, count: int) -> list[Json]:
        """Its events, in order, once there are so many: an event comes after the status that it is about."""
        return eventually(
            lambda: self.namespace.events(self.uid),
            lambda events: len(events) >= count,
            what=f"{self.name}: {count} events",
            report=self.namespace.report,
        )

    def expect_events(self, *reasons: str) -> None:
        """Its events have these reasons, in this order, and there are no others."""
        events = self.events(len(reasons))
        assert [event["reason"] for event in events] == list(reasons), events


@contextmanager
def job_classes(api: client.ApiClient, specs: Mapping[str, Json], *, gone: bool = False) -> Iterator[None]:
    """JobClasses by name while they are needed, the first of them the default.

    Args:
        api: of the administrator.
        specs: by name.
        gone: whether a test may delete them itself.
    """
    place = {"group": GROUP, "version": VERSION, "plural": JOB_CLASS.plural}
    custom: Any = client.CustomObjectsApi(api)
    for number, (name, spec) in enumerate(specs.items()):
        metadata = {"name": name, "annotations": {} if number else {DEFAULT_CLASS: "true"}}
        body = {"apiVersion": API_VERSION, "kind": "JobClass", "metadata": metadata, "spec": spec}
        custom.create_cluster_custom_object(**place, body=body)
    try:
        for name in specs:
            eventually(
                partial(custom.get_cluster_custom_object, **place, name=name),
                lambda found: condition(found.get("status", {}), "Ready"),
                what=f"the operator has read the class {name}",
            )
        yield
    finally:
        for name in specs:
            try:
                custom.delete_cluster_custom_object(**place, name=name)
            except client.ApiException as error:
                if not (gone and error.status == HTTPStatus.NOT_FOUND):
                    raise


def condition(status: Mapping[str, Any], kind: str) -> Json:
    """A condition of a status; empty if it has none of the type."""
    return next((dict(row) for row in status.get("conditions") or () if row["type"] == kind), {})


def conditions(status: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """All conditions of a status: status and reason by type."""
    return {row["type"]: (row["status"], row["reason"]) for row in status.get("conditions") or ()}


def training(name: str, spec: Json | None = None, **training_input: Any) -> Json:
    """The manifest of a valid TrainingJob."""
    return _manifest(
        TRAINING_JOB,
        name,
        spec,
        {"region": "us-central1", "masterConfig": {"imageUri": "gcr.io/team/trainer:1"}, **training_input},
    )


def prediction(name: str, spec: Json | None = None, **prediction_input: Any) -> Json:
    """The manifest of a valid PredictionJob."""
    return _manifest(
        PREDICTION_JOB,
        name,
        spec,
        {
            "region": "us-central1",
            "dataFormat": "JSON",
            "inputPaths": ["gs://bucket/in/*"],
            "outputPath": "gs://bucket/out",
            "modelName": "projects/team/models/census",
            **prediction_input,
        },
    )


def _manifest(kind: JobKind, name: str, spec: Json | None, job_input: Json) -> Json:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind.name,
        "metadata": {"name": name},
        "spec": {kind.input_field: job_input, **(spec or {})},
    }


def of_kind(kind: JobKind, name: str, spec: Json | None = None) -> Json:
    """The manifest of a valid resource of a kind."""
    return training(name, spec) if kind is TRAINING_JOB else prediction(name, spec)
