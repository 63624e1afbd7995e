"""What is known of `ml` v1 without a request: how jobs are named, what reading them costs, their pages."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mljobs.backends.mlv1 import claims, links, refuse
from mljobs.domain import errors
from mljobs.domain.port import Capabilities, Claims, Owner, Polling, Reference, Scope
from mljobs.domain.spec.problems import Problem

JOB_ID_LIMIT = 128
"""`^[A-Za-z][A-Za-z0-9_]{0,127}$` (AI Platform documentation of jobs.create)."""

COLLECTION = "jobs"
"""What a page of `list` has the jobs under, and the last word of the URL that creates one."""

PAGE_SIZE = 100
"""Jobs in a page of `list`: the API's maximum (discovery document)."""

PAGES_FROM = 25
"""From this number of watched jobs in a project on, pages of `list` are cheaper than a `get` for each."""

_NOT_ID = re.compile(r"[^A-Za-z0-9_]")
_JOB_NAME = re.compile(r"projects/([^/]+)/jobs/([^/]+)")


class MlV1Facts:
    """`domain.port.Facts`: the client names the jobs; their labels and IAM policies can be changed.

    Args:
        locations: the regions that the administrator allows; none: all.
    """

    capabilities = Capabilities(client_names_jobs=True, labels=True, iam=True)
    polling = Polling(PAGE_SIZE, PAGES_FROM)

    def __init__(self, locations: Sequence[str] = ()) -> None:
        self.locations = tuple(locations)

    @staticmethod
    def names(reference: Reference) -> bool:
        """Whether a reference is a job of this service."""
        return _JOB_NAME.fullmatch(reference) is not None

    def location(self, spec: Mapping[str, Any], /) -> str:
        """The region of the spec's input, which the service asks for."""
        for field in ("trainingInput", "predictionInput"):
            part = spec.get(field)
            if isinstance(part, Mapping):
                return str(part.get("region") or "")
        return ""

    def scope(self, project: str, _location: str, /) -> Scope:
        """The project: its jobs of all regions are listed together."""
        return Scope(f"projects/{project}")

    def scopes(self, project: str, /) -> Sequence[Scope]:
        """The project."""
        return [self.scope(project, "")]

    def scope_of(self, reference: Reference) -> Scope:
        """The project of a job."""
        return Scope(reference.partition("/jobs/")[0])

    def location_of(self, _reference: Reference, /) -> str:
        """Nowhere: a job's name has no region."""
        return ""

    def job_id(self, owner: Owner, attempt: int, chosen: str | None) -> str:
        """Name the job of one attempt: the first as chosen, later ones with a suffix.

        Names that are too long are truncated, and kept distinct by a digest.

        Returns:
            1 to 128 characters of `[A-Za-z][A-Za-z0-9_]*`.
        """
        if chosen:
            return chosen if attempt == 1 else _numbered(chosen, attempt)
        readable = _NOT_ID.sub("_", f"{owner.namespace}_{owner.name}")
        if not readable[0].isalpha():
            readable = f"j_{readable}"
        return _bounded(readable, f"_{_digest(owner.uid, 16)}_{attempt}")

    def reference(self, scope: Scope, job_id: str) -> Reference | None:
        """`projects/P/jobs/ID`."""
        return Reference(f"{scope}/jobs/{job_id}")

    def links(self, reference: Reference) -> Mapping[str, str]:
        """The console's pages, as `gcloud ai-platform jobs describe` prints them."""
        project, job_id = parts(reference)
        return {
            "consoleUrl": links.console_url(project, job_id),
            "logsUrl": links.logs_url(project, job_id),
        }

    def review(self, kind: str, spec: Mapping[str, Any], /) -> Sequence[Problem]:
        """The fields of a spec that only another service has, and an input that is missing here."""
        return refuse.review(kind, spec)

    def claims(self, kind: str, spec: Mapping[str, Any], /) -> Claims:
        """What a job would use."""
        return claims.claims(kind, spec)


def parts(reference: Reference) -> tuple[str, str]:
    """The project and the id of a job.

    Raises:
        Rejected: it is not a reference of this service; nothing is sent.
    """
    match = _JOB_NAME.fullmatch(reference)
    if match is None:
        raise errors.Rejected(f"{reference!r} is not a job's name, projects/PROJECT/jobs/ID", status=0)
    return match[1], match[2]


def _numbered(chosen: str, attempt: int) -> str:
    suffix = f"_{attempt}"
    if len(chosen) + len(suffix) <= JOB_ID_LIMIT:
        return chosen + suffix
    return _bounded(chosen, f"_{_digest(chosen, 16)}{suffix}")


def _bounded(readable: str, suffix: str) -> str:
    return readable[: JOB_ID_LIMIT - len(suffix)] + suffix


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
