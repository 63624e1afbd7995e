"""Folders of Python packages, as users have them, and what a build makes of them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

FILES = {
    "trainer/__init__.py": "",
    "trainer/task.py": "import sys\nfrom trainer.models import census\nprint(census.NAME, *sys.argv[1:])\n",
    "trainer/models/__init__.py": "",
    "trainer/models/census.py": "NAME = 'census'\n",
    "trainer/data.csv": "1,2\n",
    "trainer/__pycache__/task.cpython-311.pyc": "stale",
    "notes/draft.py": "",
    "README.md": "How to train.\n",
}
"""A package without a setup.py, beside what does not belong to it."""

SETUP = """\
from setuptools import find_packages, setup

setup(
    name="census-trainer",
    version="1.2",
    packages=find_packages(),
    package_data={"trainer": ["*.csv"]},
    install_requires=["numpy"],
)
"""

MODULES = {
    "trainer/__init__.py",
    "trainer/task.py",
    "trainer/models/__init__.py",
    "trainer/models/census.py",
}

FLAGS = (
    "--region us-central1 --runtime-version 2.11 --python-version 3.7 --module-name trainer.task "
    "--staging-bucket gs://team-bucket"
)
"""What a command line needs beside the packages."""


def lay(folder: Path, files: Mapping[str, str] = FILES, *, setup: str = "") -> Path:
    """Write files into a new folder, and give the package's."""
    for name, text in {**files, **({"setup.py": setup} if setup else {})}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return folder / "trainer"


def seen(folder: Path) -> dict[str, tuple[int, int]]:
    """All files with their times and sizes, to be compared later."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in folder.rglob("*")
    }


def unprivileged() -> list[str]:
    """What to put before a command so that a folder's mode holds for it, as for any user but root."""
    if os.geteuid():
        return [sys.executable]
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable]
