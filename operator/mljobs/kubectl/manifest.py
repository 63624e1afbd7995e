"""Manifests: a resource's name for a job's, and all that stands around a spec."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from mljobs.api.patterns import JOB_ID
from mljobs.domain.spec.metadata import NAME_LIMIT, is_resource_name

Manifest = dict[str, Any]

_JOB_ID = re.compile(JOB_ID)
_DIGEST = 8


def is_job_id(text: str) -> bool:
    """Whether the service takes this as a job's id (documentation of jobs.create)."""
    return _JOB_ID.fullmatch(text) is not None


def resource_name(text: str) -> str:
    """Make a resource's name of a job's: `Census_nightly` becomes `census-nightly`.

    Returns:
        The text itself where it is legal; otherwise in lower case, with a hyphen for each other run of
        characters. Empty where no letter or digit of ASCII is in it.
    """
    if is_resource_name(text):
        return text
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:NAME_LIMIT].strip("-")


def resource_names(titles: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    """Name the resources of several jobs, no two alike and none as those that exist.

    Args:
        titles: what people call each job, by an id that is its own alone. Titles may be alike, or differ in
            what names have not, such as case.
        taken: names that are in use.

    Returns:
        A name for each id: readable, and where that is not its own alone, with a digest of the id.
    """
    plain = {job_id: resource_name(title) for job_id, title in titles.items()}
    counts = Counter(plain.values())
    return {
        job_id: name
        if name and counts[name] == 1 and name not in taken
        else _told_apart(name or "job", job_id)
        for job_id, name in plain.items()
    }


def _told_apart(name: str, job_id: str) -> str:
    digest = hashlib.sha256(job_id.encode()).hexdigest()[:_DIGEST]
    return f"{name[: NAME_LIMIT - _DIGEST - 1]}-{digest}"


def manifest(
    kind: str,
    name: str,
    spec: Mapping[str, Any],
    *,
    namespace: str | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Make a manifest.

    Args:
        kind: `TrainingJob` or `PredictionJob`.
        name: of the resource.
        spec: in canonical form.
        namespace: of the resource; None to leave it open.
        annotations: of the resource.
    """
    from mljobs.api.resources import API_VERSION

    metadata: Manifest = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": dict(spec)}
