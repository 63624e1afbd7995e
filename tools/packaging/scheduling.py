"""The parts of a Pod that the chart's values pass on, field by field, so that a typo in them is refused.

Names, types and allowed words are those of the Kubernetes API (core/v1).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Weight = Annotated[int, Field(ge=1, le=100)]


class Part(BaseModel):
    """Something in the chart's values: unknown keys are refused, and names are camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Passed(Part):
    """Something that goes into the Pod as it is. A default only says that a field may be left out."""


class SelectorRequirement(Passed):
    """One expression of a label selector."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []


class LabelSelector(Passed):
    """Selects objects by their labels."""

    match_labels: dict[str, str] = {}
    match_expressions: list[SelectorRequirement] = []


class NodeRequirement(Passed):
    """One expression of a node selector."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: list[str] = []


class NodeTerm(Passed):
    """Selects nodes by labels and fields."""

    match_expressions: list[NodeRequirement] = []
    match_fields: list[NodeRequirement] = []


class PreferredNodes(Passed):
    """Nodes that are better than others."""

    weight: Weight
    preference: NodeTerm


class RequiredNodes(Passed):
    """The only nodes that will do."""

    node_selector_terms: Annotated[list[NodeTerm], Field(min_length=1)]


class NodeAffinity(Passed):
    """Which nodes to run on."""

    preferred_during_scheduling_ignored_during_execution: list[PreferredNodes] = []
    required_during_scheduling_ignored_during_execution: RequiredNodes = RequiredNodes(
        node_selector_terms=[NodeTerm()]
    )


class PodTerm(Passed):
    """Other Pods, and how near counts as together."""

    topology_key: str
    label_selector: LabelSelector = LabelSelector()
    match_label_keys: list[str] = []
    mismatch_label_keys: list[str] = []
    namespaces: list[str] = []
    namespace_selector: LabelSelector = LabelSelector()


class WeightedPodTerm(Passed):
    """Other Pods, and how much they matter."""

    weight: Weight
    pod_affinity_term: PodTerm


class PodAffinity(Passed):
    """Which Pods to run near to, or far from."""

    preferred_during_scheduling_ignored_during_execution: list[WeightedPodTerm] = []
    required_during_scheduling_ignored_during_execution: list[PodTerm] = []


class Affinity(Passed):
    """Where Pods like to run."""

    node_affinity: NodeAffinity = NodeAffinity()
    pod_affinity: PodAffinity = PodAffinity()
    pod_anti_affinity: PodAffinity = PodAffinity()


class Toleration(Passed):
    """A taint that is put up with."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"
    toleration_seconds: int = 0


class TopologySpreadConstraint(Passed):
    """How Pods are spread."""

    max_skew: Annotated[int, Field(ge=1)]
    topology_key: str
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    label_selector: LabelSelector = LabelSelector()
    match_label_keys: list[str] = []
    min_domains: Annotated[int, Field(ge=1)] = 1
    node_affinity_policy: Literal["Honor", "Ignore"] = "Honor"
    node_taints_policy: Literal["Honor", "Ignore"] = "Ignore"


class KeyRef(Passed):
    """A key of a ConfigMap or a Secret."""

    name: str
    key: str
    optional: bool = False


class FieldRef(Passed):
    """A field of the Pod."""

    field_path: str
    api_version: str = "v1"


class ResourceFieldRef(Passed):
    """A resource of a container."""

    resource: str
    container_name: str = ""
    divisor: str = "1"


class EnvSource(Passed):
    """Where a variable's value comes from."""

    config_map_key_ref: KeyRef = KeyRef(name="", key="")
    secret_key_ref: KeyRef = KeyRef(name="", key="")
    field_ref: FieldRef = FieldRef(field_path="")
    resource_field_ref: ResourceFieldRef = ResourceFieldRef(resource="")


class EnvVar(Passed):
    """An environment variable."""

    name: Annotated[str, Field(min_length=1)]
    value: str = ""
    value_from: EnvSource = EnvSource()


class NamedRef(Passed):
    """An object of the same namespace."""

    name: Annotated[str, Field(min_length=1)]


Quantity = str | int | float


class Resources(Passed):
    """What a container gets."""

    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}
