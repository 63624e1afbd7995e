"""The command lines of the control plane's servers, in one place. Called by `controlplane` only.

etcd listens on Unix sockets in a folder that only its owner can enter, so that it needs neither a port nor
credentials of its own. Its socket names are relative to the working folder: that is how etcd spells them, and
it keeps them under the system's limit of about 100 bytes wherever the folder is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mljobs_dev.controlplane.pki import SERVICE_RANGE, Authority
from mljobs_dev.controlplane.ports import LOOPBACK

ETCD_SOCKET = "etcd.sock"
TOKEN_ISSUER = "https://kubernetes.default.svc.cluster.local"  # noqa: S105 - an address
CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "clusterrole-aggregation-controller",
    "root-ca-certificate-publisher-controller",
    "job-controller",
    "deployment-controller",
    "replicaset-controller",
)
"""What of kube-controller-manager runs: deletion of namespaces and of owned objects, accounts, workloads."""

WRITING = ("create", "update", "patch", "delete", "deletecollection")
"""The verbs of requests that change something."""


def audit_policy(readers: Sequence[str]) -> str:
    """Return the policy file (YAML that happens to be JSON): all writes, and what these groups read."""
    rules: list[dict[str, object]] = [{"level": "Metadata", "verbs": WRITING}]
    if readers:
        rules.append({"level": "Metadata", "userGroups": list(readers)})
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [*rules, {"level": "None"}],
    }
    return json.dumps(policy, indent=2)


@dataclass(frozen=True)
class Layout:
    """Where the files of one control plane are, below one folder."""

    folder: Path

    @property
    def logs(self) -> Path:
        """Folder of the servers' logs."""
        return self.folder / "logs"

    @property
    def audit_policy(self) -> Path:
        """The policy file that the API server reads."""
        return self.folder / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        """JSON lines, one a request."""
        return self.logs / "audit.jsonl"

    @property
    def port(self) -> Path:
        """The API server's port, for the next run in the same folder."""
        return self.folder / "port"

    @property
    def etcd_socket(self) -> Path:
        """The socket on which etcd serves clients."""
        return self.folder / ETCD_SOCKET


def etcd(binaries: Path) -> list[str]:
    """Return etcd's command; its working folder is the control plane's."""
    return [
        str(binaries / "etcd"),
        "--name=mljobs",
        "--data-dir=etcd",
        # etcd's own bound of 2 GiB holds three versions of 500 of the largest resources; production has 8
        f"--quota-backend-bytes={8 * 2**30}",
        f"--listen-client-urls=unix://{ETCD_SOCKET}",
        f"--advertise-client-urls=unix://{ETCD_SOCKET}",
        "--listen-peer-urls=unix://etcd-peer.sock",
        "--initial-advertise-peer-urls=unix://etcd-peer.sock",
        "--initial-cluster=mljobs=unix://etcd-peer.sock",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def kube_apiserver(
    binaries: Path, layout: Layout, authority: Authority, port: int, *, audit: str | None
) -> list[str]:
    """Return kube-apiserver's command: TLS, client certificates, RBAC, and the default admission plugins.

    Args:
        binaries: folder of the program.
        layout: where its files are.
        authority: makes its certificate.
        port: to listen at.
        audit: the policy of `audit_policy`; None: no audit log.
    """
    certificate, key = authority.server("kube-apiserver", LOOPBACK)
    flags = {
        "etcd-servers": f"unix://{ETCD_SOCKET}",
        "bind-address": LOOPBACK,
        "advertise-address": LOOPBACK,
        "secure-port": port,
        "permit-port-sharing": "true",
        "endpoint-reconciler-type": "none",
        "tls-cert-file": certificate,
        "tls-private-key-file": key,
        "client-ca-file": authority.certificate_file,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "service-cluster-ip-range": SERVICE_RANGE,
        "service-account-issuer": TOKEN_ISSUER,
        "service-account-key-file": authority.token_public_file,
        "service-account-signing-key-file": authority.token_key_file,
        "allow-privileged": "true",
        "profiling": "false",
    }
    if audit is not None:
        layout.audit_policy.write_text(audit, "utf-8")
        flags["audit-policy-file"] = layout.audit_policy
        flags["audit-log-path"] = layout.audit_log
        flags["audit-log-maxsize"] = 1024  # megabytes in one file, so that no count is cut by a rotation
    return [str(binaries / "kube-apiserver"), *(f"--{name}={value}" for name, value in flags.items())]


def kube_controller_manager(binaries: Path, authority: Authority, kubeconfig: Path) -> list[str]:
    """Return kube-controller-manager's command, limited to `CONTROLLERS`, serving nothing."""
    flags = {
        "kubeconfig": kubeconfig,
        "controllers": ",".join(CONTROLLERS),
        "leader-elect": "false",
        "secure-port": 0,
        "root-ca-file": authority.certificate_file,
        "use-service-account-credentials": "false",
    }
    return [
        str(binaries / "kube-controller-manager"),
        *(f"--{name}={value}" for name, value in flags.items()),
    ]
