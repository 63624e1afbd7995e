"""Where inputs and recordings of others are, which are no part of this repository.

Tests read them too where they are at hand. None of them depends on it: each has inputs of its own.
"""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _candidates() -> Iterator[Path]:
    named = os.environ.get("MLJOBS_CORPUS")
    if named:
        yield Path(named)
        return
    for checkout in (ROOT, _main_checkout(ROOT)):
        yield checkout.parent / "shared" / "corpus"


def _main_checkout(root: Path) -> Path:
    """The checkout that a git worktree belongs to: its `.git` is a file that names a folder there."""
    link = root / ".git"
    if not link.is_file():
        return root
    folder = Path(link.read_text("utf-8").strip().removeprefix("gitdir: "))
    return folder.parents[2] if folder.parent.name == "worktrees" else root


CORPUS = next((folder for folder in _candidates() if folder.is_dir()), ROOT / "no-corpus")
"""The folder that `MLJOBS_CORPUS` names, else `shared/corpus` beside the checkout; where there is none, no
folder."""
