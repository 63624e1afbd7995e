"""Which method a request means, and which query parameters the method has."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from mljobs_dev.emulator.aiplatform.document import COLLECTIONS, job_document
from mljobs_dev.emulator.schema import discovery_document, snake, unknown_parameter

_PATH = re.compile(r"/+v1/projects/(?P<project>[^/]+)/jobs(?:/(?P<job>[^/:]+)(?::(?P<verb>\w+))?)?")
_METHODS = {
    ("POST", False, None): "ml.projects.jobs.create",
    ("GET", False, None): "ml.projects.jobs.list",
    ("GET", True, None): "ml.projects.jobs.get",
    ("PATCH", True, None): "ml.projects.jobs.patch",
    ("POST", True, "cancel"): "ml.projects.jobs.cancel",
    ("GET", True, "getIamPolicy"): "ml.projects.jobs.getIamPolicy",
    ("POST", True, "setIamPolicy"): "ml.projects.jobs.setIamPolicy",
    ("POST", True, "testIamPermissions"): "ml.projects.jobs.testIamPermissions",
}
_VERTEX_PATH = re.compile(
    r"/+v1/projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/"
    rf"(?P<collection>{'|'.join(COLLECTIONS)})(?:/(?P<job>[^/:]+)(?::(?P<verb>\w+))?)?"
)
_VERTEX_VERBS = {
    ("POST", False, None): "create",
    ("GET", False, None): "list",
    ("GET", True, None): "get",
    ("DELETE", True, None): "delete",
    ("POST", True, "cancel"): "cancel",
}
_ENTRIES = "/v2/entries:list"


class Route(NamedTuple):
    """A method of the API and the names in its path."""

    method: str
    project: str = ""
    job_id: str = ""
    location: str = ""


def find_route(verb: str, raw_path: str) -> Route | None:
    """The method that an HTTP verb and a path mean.

    Args:
        verb: `GET`, `POST`, `PATCH` or `DELETE`.
        raw_path: the path as it came, percent-encoded or not, a slash in a name included; clients that join
            an endpoint and a path carelessly send two slashes first.

    Returns:
        The route, or None where the API has none.
    """
    path = unquote(raw_path)
    if path.replace("//", "/") == _ENTRIES:
        return Route("logging.entries.list") if verb == "POST" else None
    match = _PATH.fullmatch(path)
    if not match:
        return _vertex_route(verb, path)
    job_id = match["job"]
    method = _METHODS.get((verb, job_id is not None, match["verb"]))
    return Route(method, match["project"], job_id or "") if method else None


def _vertex_route(verb: str, path: str) -> Route | None:
    match = _VERTEX_PATH.fullmatch(path)
    if not match:
        return None
    job_id = match["job"]
    name = _VERTEX_VERBS.get((verb, job_id is not None, match["verb"]))
    method = f"aiplatform.projects.locations.{match['collection']}.{name}"
    return Route(method, match["project"], job_id or "", match["location"]) if name else None


class Options(NamedTuple):
    """A request's query.

    Attributes:
        query: the method's own parameters, by their names in the discovery document.
        error_format: `$.xgafv`.
        pretty: whether the answer is indented.
    """

    query: Mapping[str, str]
    error_format: int = 2
    pretty: bool = False


def read_options(method: str, pairs: Iterable[tuple[str, str]]) -> Options:
    """Sort a query's parameters.

    Raises:
        ApiError: 400 for a parameter that neither the method nor every method has.
    """
    known, common = _parameters(method)
    query: dict[str, str] = {}
    error_format, pretty = 2, False
    for given, value in pairs:
        # Google's generated clients write `$alt` for `alt`, which all of its APIs take.
        name = given[1:] if given.startswith("$") and given[1:] in common else given
        if name in known:
            query[known[name]] = value
        elif name in ("$.xgafv", "x__xgafv"):
            error_format = 1 if value == "1" else 2
        elif name == "prettyPrint":
            pretty = value == "true"
        elif name not in common:
            raise unknown_parameter(name)
    return Options(query, error_format, pretty)


_DOCUMENTS: dict[str, Callable[[], Any]] = {
    "ml": lambda: discovery_document("ml.v1.json"),
    "logging": lambda: discovery_document("logging.v2.json"),
    "aiplatform": job_document,
}


@cache
def _parameters(method: str) -> tuple[Mapping[str, str], frozenset[str]]:
    """A method's query parameters by both spellings, and the names of those that all methods have."""
    document = _DOCUMENTS[method.partition(".")[0]]()
    described: Any = document
    *parents, last = method.split(".")[1:]
    for name in parents:
        described = described["resources"][name]
    parameters = described["methods"][last].get("parameters", {})
    own = [name for name, schema in parameters.items() if schema["location"] == "query"]
    spellings = {snake(name): name for name in own} | {name: name for name in own}
    return spellings, frozenset(document["parameters"])
