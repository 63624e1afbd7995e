"""Each value of the chart, something else than its default, and where it must show."""

from dataclasses import dataclass, field
from typing import Any

from mljobs.api.kinds import ALL_KINDS
from tests.e2e.chart.support_chart import FULLNAME, NAMESPACE
from tests.e2e.support import Json

DEPLOYMENT = "Deployment"
POD = "/spec/template/spec"
CONTAINER = f"{POD}/containers/0"
CHECK = "Pod"
CHECK_CONTAINER = "/spec/containers/0"
Expected = dict[tuple[str, str], Any]


@dataclass(frozen=True)
class Case:
    """One value.

    Attributes:
        path: of the value, dotted.
        value: what is set.
        shows: what must be where: kind (with a name after a slash where the kind has several) and JSON
            pointer; None: nothing.
        absent: kinds (with a name) of which there must be no object.
        given: other values that it needs to have an effect.
    """

    path: str
    value: Any
    shows: Expected = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    given: Json = field(default_factory=dict)

    @property
    def values(self) -> Json:
        """The values that are given to helm."""
        nested: Any = self.value
        for key in reversed(self.path.split(".")):
            nested = {key: nested}
        both: Json = merged(self.given, nested)
        return both


def merged(one: Any, other: Any) -> Any:
    """Two trees of values in one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: merged(one[key], other[key]) if key in one and key in other else {**one, **other}[key]
            for key in [*one, *other]
        }
    return other


def in_pods(pointer: str, value: Any) -> Expected:
    """The same in the Deployment's Pods and in the Pod of `helm test`; the pointer is below `/spec`."""
    return {(DEPLOYMENT, f"{POD}{pointer}"): value, (CHECK, f"/spec{pointer}"): value}


EXPRESSION = {"key": "zone", "operator": "In", "values": ["a"]}
SELECTOR = {"matchLabels": {"app": "x"}, "matchExpressions": [EXPRESSION]}
TERM = {
    "topologyKey": "zone",
    "labelSelector": SELECTOR,
    "matchLabelKeys": ["pod-template-hash"],
    "mismatchLabelKeys": ["tenant"],
    "namespaces": ["other"],
    "namespaceSelector": SELECTOR,
}
PODS = {
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": TERM}],
    "requiredDuringSchedulingIgnoredDuringExecution": [TERM],
}
NODE_TERM = {
    "matchExpressions": [EXPRESSION],
    "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}],
}
AFFINITY = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": NODE_TERM}],
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [NODE_TERM]},
    },
    "podAffinity": PODS,
    "podAntiAffinity": PODS,
}
TOLERATION = {
    "key": "gpu",
    "operator": "Equal",
    "value": "yes",
    "effect": "NoExecute",
    "tolerationSeconds": 60,
}
SPREAD = {
    "maxSkew": 1,
    "topologyKey": "zone",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": SELECTOR,
    "matchLabelKeys": ["pod-template-hash"],
    "minDomains": 2,
    "nodeAffinityPolicy": "Ignore",
    "nodeTaintsPolicy": "Honor",
}
ENV = [
    {"name": "MLJOBS_LOG_LEVEL", "value": "DEBUG"},
    {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}},
    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": False}}},
    {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}},
    {
        "name": "D",
        "valueFrom": {
            "resourceFieldRef": {"resource": "limits.memory", "containerName": "operator", "divisor": "1Mi"}
        },
    },
]
RESOURCES = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "2Gi"}}
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
LABELS = {"team": "ml"}
FEDERATION = {"configMap": "federation", "key": "other.json", "audience": "pool"}
USER = {"runAsUser": 1234, "runAsGroup": 1234, "fsGroup": 1234}


def _metadata(kind: str, field_name: str) -> Expected:
    return {(kind, f"/metadata/{field_name}"): LABELS}


