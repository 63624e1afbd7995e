"""What is known of the tiny service without asking it."""

from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.domain import errors
from mljobs.domain.port import Capabilities, Claims, Owner, Polling, Reference, Scope
from mljobs.domain.spec.problems import Problem


class TinyFacts:
    """`domain.port.Facts`: the service names its jobs, and nothing of a job can be changed."""

    capabilities = Capabilities(client_names_jobs=False, labels=False, iam=False)
    polling = Polling(page_size=10, pages_from=5)

    locations: Sequence[str] = ()

    def location(self, _spec: Mapping[str, Any], /) -> str:
        return ""

    def scope(self, project: str, _location: str, /) -> Scope:
        return Scope(project)

    def scopes(self, project: str, /) -> Sequence[Scope]:
        return [self.scope(project, "")]

    def scope_of(self, reference: Reference, /) -> Scope:
        return Scope(reference.partition("#")[0])

    def location_of(self, _reference: Reference, /) -> str:
        return ""

    def job_id(self, owner: Owner, attempt: int, chosen: str | None, /) -> str:
        return chosen or f"{owner.namespace}/{owner.name} ({attempt})"

    def reference(self, _scope: Scope, _job_id: str, /) -> Reference | None:
        return None

    def links(self, _reference: Reference, /) -> Mapping[str, str]:
        return {}

    def review(self, _kind: str, _spec: Mapping[str, Any], /) -> Sequence[Problem]:
        return ()

    def claims(self, _kind: str, _spec: Mapping[str, Any], /) -> Claims:
        return Claims()


def reference_of(project: str, number: int) -> Reference:
    """Name a run."""
    return Reference(f"{project}#{number}")


def parts(reference: Reference) -> tuple[str, int]:
    """The project and the number of a run.

    Raises:
        Rejected: it names none; nothing is sent.
    """
    project, mark, number = reference.partition("#")
    if not (project and mark and number.isdecimal()):
        raise errors.Rejected(f"{reference!r} names no run", status=0)
    return project, int(number)
