# ruff: noqa: RUF012  (pydantic copies the defaults)
"""The chart's values: one model, from which values.yaml, its schema and the table of the README are made.

A value is documented here and nowhere else. What is under `config` are the settings of
`mljobs.config.Settings`, with their own documentation.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model
from pydantic.alias_generators import to_camel

from mljobs.api.base import JsonObject
from mljobs.api.patterns import DNS_LABEL
from mljobs.config import DNS_LABEL_PATTERN, Settings
from tools.packaging.scheduling import (
    Affinity,
    EnvVar,
    NamedRef,
    Part,
    Passed,
    Resources,
    Toleration,
    TopologySpreadConstraint,
)

CHART_SETS = frozenset(
    {"namespaces", "host", "port", "leader_election", "lease_namespace", "lease_name", "tables"}
)
"""Settings that follow from other values, so that they cannot contradict them."""

Name = Annotated[str, Field(pattern=rf"^({DNS_LABEL})?$", max_length=53)]
Namespace = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, max_length=63)]
ObjectName = Annotated[str, Field(pattern=r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$", max_length=253)]
Duration = Annotated[str, Field(pattern=r"^([0-9]+(ms|s|m|h))+$")]
Texts = dict[str, str]
Port = Annotated[int, Field(ge=1, le=65535)]

if TYPE_CHECKING:
    Config = Part
else:
    Config = create_model(
        "Config",
        __base__=Part,
        __doc__="Settings of the operator; they become its configuration file, and a change rolls the Pods.",
        **{
            name: (field.annotation, field)
            for name, field in Settings.model_fields.items()
            if name not in CHART_SETS
        },
    )


class Image(Part):
    """The operator's image."""

    repository: Annotated[str, Field(min_length=1)] = "mljobs-operator"
    """The image without a tag. It is not published: `make image` builds it; push it to a registry that your
    nodes can pull from, and name it here."""

    tag: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$")] = ""
    """The tag. Empty: the chart's appVersion."""

    digest: Annotated[str, Field(pattern=r"^(sha256:[a-f0-9]{64})?$")] = ""
    """The digest, as `sha256:…`. It wins over the tag, and pins what runs."""

    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When the nodes pull the image."""


class ExistingSecret(Part):
    """A Secret with a key file."""

    name: ObjectName = ""
    """An existing Secret of the release's namespace that holds the JSON key of a Google service account. It
    is mounted as a file, so that a renewed key needs no restart. Empty: none."""

    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")] = "key.json"
    """The entry of the Secret."""


class Federation(Part):
    """Workload identity federation, outside Google's clusters."""

    config_map: ObjectName = ""
    """An existing ConfigMap of the release's namespace with the credential configuration of workload identity
    federation (`gcloud iam workload-identity-pools create-cred-config`), whose `credential_source.file` is
    `/var/run/secrets/mljobs/token`. Empty: none."""

    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")] = "credentials.json"
    """The entry of the ConfigMap."""

    audience: str = ""
    """The audience of the token that is exchanged: the one that the pool's provider expects."""


class Credentials(Part):
    """How the operator proves to Google who it is."""

    existing_secret: ExistingSecret = ExistingSecret()
    federation: Federation = Federation()

    key: str = ""
    """Refused on purpose, with a hint: a key among the values would be kept in the release's history."""


class ServiceAccount(Part):
    """The operator's identity in the cluster."""

    create: bool = True
    """Whether the chart makes the ServiceAccount."""

    name: ObjectName = ""
    """Its name. Empty: the full name of the release. Required if `create` is false."""

    annotations: Texts = {}
    """Its annotations. On GKE, workload identity is
    `iam.gke.io/gcp-service-account: NAME@PROJECT.iam.gserviceaccount.com`."""


