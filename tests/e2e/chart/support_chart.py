"""The real helm, what it renders, and the operator as the chart configures it."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mljobs.api.kinds import ALL_KINDS
from mljobs.api.resources import KINDS
from mljobs_dev.controlplane.controlplane import ControlPlane
from tests.e2e.support import Json, Kubectl, eventually
from tests.e2e.support_stack import PROJECT, Emulator, Operator

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "mljobs-operator"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
RELEASE, NAMESPACE = "r", "ns"
FULLNAME = "r-mljobs-operator"
CRDS = [kind.crd_name for kind in ALL_KINDS.values()]
POLICIES = "validatingadmissionpolicybindings,validatingadmissionpolicies"
POLICY_NAMES = [kind.crd_name for kind in KINDS.values()]


class Helm:
    """helm with folders of its own.

    Args:
        program: the binary.
        home: a folder for its caches.
        kubeconfig: of the cluster; None if there is none.
    """

    def __init__(self, program: Path, home: Path, kubeconfig: Path | None = None) -> None:
        self._program = program
        self._home = home
        kinds = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        self._env = {**kept, **kinds, "KUBECONFIG": str(kubeconfig or os.devnull)}

    def on(self, kubeconfig: Path) -> "Helm":
        """The same, on a cluster."""
        return Helm(self._program, self._home, kubeconfig)

    def run(self, *args: str, values: object = None) -> subprocess.CompletedProcess[str]:
        """Run a command; values go to it as a file of values."""
        given = [] if values is None else ["--values=-"]
        return subprocess.run(
            [str(self._program), *args, *given],
            input=json.dumps(values),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=self._env,
        )

    def out(self, *args: str, values: object = None) -> str:
        """Run a command that has to succeed, and give what it prints."""
        done = self.run(*args, values=values)
        assert done.returncode == 0, f"helm {' '.join(args)}: {done.stderr}"
        return done.stdout

    def render(self, values: object = None, *args: str, chart: Path = CHART) -> "Objects":
        """What a release of the chart consists of, without a cluster."""
        return Objects.read(
            self.out("template", RELEASE, str(chart), f"--namespace={NAMESPACE}", *args, values=values)
        )

    def refusal(self, values: object) -> str:
        """Why the chart does not take these values."""
        done = self.run("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", values=values)
        assert done.returncode != 0, f"these values are taken: {values}"
        return done.stderr


class ClusterKubectl(Kubectl):
    """kubectl in no namespace of its own, so that manifests may name theirs."""

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        super().__init__(program, kubeconfig, "")
        self._command = [part for part in self._command if not part.startswith("--namespace")]


def delete_crds(kubectl: Kubectl) -> None:
    """Delete the CRDs and the policies that go with them, and wait until they are gone.

    After a failed list of their objects the API server backs off: a change makes it retry now.
    """

    def left() -> list[str]:
        names = kubectl.out("get", "crd", *CRDS, "--ignore-not-found", "-o", "name").split()
        if names:
            kubectl.run("annotate", *names, f"example.com/looked-at={time.monotonic()}", "--overwrite")
        return names

    kubectl.out("delete", "crd", *CRDS, "--ignore-not-found", "--wait=false")
    kubectl.out("delete", POLICIES, *POLICY_NAMES, "--ignore-not-found")
    eventually(left, lambda names: not names, what="the CRDs are gone", within=180, glance=1)


class Objects:
    """Rendered objects."""

    def __init__(self, documents: list[Json]) -> None:
        self.documents = documents

    @classmethod
    def read(cls, text: str) -> "Objects":
        """Read YAML documents."""
        return cls([document for document in yaml.load_all(text, _LOADER) if document])

    def __iter__(self) -> Iterator[Json]:
        return iter(self.documents)

    def of(self, kind: str) -> list[Json]:
        """All objects of a kind."""
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str, name: str = "") -> Json:
        """The one object of a kind, or of a kind and a name."""
        found = [one for one in self.of(kind) if name in ("", one["metadata"]["name"])]
        names = [f"{one['kind']}/{one['metadata']['name']}" for one in self.documents]
        assert len(found) == 1, f"{len(found)} of {kind}/{name} among {names}"
        return found[0]

    @property
    def config(self) -> Json:
        """The operator's configuration file."""
        config: Json = yaml.safe_load(self.one("ConfigMap", FULLNAME)["data"]["config.yaml"])
        return config

    @property
    def pods(self) -> list[Json]:
        """The Pods that mljobs runs in: those of the Deployment, and the one of `helm test`."""
        return [self.one("Deployment")["spec"]["template"], self.one("Pod")]


