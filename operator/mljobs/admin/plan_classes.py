"""The JobClasses that `mljobs plan` is given, by a file or the cluster, and what they give a resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mljobs.admin.check.cluster import Cluster, ClusterError, open_cluster
from mljobs.api.jobclass import JOB_CLASS
from mljobs.api.resources import GROUP, VERSION
from mljobs.backends import facts_of_class
from mljobs.console.documents.loaded import Unreadable
from mljobs.console.documents.reading import documents
from mljobs.domain.classes.choice import choose, default_of
from mljobs.domain.classes.job_class import SECONDS, JobClass, Standing, problem_of
from mljobs.domain.classes.underlay import lay_under
from mljobs.domain.decide import AdminPolicy
from mljobs.domain.decide.admission import claim_refused, place_refused
from mljobs.domain.decide.plan import plan_target
from mljobs.domain.job.resource import Resource

if TYPE_CHECKING:
    from mljobs.domain.port import Facts
    from mljobs.domain.spec.lenient import Reading
    from mljobs.domain.spec.validate import JobSpec

CLASSES_PATH = f"/apis/{GROUP}/{VERSION}/{JOB_CLASS.plural}"


class ClassesError(Exception):
    """There is no such class, or it cannot be used; the message says why."""


@dataclass(frozen=True)
class GivenClasses:
    """The classes to choose from.

    Attributes:
        classes: by name.
        labels: of each namespace, as far as they are known.
    """

    classes: Mapping[str, JobClass]
    labels: Mapping[str, Mapping[str, str]]

    def standing(self, reading: "Reading", namespace: str) -> Standing:
        """What they give a resource."""
        return choose(
            self.classes, _text(reading.spec.get("jobClassName")), namespace, self.labels.get(namespace)
        )


@dataclass(frozen=True)
class Admitted:
    """What a class makes of a resource.

    Attributes:
        reading: with the class's defaults under its spec.
        job_class: the class.
        facts: of its service.
        notes: what could not be found out, and which class it is.
        refused: why the resource has no class; empty if it has one.
    """

    reading: "Reading"
    job_class: JobClass | None = None
    facts: "Facts | None" = None
    notes: Sequence[str] = ()
    refused: str = ""


def admit(given: GivenClasses, reading: "Reading", namespace: str) -> Admitted:
    """Choose a resource's class, and lay its defaults under the spec."""
    standing = given.standing(reading, namespace)
    chosen, notes = standing.job_class, []
    if standing.pending:
        wanted = _text(reading.spec.get("jobClassName"))
        chosen = given.classes[wanted] if wanted else default_of(given.classes)
        notes.append(
            f"the class selects namespaces by labels, and those of {namespace} are not known here: whether "
            f"it may use the class, only the cluster knows"
        )
    if chosen is None:
        return Admitted(reading, refused=standing.message)
    facts = facts_of_class(chosen)
    translates = facts.capabilities.translates
    laid = lay_under(reading.kind, reading.spec, chosen.underlay, translates=translates)
    notes.append(f"the class is {chosen.name}")
    notes += [
        f"the class gives spec.{name}: {laid[name]}"
        for name in SECONDS
        if name not in reading.spec and name in laid
    ]
    return Admitted(replace(reading, spec=laid), chosen, facts, notes)


def beyond(admitted: Admitted, spec: "JobSpec | None", namespace: str, name: str) -> Sequence[str]:
    """What of a resource its class does not allow, in the operator's own words."""
    job_class = admitted.job_class
    reading = admitted.reading
    resource = Resource(
        kind=reading.kind,
        namespace=namespace,
        name=name,
        uid=reading.uid,
        spec=reading.spec,
        facts=admitted.facts,
        standing=Standing(job_class),
    )
    from mljobs.admin.plan import DEFAULT_PROJECT

    target = plan_target(resource, AdminPolicy().within(job_class), 1)
    claiming = AdminPolicy(default_project=DEFAULT_PROJECT)  # the true one only the cluster may know
    stalls = [place_refused(resource, target), claim_refused(resource, spec, claiming) if spec else None]
    return [stall.message for stall in stalls if stall is not None]


def read_classes(value: str, namespaces: Sequence[str]) -> GivenClasses:
    """Read the classes that an option means: those of a file, or one of the cluster by its name.

    Args:
        value: a file's name, or that of a class.
        namespaces: those whose labels matter.

    Raises:
        ClassesError: there is none, or one that cannot be used.
    """
    if Path(value).suffix in (".yaml", ".yml", ".json") or Path(value).is_file():
        return GivenClasses(_usable(_of_file(Path(value))), {})
    try:
        with open_cluster() as cluster:
            found = _usable([cluster.get(f"{CLASSES_PATH}/{value}").document])
            selects = any(one.selects_by_labels for one in found.values())
            return GivenClasses(found, _labels(cluster, namespaces) if selects else {})
    except ClusterError as error:
        if error.status == 404:
            raise ClassesError(f"the cluster has no JobClass {value!r}, and there is no such file") from None
        raise ClassesError(f"{error}: {error.remedy}") from None


def _of_file(file: Path) -> list[Mapping[str, Any]]:
    try:
        found = [document.value for document in documents(file.read_text("utf-8"))]
    except OSError as error:
        raise ClassesError(f"cannot read {file}: {error.strerror}") from None
    except (UnicodeDecodeError, Unreadable) as error:
        raise ClassesError(f"cannot read {file}: {error}") from None
    bodies = [body for body in found if body.get("kind") == JOB_CLASS.name]
    if not bodies:
        raise ClassesError(f"{file} has no {JOB_CLASS.name}")
    return bodies


def _usable(bodies: Sequence[Mapping[str, Any]]) -> Mapping[str, JobClass]:
    """The classes by name; a single one is the default, whatever it says."""
    made: dict[str, JobClass] = {}
    for body in bodies:
        meta = body.get("metadata")
        name = str(meta.get("name", "")) if isinstance(meta, Mapping) else ""
        try:
            one = JobClass.parse(body)
            facts_of_class(one)
        except ValueError as error:
            raise ClassesError(f"{JOB_CLASS.name} {name}: {problem_of(error)}") from None
        made[name] = replace(one, is_default=one.is_default or len(bodies) == 1)
    return made


def _labels(cluster: Cluster, namespaces: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """The labels of namespaces, of those that exist and may be read."""
    found = {}
    for name in sorted(set(namespaces)):
        try:
            meta = cluster.get(f"/api/v1/namespaces/{name}").document.get("metadata") or {}
        except ClusterError:
            continue
        found[name] = meta.get("labels") or {}
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