class Rbac(Part):
    """Roles."""

    create: bool = True
    """Whether the chart makes the operator's roles: a ClusterRole, or a Role in each of `watchNamespaces`;
    and a Role for the Lease."""

    namespace_deletion: Literal["None", "Patch", "ReadAndPatch"] = "Patch"
    """With `watchNamespaces`: which rights outlive the Role of a namespace that is deleted, since they are
    granted in the whole cluster. `Patch` cancels what runs there and lets the namespace end; an admission
    policy confines it to `watchNamespaces`. `ReadAndPatch` does so after a restart meanwhile, too, and lets
    the operator read both kinds everywhere. With `None` the namespace waits for `mljobs leftovers`."""

    identity_service_accounts: list[ObjectName] = []
    """Names of ServiceAccounts in the namespaces of users that a JobClass may have as its identity
    (`spec.identity.serviceAccountRef`): the operator may request their tokens, and no others'. Take a name
    that nothing else uses."""

    aggregate: bool = True
    """Whether the cluster's own roles view, edit and admin get rights for the kinds for users. Switch it off
    for a second release of the same name in another namespace."""


class Crds(Part):
    """The CustomResourceDefinitions."""

    enabled: bool = True
    """Whether the release installs and upgrades CRDs and policies. Only one release of a cluster can."""

    keep: bool = True
    """Whether the CRDs with all resources, and the policies, stay when the release is uninstalled."""


class AdmissionPolicy(Part):
    """The limits of JobClasses at the API server."""

    enabled: bool = False
    """Whether to make a ValidatingAdmissionPolicy by which `kubectl apply` already refuses what a JobClass
    does not give: namespaces, projects, regions and accounts. The operator keeps to them in any case, and to
    machine types and limits, too."""


class PodDisruptionBudget(Part):
    """Evictions."""

    enabled: bool = True
    """Whether evictions leave replicas alone that are needed."""

    max_unavailable: Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^[0-9]+%$")] = 1
    """How many replicas may be evicted at once, as a number or a percentage."""


class Service(Part):
    """The Service of the metrics."""

    port: Port = 8080
    """The port of the metrics' Service."""

    annotations: Texts = {}
    """Its annotations."""


class ServiceMonitor(Part):
    """Scraping by the Prometheus operator."""

    enabled: bool = False
    """Whether to make a ServiceMonitor; the cluster needs the Prometheus operator's CRDs."""

    labels: Texts = {}
    """Labels by which your Prometheus selects it."""

    interval: Duration = "30s"
    """Time between two scrapes."""

    scrape_timeout: Duration = "10s"
    """Time for one scrape."""


class PrometheusRule(Part):
    """Alerts."""

    enabled: bool = False
    """Whether to make a PrometheusRule with alerts; the cluster needs the Prometheus operator's CRDs."""

    labels: Texts = {}
    """Labels by which your Prometheus selects it."""


class Dashboard(Part):
    """The Grafana dashboard."""

    enabled: bool = False
    """Whether to make a ConfigMap with a Grafana dashboard."""

    labels: Texts = {"grafana_dashboard": "1"}
    """Labels by which Grafana's sidecar finds it."""

    annotations: Texts = {}
    """Its annotations; the sidecar can take a folder from one."""


class NetworkPolicy(Part):
    """What may connect to what."""

    enabled: bool = False
    """Whether to let in only scrapes of the metrics, and out only DNS, the API server and Google's APIs."""

    metrics_from_namespaces: list[Namespace] = []
    """The only namespaces that may scrape the metrics. Empty: all."""

    api_server_ports: list[Port] = [443, 6443]
    """The ports at which the API server may be reached, behind its Service too. 443 is for Google's APIs and
    token services: docs/install.md lists the hosts, for policies that know names."""

    extra_egress_ports: list[Port] = []
    """More TCP ports that may be reached: of a proxy, of another endpoint of the job service, or of the URL
    that a federation's configuration names as its credential source."""


