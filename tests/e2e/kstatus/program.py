"""Builds the reference libraries' program once, and asks it for verdicts."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import platformdirs

FOLDER = Path(__file__).parent
_SOURCES = ("go.mod", "go.sum", "main.go")
_OLDEST = (1, 26)
_BUILD_SECONDS = 900.0


class NoGo(Exception):
    """The program is not built yet and cannot be built here; the message says why."""


class Program:
    """The program of `main.go`.

    Args:
        path: the binary.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def judge(
        self,
        objects: Sequence[Mapping[str, Any]],
        *,
        flux: Mapping[str, Mapping[str, str]] | None = None,
        lua: str = "",
    ) -> list[dict[str, Any]]:
        """Ask for the verdicts on objects, in their order.

        Args:
            objects: as the API server gives them.
            flux: sets of healthCheckExprs by name.
            lua: a health check of Argo CD's.
        """
        asked = json.dumps({"objects": list(objects), "flux": flux or {}, "lua": lua})
        done = subprocess.run(
            [self._path], input=asked, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        answer: list[dict[str, Any]] = json.loads(done.stdout)
        return answer


def provide() -> Program:
    """Give the program, after building it if this is the first time.

    Raises:
        NoGo: there is no Go that is new enough.
    """
    folder = platformdirs.user_cache_path("mljobs") / "kstatus"
    path = folder / _key() / "kstatus"
    if not path.exists():
        go = _go()
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=_BUILD_SECONDS):
            if not path.exists():
                _build(go, path)
    return Program(path)


def _key() -> str:
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((FOLDER / name).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _go() -> str:
    """Find a Go that is new enough: PATH's, else one that the control plane was built with."""
    installed = (platformdirs.user_cache_path("mljobs") / "controlplane").glob("go-*/go/bin/go")
    for go in [shutil.which("go"), *map(str, sorted(installed))]:
        if go and _version(go) >= _OLDEST:
            return go
    oldest = ".".join(map(str, _OLDEST))
    raise NoGo(f"the reference libraries of GitOps tools need Go {oldest} or newer to be built once")


def _version(go: str) -> tuple[int, ...]:
    done = subprocess.run(
        [go, "env", "GOVERSION"], env=_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    numbers = done.stdout.strip().removeprefix("go").split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdecimal())


def _environment() -> dict[str, str]:
    ours = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    return {**os.environ, **ours, "GOWORK": "off"}


def _build(go: str, path: Path) -> None:
    fresh = path.with_suffix(".new")
    command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(fresh), "."]
    done = subprocess.run(
        command,
        cwd=FOLDER,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise NoGo(f"the reference libraries of GitOps tools cannot be built: {done.stderr[-2000:]}")
    fresh.replace(path)