def at(document: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; None if it leads nowhere."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(key) if isinstance(document, list) else key]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def holds(actual: Any, expected: Any) -> bool:
    """Whether there is what is expected; a map may have more."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return all(name in actual and holds(actual[name], value) for name, value in expected.items())
    return bool(actual == expected)


class ReleasedOperator(Operator):
    """The operator with the configuration file of a release, at a free port of loopback.

    Args:
        kubeconfig: of its ServiceAccount.
        config: the file.
        log: where its output goes.
        variables: its environment's settings, which win over the file's.
    """

    def __init__(
        self, kubeconfig: Path, config: Path, log: Path, variables: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(kubeconfig, "", log, settings=variables)
        self._command = ["run", f"--config={config}", "--host=127.0.0.1", "--port=0"]


class Release:
    """A release of the chart in a cluster.

    Args:
        helm: on the cluster.
        plane: the cluster.
        namespace: where it goes.
    """

    def __init__(self, helm: Helm, plane: ControlPlane, namespace: str = NAMESPACE) -> None:
        self.namespace = namespace
        self._helm = helm
        self._plane = plane

    def install(self, values: object = None, *args: str, chart: Path = CHART) -> None:
        """Install it, and wait until the CRDs are served."""
        self._place("install", RELEASE, str(chart), "--create-namespace", *args, values=values)
        self._plane.client.wait_established(CRDS)

    def upgrade(self, values: object = None, *args: str, chart: Path = CHART) -> None:
        """Upgrade it to a chart or to other values."""
        self._place("upgrade", RELEASE, str(chart), *args, values=values)

    def rollback(self, revision: int) -> None:
        """Go back to an earlier revision."""
        self._place("rollback", RELEASE, str(revision))

    def uninstall(self) -> str:
        """Remove it; what helm says."""
        return self._place("uninstall", RELEASE)

    def history(self) -> list[tuple[int, str, str]]:
        """Its revisions: number, status and version of the application."""
        rows = json.loads(self._place("history", RELEASE, "--output=json"))
        return [(row["revision"], row["status"], row["app_version"]) for row in rows]

    def get(self, path: str) -> Json:
        """Read an object of the cluster by its path, with the administrator's rights."""
        found: Json = self._plane.client.get(path)
        return found

    def stored(self, rendered: Json) -> Json:
        """A rendered object as the cluster has it."""
        return self.get(self._plane.client.path_of(rendered))

    def deployment(self) -> Json:
        """The Deployment as the cluster has it."""
        return self.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{FULLNAME}")

    def operator(self, folder: Path) -> "ReleasedOperator":
        """The operator with the release's configuration and under its ServiceAccount; not started."""
        config = self.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{FULLNAME}")["data"]["config.yaml"]
        (folder / "config.yaml").write_text(config, "utf-8")
        kubeconfig = self._plane.service_account_kubeconfig(self.namespace, FULLNAME, folder / "kubeconfig")
        return ReleasedOperator(kubeconfig, folder / "config.yaml", folder / "log")

    def _place(self, *args: str, values: object = None) -> str:
        return self._helm.out(*args, f"--namespace={self.namespace}", values=values)


def reach(emulator: Emulator, **values: Any) -> Json:
    """Values with which the operator works with the emulator, in a test's time."""
    settings = {
        "endpoint": emulator.url,
        "anonymous": True,
        "projectId": PROJECT,
        "pollInterval": 0.25,
        "resyncInterval": 5,
        "createsPerMinute": 0,
        "othersPerMinute": 0,
        "unknownOutcomeGrace": 3,
        "logFormat": "text",
    }
    return {"config": settings, **values}