class Values(Part):
    """All values of the chart."""

    replica_count: Annotated[int, Field(ge=0)] = 2
    """Replicas. One works, holding the Lease; the others are ready to take over."""

    image: Image = Image()

    image_pull_secrets: list[NamedRef] = []
    """Secrets for pulling the image, as `[{name: …}]`."""

    name_override: Name = ""
    """In place of the chart's name in the names of objects."""

    fullname_override: Name = ""
    """In place of release and chart in the names of objects."""

    watch_namespaces: Annotated[list[Namespace], Field(json_schema_extra={"uniqueItems": True})] = []
    """The namespaces whose resources are reconciled; the operator gets a Role in each, and they must exist.
    Empty: the whole cluster."""

    config: Config = Config()

    vertex_tables: str = ""
    """A YAML text that is laid over the tables by which legacy names become Vertex AI's: machines, tiers,
    images, models (`--set-file vertexTables=tables.yaml`). docs/vertex-ai.md tells what they hold."""

    credentials: Credentials = Credentials()

    service_account: ServiceAccount = ServiceAccount()

    rbac: Rbac = Rbac()

    crds: Crds = Crds()

    admission_policy: AdmissionPolicy = AdmissionPolicy()

    resources: Resources = Resources(requests={"cpu": "50m", "memory": "192Mi"}, limits={"memory": "512Mi"})
    """What each replica asks for, and gets at most."""

    run_as_user: Annotated[int, Field(ge=1)] | None = 65532
    """The user and group that the Pods run as. null: what the cluster assigns, as on OpenShift."""

    extra_env: list[EnvVar] = []
    """More environment variables, as in a container. `MLJOBS_…` win over `config`."""

    pod_annotations: Texts = {}
    """Annotations of the Pods."""

    pod_labels: Texts = {}
    """Labels of the Pods."""

    priority_class_name: str = ""
    """The PriorityClass of the Pods."""

    node_selector: Texts = {}
    """Labels of the nodes that the Pods may run on."""

    tolerations: list[Toleration] = []
    """Taints of nodes that the Pods put up with."""

    affinity: Affinity = Affinity()
    """Which nodes and which other Pods the Pods go to, or keep away from."""

    topology_spread_constraints: list[TopologySpreadConstraint] = []
    """How the Pods are spread over nodes and zones. A constraint without a labelSelector gets that of the
    Pods."""

    pod_disruption_budget: PodDisruptionBudget = PodDisruptionBudget()

    service: Service = Service()

    service_monitor: ServiceMonitor = ServiceMonitor()

    prometheus_rule: PrometheusRule = PrometheusRule()

    dashboard: Dashboard = Dashboard()

    network_policy: NetworkPolicy = NetworkPolicy()


def rows(model: type[Part] = Values, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Each value, in the order of values.yaml: its path, its documentation and its default as JSON."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{to_camel(name)}"
        default = field.get_default(call_default_factory=True)
        if isinstance(default, Part) and not isinstance(default, Passed):
            yield from rows(type(default), f"{path}.")
        else:
            yield path, " ".join((field.description or "").split()), as_json(default)


def schema() -> JsonObject:
    """The JSON schema of the values, as Helm takes it; what is not named in it is refused."""
    document = _tidy(Values.model_json_schema(by_alias=True))
    # Helm hands these to every chart that is part of another one.
    document["properties"] |= {
        "global": {"type": "object", "description": "Values of a parent chart; not used."},
        "enabled": {"type": "boolean", "description": "Condition of a parent chart; not used."},
    }
    title = "Values of the mljobs-operator chart"
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, **document}


def _tidy(node: JsonObject) -> JsonObject:
    """Drop titles, which repeat the names, and defaults, which are in values.yaml; recursive."""
    tidied = {word: value for word, value in node.items() if word not in ("title", "default")}
    if "description" in tidied:
        tidied["description"] = " ".join(tidied["description"].split())
    for word in ("properties", "$defs"):
        if word in tidied:
            tidied[word] = {name: _tidy(child) for name, child in tidied[word].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(tidied.get(word), dict):
            tidied[word] = _tidy(tidied[word])
    if "anyOf" in tidied:
        tidied["anyOf"] = [_tidy(child) for child in tidied["anyOf"]]
    return tidied


def as_json(value: Any) -> Any:
    """A default of values.yaml."""
    if isinstance(value, Part):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return list(value) if isinstance(value, tuple) else value
