"""Writes the bill of materials of the locked dependencies: `python -m tools.sbom [FILE]`.

cyclonedx-py reads the lock. What it cannot know is added: our version, the licences, who needs whom, and the
digest of the lock, which has the hashes of all files. The addresses of an index, which it assumes, are left
out. The same lock yields the same bytes.
"""

import hashlib
import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Annotated, Any

import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mljobs import __version__
from tools.licenses import installed, license_of
from tools.locked import LOCK, ROOT, Locked, locked

FILE = ROOT / "build" / "sbom.json"
NAME = "mljobs-operator"

Json = dict[str, Any]


def read_lock() -> Json:
    """What cyclonedx-py makes of the lock."""
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", "--output-reproducible"]
    command += ["--spec-version=1.6", f"--pyproject={ROOT / 'pyproject.toml'}", str(LOCK)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    document: Json = json.loads(done.stdout)
    return document


def complete(document: Json, packages: list[Locked], licenses: dict[Locked, str]) -> Json:
    """Add what the lock does not say, and leave out what is not so.

    Raises:
        ValueError: the document and the lock differ.
    """
    by_name = {str(package.name): package for package in packages}
    found = {str(canonicalize_name(one["name"])): one for one in document["components"]}
    if found.keys() != by_name.keys():
        raise ValueError(f"the bill has {sorted(found)}, and the lock has {sorted(by_name)}")
    components = [_component(found[one.name], one, licenses[one]) for one in packages]
    root = {
        "bom-ref": NAME,
        "type": "application",
        "name": NAME,
        "version": __version__,
        "purl": f"pkg:pypi/{NAME}@{__version__}",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    for tool in document["metadata"]["tools"]["components"]:
        tool.pop("externalReferences", None)
    metadata = {
        **document["metadata"],
        "component": root,
        "properties": [
            {"name": "cdx:reproducible", "value": "true"},
            {"name": "mljobs:lock", "value": LOCK.relative_to(ROOT).as_posix()},
            {"name": "mljobs:lock:sha256", "value": digest},
        ],
    }
    dependencies = [{"ref": NAME, "dependsOn": _needed(NAME, by_name)}]
    dependencies += [{"ref": _purl(one), "dependsOn": _needed(one.name, by_name)} for one in packages]
    return {**document, "metadata": metadata, "components": components, "dependencies": dependencies}


def _purl(package: Locked) -> str:
    return f"pkg:pypi/{package.name}@{package.version}"


def _component(found: Json, package: Locked, expression: str) -> Json:
    single = " " not in expression
    component: Json = {
        "type": found["type"],
        "bom-ref": _purl(package),
        "name": package.name,
        "version": found["version"],
        "purl": _purl(package),
        "licenses": [{"license": {"id": expression}} if single else {"expression": expression}],
    }
    if package.marker:
        component["scope"] = "optional"
        component["properties"] = [{"name": "mljobs:marker", "value": package.marker}]
    return component


def _needed(name: str, by_name: dict[str, Locked]) -> list[str]:
    """The references of what a package needs on some platform, as its installed metadata say."""
    try:
        texts = requires(name) or []
    except PackageNotFoundError:  # it is needed on another platform only
        return []
    wanted = [Requirement(text) for text in texts]
    names = {
        canonicalize_name(one.name) for one in wanted if not one.marker or "extra" not in str(one.marker)
    }
    return sorted(_purl(by_name[one]) for one in names if one in by_name)


def main(file: Annotated[Path, typer.Argument(help="Where to write it.")] = FILE) -> None:
    """Write the bill of materials, validated against the schema of CycloneDX 1.6."""
    packages = locked()
    rows = installed(packages)
    licenses = {package: license_of(package, rows.get(package.name)) for package in packages}
    text = json.dumps(complete(read_lock(), packages, licenses), indent=2, sort_keys=True) + "\n"
    from cyclonedx.schema import SchemaVersion  # takes a second to load
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        typer.echo(f"the bill of materials is not valid: {error}", err=True)
        raise typer.Exit(1)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    typer.echo(f"{file}: {len(packages)} components")


if __name__ == "__main__":
    typer.run(main)
