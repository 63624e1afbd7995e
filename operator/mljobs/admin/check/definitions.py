"""The CRDs: that they are there, and that the API server checks resources by this version's schema.

The schema is read from what the API server publishes for all its users, so that the operator's own account,
which may read no CRD, can compare it too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mljobs import __version__
from mljobs.admin import crds
from mljobs.admin.check.cluster import Cluster, ClusterError
from mljobs.admin.check.finding import Finding, failed, ok, skipped, warning
from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import API_VERSION, GROUP, VERSION, ResourceKind

Json = Mapping[str, Any]

REMEDY = (
    "run `mljobs crds | kubectl apply --server-side --force-conflicts -f -` with the operator's version of "
    "mljobs, or upgrade the chart with crds.enabled=true"
)
"""For what `mljobs crds` prints."""

_SHOWN = 3
_COMMENT = " description"


def check_definitions(cluster: Cluster) -> list[Finding]:
    """Check the CRD of each kind.

    Raises:
        ClusterError: the API server does not answer.
    """
    served = _served(cluster)
    try:
        published = cluster.get(f"/openapi/v3/apis/{API_VERSION}").document if served else {}
    except ClusterError as error:
        # 200 with nothing in it: so it answers for a moment after a group's last CRD is gone
        if error.status not in (200, 403, 404):
            raise
        published = {}
    schemas = published.get("components", {}).get("schemas", {})
    return [_check(kind, served, schemas.get(_schema_name(kind))) for kind in ALL_KINDS.values()]


def _served(cluster: Cluster) -> frozenset[str]:
    """The plurals of our group and version, those of subresources too."""
    try:
        document = cluster.get(f"/apis/{API_VERSION}").document
    except ClusterError as error:
        if error.status == 404:
            return frozenset()
        raise
    return frozenset(str(resource.get("name")) for resource in document.get("resources") or ())


def _schema_name(kind: ResourceKind) -> str:
    return ".".join([*reversed(GROUP.split(".")), VERSION, kind.name])


def _check(kind: ResourceKind, served: frozenset[str], published: Json | None) -> Finding:
    check = f"CRD {kind.crd_name}"
    if kind.plural not in served:
        return failed(check, f"it is not installed, or does not serve {VERSION}", REMEDY)
    if published is None:
        return skipped(
            check,
            "it is installed; its schema is not published to this user",
            "try again in a few seconds, or let the user read /openapi/v3 (system:discovery)",
        )
    found = list(differences(_expected(kind), normal(published)))
    if f"{kind.plural}/status" not in served:
        found.insert(0, "the subresource status is missing")
    grave = [text for text in found if not text.endswith(_COMMENT)]
    if grave:
        return failed(check, f"it is another version's than {__version__}: {_some(grave)}", REMEDY)
    if found:
        return warning(check, f"only its comments differ from {__version__}'s: {_some(found)}", REMEDY)
    return ok(check, f"it is that of version {__version__}")


def _some(texts: list[str]) -> str:
    more = len(texts) - _SHOWN
    return "; ".join(texts[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def _expected(kind: ResourceKind) -> Json:
    (version,) = crds.definition(kind)["spec"]["versions"]
    fields = [{"fieldPath": path.removeprefix(".")} for path in kind.selectable]
    selectable = {"x-kubernetes-selectable-fields": fields} if fields else {}
    return normal({**version["schema"]["openAPIV3Schema"], **selectable})


def normal(schema: Json) -> Json:
    """Normalize a kind's schema, from a CRD or as published, so that both can be compared.

    The API server words apiVersion, kind and metadata itself, names group, version and kind, and adds the
    alternatives of an int-or-string.
    """
    own = {name: field for name, field in schema.get("properties", {}).items() if name in ("spec", "status")}
    kept = {name: value for name, value in schema.items() if name != "x-kubernetes-group-version-kind"}
    plain: Json = _without_alternatives({**kept, "properties": own})
    return plain


def _without_alternatives(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_alternatives(item) for item in value]
    if not isinstance(value, dict):
        return value
    dropped = {"anyOf"} if value.get("x-kubernetes-int-or-string") is True else set()
    return {name: _without_alternatives(item) for name, item in value.items() if name not in dropped}


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Name what is missing, additional or different in a schema, by field and keyword."""
    if not isinstance(expected, Mapping) or not isinstance(found, Mapping):
        if expected != found:
            yield f"differs: {path}"
        return
    for name in sorted({*expected, *found}):
        place = _place(path, name)
        if name not in found:
            yield f"missing: {place}"
        elif name not in expected:
            yield f"unknown: {place}"
        else:
            yield from differences(expected[name], found[name], place)


def _place(path: str, name: str) -> str:
    """The dotted path of a field, as users write it; keywords of the schema are set apart by a space."""
    if name == "properties":
        return f"{path}."
    if name == "items":
        return f"{path}[]"
    if path.endswith("."):
        return f"{path}{name}".removeprefix(".")
    return f"{path} {name}".strip()