CASES = (
    Case("replicaCount", 3, {(DEPLOYMENT, "/spec/replicas"): 3}),
    Case("image.repository", "registry/x", in_pods("/containers/0/image", "registry/x:0.1.0")),
    Case("image.tag", "v9", in_pods("/containers/0/image", "mljobs-operator:v9")),
    Case(
        "image.digest",
        DIGEST,
        in_pods("/containers/0/image", f"mljobs-operator@{DIGEST}"),
        given={"image": {"tag": "v9"}},
    ),
    Case("image.pullPolicy", "Always", in_pods("/containers/0/imagePullPolicy", "Always")),
    Case("imagePullSecrets", [{"name": "pull"}], in_pods("/imagePullSecrets", [{"name": "pull"}])),
    Case("nameOverride", "ml", {(DEPLOYMENT, "/metadata/name"): "r-ml"}),
    Case(
        "fullnameOverride",
        "trainer",
        {
            (DEPLOYMENT, "/metadata/name"): "trainer",
            (DEPLOYMENT, f"{POD}/volumes/0/configMap/name"): "trainer",
            ("Role/trainer-lease", "/rules/2/resourceNames"): ["trainer"],
        },
    ),
    Case(
        "watchNamespaces",
        ["a", "b"],
        {
            ("RoleBinding/r-mljobs-operator@a", "/subjects/0"): {"name": FULLNAME, "namespace": NAMESPACE},
            ("RoleBinding/r-mljobs-operator@b", "/roleRef/name"): FULLNAME,
            ("Role/r-mljobs-operator@a", "/rules/0/resources"): ["trainingjobs", "predictionjobs"],
            ("Role/r-mljobs-operator@b", "/rules/0/resources"): ["trainingjobs", "predictionjobs"],
            ("ClusterRole/r-mljobs-operator.ns", "/rules/0/verbs"): ["patch"],
            ("ClusterRoleBinding", "/subjects/0"): {"name": FULLNAME, "namespace": NAMESPACE},
            (f"ValidatingAdmissionPolicy/{FULLNAME}.{NAMESPACE}", "/spec/validations/0/expression"): (
                'request.namespace in ["a","b"]'
            ),
            ("config", "/namespaces"): ["a", "b"],
        },
        absent=("ClusterRole/r-mljobs-operator", "ClusterRoleBinding/r-mljobs-operator"),
    ),
    Case(
        "vertexTables",
        "framework: xgboost\n",
        {
            ("ConfigMap", "/data/tables.yaml"): "framework: xgboost\n",
            ("config", "/tables"): "/etc/mljobs/config/tables.yaml",
        },
    ),
    Case(
        "credentials.existingSecret.name",
        "google",
        {
            **in_pods("/volumes/1/secret", {"secretName": "google", "defaultMode": 0o440}),
            **in_pods("/containers/0/volumeMounts/1/mountPath", "/etc/mljobs/credentials"),
            **in_pods(
                "/containers/0/env/0",
                {"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": "/etc/mljobs/credentials/key.json"},
            ),
        },
    ),
    Case(
        "credentials.existingSecret.key",
        "sa.json",
        {
            **in_pods("/volumes/1/secret/items", [{"key": "sa.json", "path": "sa.json"}]),
            **in_pods("/containers/0/env/0/value", "/etc/mljobs/credentials/sa.json"),
        },
        given={"credentials": {"existingSecret": {"name": "google"}}},
    ),
    Case(
        "credentials.federation",
        FEDERATION,
        {
            **in_pods(
                "/volumes/1/configMap",
                {"name": "federation", "items": [{"key": "other.json", "path": "other.json"}]},
            ),
            **in_pods(
                "/volumes/2/projected/sources/0/serviceAccountToken", {"path": "token", "audience": "pool"}
            ),
            **in_pods("/containers/0/volumeMounts/2/mountPath", "/var/run/secrets/mljobs"),
            **in_pods("/containers/0/env/0/value", "/etc/mljobs/credentials/other.json"),
        },
    ),
    Case(
        "serviceAccount.create",
        False,
        in_pods("/serviceAccountName", "mine"),
        absent=("ServiceAccount",),
        given={"serviceAccount": {"name": "mine"}},
    ),
    Case(
        "serviceAccount.name",
        "mine",
        {
            ("ServiceAccount", "/metadata/name"): "mine",
            ("ClusterRoleBinding", "/subjects/0/name"): "mine",
            ("RoleBinding/r-mljobs-operator-lease", "/subjects/0/name"): "mine",
            **in_pods("/serviceAccountName", "mine"),
        },
    ),
    Case("serviceAccount.annotations", LABELS, _metadata("ServiceAccount", "annotations")),
    Case(
        "rbac.create",
        False,
        absent=("ClusterRole/r-mljobs-operator", "ClusterRoleBinding", "Role", "RoleBinding"),
    ),
    Case(
        "rbac.namespaceDeletion",
        "ReadAndPatch",
        {
            ("ClusterRole/r-mljobs-operator.ns", "/rules/0/verbs"): ["get", "list", "watch", "patch"],
            ("Role/r-mljobs-operator@a", "/rules/1/resources"): ["events"],
        },
        given={"watchNamespaces": ["a"]},
    ),
    Case(
        "rbac.namespaceDeletion",
        "None",
        {("Role/r-mljobs-operator@a", "/rules/0/verbs"): ["get", "list", "watch", "patch"]},
        absent=(
            "ClusterRole/r-mljobs-operator.ns",
            "ClusterRoleBinding",
            f"ValidatingAdmissionPolicy/{FULLNAME}.{NAMESPACE}",
            f"ValidatingAdmissionPolicyBinding/{FULLNAME}.{NAMESPACE}",
        ),
        given={"watchNamespaces": ["a"]},
    ),
    Case(
        "rbac.identityServiceAccounts",
        ["mljobs-identity"],
        {
            ("ClusterRole/r-mljobs-operator", "/rules/7"): {
                "apiGroups": [""],
                "resources": ["serviceaccounts/token"],
                "resourceNames": ["mljobs-identity"],
                "verbs": ["create"],
            }
        },
    ),
    Case(
        "rbac.identityServiceAccounts",
        ["one", "two"],
        {("Role/r-mljobs-operator@a", "/rules/3/resourceNames"): ["one", "two"]},
        given={"watchNamespaces": ["a"]},
    ),
    Case(
        "rbac.aggregate",
        False,
        absent=tuple(f"ClusterRole/{FULLNAME}-{role}" for role in ("view", "edit", "admin")),
    ),
    Case(
        "admissionPolicy.enabled",
        True,
        {
            (f"ValidatingAdmissionPolicyBinding/{FULLNAME}.{NAMESPACE}.classes", "/spec/validationActions"): [
                "Deny"
            ]
        },
    ),
    Case(
        "crds.enabled",
        False,
        absent=("CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
    ),
    Case(
        "crds.keep",
        False,
        {
            (f"CustomResourceDefinition/{kind.crd_name}", "/metadata/annotations"): None
            for kind in ALL_KINDS.values()
        },
    ),
    Case("resources", RESOURCES, in_pods("/containers/0/resources", RESOURCES)),
    Case("runAsUser", 1234, in_pods("/securityContext", USER)),
    Case("runAsUser", None, in_pods("/securityContext/runAsUser", None)),
    Case("extraEnv", ENV, in_pods("/containers/0/env", ENV)),
    Case("podAnnotations", LABELS, {(DEPLOYMENT, "/spec/template/metadata/annotations"): LABELS}),
    Case("podLabels", LABELS, {(DEPLOYMENT, "/spec/template/metadata/labels"): LABELS}),
    Case("priorityClassName", "high", {(DEPLOYMENT, f"{POD}/priorityClassName"): "high"}),
    Case("nodeSelector", LABELS, in_pods("/nodeSelector", LABELS)),
    Case("tolerations", [TOLERATION], in_pods("/tolerations", [TOLERATION])),
    Case("affinity", AFFINITY, {(DEPLOYMENT, f"{POD}/affinity"): AFFINITY}),
    Case(
        "topologySpreadConstraints",
        [SPREAD, {name: SPREAD[name] for name in ("maxSkew", "topologyKey", "whenUnsatisfiable")}],
        {
            (DEPLOYMENT, f"{POD}/topologySpreadConstraints/0"): SPREAD,
            (DEPLOYMENT, f"{POD}/topologySpreadConstraints/1/labelSelector/matchLabels"): {
                "app.kubernetes.io/name": "mljobs-operator",
                "app.kubernetes.io/instance": "r",
            },
        },
    ),
    Case("podDisruptionBudget.enabled", False, absent=("PodDisruptionBudget",)),
    Case(
        "podDisruptionBudget.maxUnavailable", "50%", {("PodDisruptionBudget", "/spec/maxUnavailable"): "50%"}
    ),
    Case("podDisruptionBudget.maxUnavailable", 0, {("PodDisruptionBudget", "/spec/maxUnavailable"): 0}),
    Case("service.port", 9090, {("Service", "/spec/ports/0"): {"port": 9090, "targetPort": "metrics"}}),
    Case("service.annotations", LABELS, _metadata("Service", "annotations")),
    Case("serviceMonitor.enabled", True, {("ServiceMonitor", "/spec/endpoints/0/path"): "/metrics"}),
    Case(
        "serviceMonitor.labels",
        LABELS,
        _metadata("ServiceMonitor", "labels"),
        given={"serviceMonitor": {"enabled": True}},
    ),
    Case(
        "serviceMonitor.interval",
        "1m",
        {("ServiceMonitor", "/spec/endpoints/0/interval"): "1m"},
        given={"serviceMonitor": {"enabled": True}},
    ),
    Case(
        "serviceMonitor.scrapeTimeout",
        "5s",
        {("ServiceMonitor", "/spec/endpoints/0/scrapeTimeout"): "5s"},
        given={"serviceMonitor": {"enabled": True}},
    ),
    Case("prometheusRule.enabled", True, {("PrometheusRule", "/spec/groups/0/name"): FULLNAME}),
    Case(
        "prometheusRule.labels",
        LABELS,
        _metadata("PrometheusRule", "labels"),
        given={"prometheusRule": {"enabled": True}},
    ),
    Case(
        "dashboard.enabled",
        True,
        {(f"ConfigMap/{FULLNAME}-dashboard", "/metadata/labels/grafana_dashboard"): "1"},
    ),
    Case(
        "dashboard.labels",
        LABELS,
        _metadata(f"ConfigMap/{FULLNAME}-dashboard", "labels"),
        given={"dashboard": {"enabled": True}},
    ),
    Case(
        "dashboard.annotations",
        LABELS,
        _metadata(f"ConfigMap/{FULLNAME}-dashboard", "annotations"),
        given={"dashboard": {"enabled": True}},
    ),
    Case("networkPolicy.enabled", True, {("NetworkPolicy", "/spec/policyTypes"): ["Ingress", "Egress"]}),
    Case(
        "networkPolicy.metricsFromNamespaces",
        ["monitoring"],
        {
            ("NetworkPolicy", "/spec/ingress/0/from/0/namespaceSelector/matchExpressions/0"): {
                "key": "kubernetes.io/metadata.name",
                "operator": "In",
                "values": ["monitoring"],
            }
        },
        given={"networkPolicy": {"enabled": True}},
    ),
    Case(
        "networkPolicy.apiServerPorts",
        [8443],
        {("NetworkPolicy", "/spec/egress/1/ports"): [{"port": 8443, "protocol": "TCP"}]},
        given={"networkPolicy": {"enabled": True}},
    ),
    Case(
        "networkPolicy.extraEgressPorts",
        [3128],
        {
            ("NetworkPolicy", "/spec/egress/1/ports"): [
                {"port": port, "protocol": "TCP"} for port in (443, 6443, 3128)
            ]
        },
        given={"networkPolicy": {"enabled": True}},
    ),
)
