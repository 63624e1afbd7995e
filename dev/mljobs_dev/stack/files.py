"""Finds the manifests of `deploy/`, which `mljobs dev` and `mljobs demo` apply."""

from pathlib import Path


class FilesError(Exception):
    """The manifests are not where they should be; the message says where that is."""


def deploy_folder() -> Path:
    """The folder with `base/` and `samples/`: the installed package's own, else the checkout's.

    Raises:
        FilesError: there is neither.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "deploy", package.parents[1] / "deploy")
    for folder in candidates:
        if (folder / "base").is_dir() and (folder / "samples").is_dir():
            return folder
    raise FilesError(
        f"the manifests are in none of {', '.join(map(str, candidates))}: "
        "install the package from a wheel, or run from a checkout of the repository"
    )


def shown(path: Path) -> str:
    """Spell a path as a user types it: relative where it lies under the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
