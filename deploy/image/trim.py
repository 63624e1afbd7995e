"""Makes an installed virtual environment ready for the image; the Dockerfile runs it with that environment.

Usage: trim.py VENV INTERPRETER

Two client libraries bring every API of Google and of Kubernetes; it removes all but those that mljobs calls,
and what builds users' packages, compiles what a start needs (the file system is read-only at run time), and
links the environment to the interpreter of the final image. Compiled files depend on nothing but the source,
so that a second build gives the same bytes.
"""

import compileall
import py_compile
import shutil
import sys
from pathlib import Path

GOOGLE_APIS = ("ml.v1.json", "logging.v2.json", "storage.v1.json")
"""Descriptions that the clients read; opening them below fails the build if one is missing."""

KUBERNETES_APIS = (
    "__init__",
    "apiextensions_v1_api",
    "apis_api",
    "authorization_v1_api",
    "coordination_v1_api",
    "core_v1_api",
    "custom_objects_api",
    "version_api",
)
"""Modules of the official client that are kept; it loads each at its first use."""

BUILDER = ("setuptools*", "_distutils_hack", "distutils-precedence.pth")
"""What builds users' packages on their machines; no image has files to build from."""

UNUSED = ("kubernetes/aio",)
"""The official client once more, for asyncio: the operator sends its requests by aiohttp."""

LAZY = "kubernetes"
"""The one big package of which few modules are ever loaded."""


def main(venv: Path, interpreter: str) -> None:
    """Trim, compile, relink."""
    (packages,) = venv.glob("lib/python3.*/site-packages")
    for document in (packages / "googleapiclient" / "discovery_cache" / "documents").iterdir():
        if document.name not in GOOGLE_APIS:
            document.unlink()
    for module in (packages / LAZY).glob("**/client/api/*.py"):
        if module.stem not in KUBERNETES_APIS:
            module.unlink()
    for pattern in (*BUILDER, *UNUSED):
        for path in packages.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _compile(packages)
    _relink(venv, interpreter)


def _compile(packages: Path) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for package in sorted(packages.iterdir()):
        if package.is_dir() and package.name != LAZY:
            compileall.compile_dir(package, quiet=2, invalidation_mode=mode)
    for path in sorted(_loaded(packages)):
        py_compile.compile(str(path), doraise=True, invalidation_mode=mode)


def _loaded(packages: Path) -> set[Path]:
    """The source files of what the operator loads until it works."""
    from kubernetes import client

    from mljobs import backends
    from mljobs.cli import app
    from mljobs.controller.process import run

    backends.open_job_service(backends.Access(endpoint="http://127.0.0.1:1", anonymous=True))
    backends.open_job_logs(endpoint="http://127.0.0.1:1", anonymous=True)
    backends.open_object_storage(endpoint="http://127.0.0.1:1", anonymous=True)
    _ = (app, run, client.ApiClient, client.CoreV1Api, client.CustomObjectsApi)
    files = {Path(getattr(module, "__file__", None) or "") for module in sys.modules.values()}
    kept = (path for path in files if path.is_file())  # setuptools' hook was loaded, and is removed
    return {path for path in kept if path.is_relative_to(packages) and path.suffix == ".py"}


def _relink(venv: Path, interpreter: str) -> None:
    scripts = venv / "bin"
    for script in scripts.iterdir():
        if script.name not in ("mljobs", "kubectl-mljobs"):
            script.unlink()
    for name in ("python", "python3"):
        (scripts / name).symlink_to(interpreter)
    home = Path(interpreter).parent
    (venv / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n", "ascii")
    for folder in ("include", "share"):
        shutil.rmtree(venv / folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
