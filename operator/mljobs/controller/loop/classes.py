"""The JobClasses and the namespaces' labels as last read, and what they give each resource.

A class that cannot be read is no class: while it is not known which there are, nothing new is submitted.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from mljobs.api.base import JsonObject
from mljobs.api.jobclass import JOB_CLASS
from mljobs.controller.kube.errors import KubeError, NotServed
from mljobs.controller.loop.store import Key, number
from mljobs.domain.classes.choice import other_defaults, standing_of
from mljobs.domain.classes.job_class import JobClass, Route, Standing, problem_of
from mljobs.domain.job.resource import Resource
from mljobs.domain.port import Facts
from mljobs.domain.reasons import Reason

logger = logging.getLogger(__name__)

RETRY = 5.0
"""Seconds between two tries to read the classes for the first time."""

LABELS_INTERVAL = 15.0
"""Seconds between two lists of the namespaces, while a class selects them by labels."""


class ClassReader(Protocol):
    """The part of the API server that classes need."""

    async def list(self, kind: str, namespace: str | None) -> tuple[list[JsonObject], str]:
        """Read all objects of a kind."""

    async def namespace_labels(self) -> Mapping[str, Mapping[str, str]]:
        """Read the labels of all namespaces, by name."""


class Classes:
    """What the classes give, and what is known of their services.

    Args:
        own: the class that the operator's settings make.
        facts_of: what is known of the service of a class; raises a ValueError for tables that make no sense.
        changed: called when what classes give may have changed.
        enabled: whether there are others than the settings' own.
        provider: exchanges tokens of ServiceAccounts for classes that name no provider; empty for none.
    """

    def __init__(
        self,
        own: JobClass,
        facts_of: Callable[[JobClass], Facts],
        changed: Callable[[], None] = lambda: None,
        *,
        enabled: bool = False,
        provider: str = "",
    ) -> None:
        self._own = own
        self._facts_of = facts_of
        self._changed = changed
        self._enabled = enabled
        self._provider = provider
        self._bodies: dict[str, JsonObject] = {}
        self._classes: dict[str, JobClass] = {}
        self._problems: dict[str, str] = {}
        self._facts: dict[str, Facts] = {}
        self._plain: dict[str, Facts] = {}
        self._labels: Mapping[str, Mapping[str, str]] = {}
        self._known = not enabled
        self._unread = "they were not read yet"
        self._pinned: dict[str, Standing] = {}
        self._ask = asyncio.Event()

    # --- what is known --------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._bodies))

    @property
    def all(self) -> Mapping[str, JobClass]:
        """The classes that can be used, by name: the settings' own where there is no other."""
        return self._classes if self._bodies else {self._own.name: self._own}

    def body(self, name: str) -> JsonObject | None:
        """The object of a class as last read."""
        return self._bodies.get(name)

    def problem(self, name: str) -> str:
        """Why a class cannot be used; empty if it can."""
        return self._problems.get(name, "")

    def other_default(self, name: str) -> bool:
        """Whether a class is a default that does not count, because a newer one is the default as well."""
        return name in other_defaults(self.all)

    def put(self, body: JsonObject) -> None:
        """Take a class as it was read; a change of its status changes nothing."""
        name = body["metadata"]["name"]
        before = self._bodies.get(name)
        if before and _version(before) > _version(body):
            return
        self._bodies[name] = body
        if before is None or _decided(before) != _decided(body):
            self._parse(name, body)
            self._changed()

    def drop(self, name: str) -> None:
        """Forget a class that was deleted."""
        if self._bodies.pop(name, None) is not None:
            for known in (self._classes, self._facts, self._problems):
                known.pop(name, None)
            self._changed()

    def _parse(self, name: str, body: JsonObject) -> None:
        for known in (self._classes, self._facts, self._problems):
            known.pop(name, None)
        try:
            made = JobClass.parse(body, self._provider)
            self._facts[name] = self._facts_of(made)
        except ValueError as error:
            self._problems[name] = problem_of(error)
        else:
            self._classes[name] = made

    # --- what it gives --------------------------------------------------------------------------------------

    def resource(self, body: Mapping[str, Any]) -> Resource:
        """Read a resource with what its class gives it."""
        standing = self._pinned.get(body["metadata"].get("uid", "")) or self._standing(body)
        resource = Resource.parse(body, self._own_facts, standing)
        if resource.submitted:
            self._pinned.pop(resource.uid, None)
        facts = self._facts_for(resource)
        return resource if facts is self._own_facts else Resource.parse(body, facts, standing)

    def pin(self, resource: Resource) -> None:
        """Keep what a resource's class gives while its job is submitted, until the record has it."""
        self._pinned[resource.uid] = resource.standing

    def unpin(self, uid: str) -> None:
        """Forget what was kept for a resource that is gone."""
        self._pinned.pop(uid, None)

    def route(self, resource: Resource) -> Route:
        """How calls about a resource's newest attempt go: as recorded, else as its class says."""
        if resource.submitted:
            return resource.route or self._own.route(resource.namespace)
        return (resource.job_class or self._own).route(resource.namespace)

    def terms(self, resource: Resource) -> JobClass:
        """The class whose limits and tables hold for a resource's calls."""
        name = str(resource.status.get("jobClassName") or "") if resource.submitted else ""
        return self._classes.get(name) or resource.job_class or self._own

    def _standing(self, body: Mapping[str, Any]) -> Standing:
        if not self._known:
            return Standing(
                reason=Reason.NO_JOB_CLASS,
                message=f"The JobClasses cannot be read, and nothing is submitted before: {self._unread}.",
            )
        namespace = body["metadata"].get("namespace", "")
        labels = self._labels.get(namespace)
        if labels is None and self._select_by_labels:
            self._ask.set()
        return standing_of(body, self.all, labels)

    def _facts_for(self, resource: Resource) -> Facts:
        route, given = self.route(resource), self.terms(resource)
        if given.service != route.service:
            given = JobClass("", route.service)
        if given is self._own:
            return self._own_facts
        return self._facts.get(given.name) or self._plain_facts(given.service)

    @property
    def _own_facts(self) -> Facts:
        if "" not in self._plain:
            self._plain[""] = self._facts_of(self._own)
        return self._plain[""]

    def _plain_facts(self, service: str) -> Facts:
        if service not in self._plain:
            self._plain[service] = self._facts_of(JobClass("", service))
        return self._plain[service]

    # --- reading --------------------------------------------------------------------------------------------

    @property
    def _select_by_labels(self) -> bool:
        return any(one.selects_by_labels for one in self._classes.values())

    async def read(self, kube: ClassReader) -> None:
        """Read all classes, and the namespaces' labels if any class needs them. Failures are logged."""
        if not self._enabled:
            return
        try:
            bodies, _ = await kube.list(JOB_CLASS.name, None)
        except NotServed:
            bodies = []  # without its definition there is no class
        except KubeError as error:
            self._unread = str(error)
            logger.warning("the JobClasses cannot be read: %s", error)
            return
        for name in self._bodies.keys() - {body["metadata"]["name"] for body in bodies}:
            self.drop(name)
        for body in bodies:
            self.put(body)
        if not self._known:
            self._known = True
            self._changed()
        await self._read_labels(kube)

    async def keep(self, kube: ClassReader, interval: float) -> None:
        """Read them again and again until cancelled, what the watch misses included."""
        passed = 0.0
        while True:
            pause = RETRY if not self._known else LABELS_INTERVAL
            try:
                await asyncio.wait_for(self._ask.wait(), pause)
                await asyncio.sleep(1)  # so that many unknown namespaces cost one list
            except TimeoutError:
                passed += pause
            self._ask.clear()
            if not self._known or passed >= interval:
                passed = 0.0
                await self.read(kube)
            else:
                await self._read_labels(kube)

    async def _read_labels(self, kube: ClassReader) -> None:
        if not self._select_by_labels:
            return
        try:
            labels = await kube.namespace_labels()
        except KubeError as error:
            logger.warning("the labels of the namespaces cannot be read: %s", error)
            return
        if labels != self._labels:
            self._labels = labels
            self._changed()


def _version(body: Mapping[str, Any]) -> int:
    return number(body["metadata"].get("resourceVersion"))


def _decided(body: Mapping[str, Any]) -> str:
    """What of a class decides anything."""
    meta = body["metadata"]
    decides = [meta.get("uid"), body.get("spec"), meta.get("annotations"), meta.get("creationTimestamp")]
    return json.dumps(decides, sort_keys=True, default=str)


def take_class(event: str | None, body: JsonObject, classes: Classes, changed: Callable[[Key], None]) -> None:
    """Handle one watch event of a class.

    Args:
        event: `DELETED`, or anything else for a class that exists.
        body: the class.
        classes: keep it.
        changed: called with its key.
    """
    name = body["metadata"]["name"]
    if event == "DELETED":
        classes.drop(name)
    else:
        classes.put(body)
    changed(Key(JOB_CLASS.name, "", name))
