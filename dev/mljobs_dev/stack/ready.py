"""The ready file of `mljobs dev`, by which a script learns where everything is."""

import contextlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ReadyFile:
    """A JSON file that is either whole and true, or not there.

    Thread-safe. What an earlier run left behind is removed at once, so that nobody reads it as this run's.

    Args:
        path: the file; None for none. Its folder must exist.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = None if path is None else path.absolute()
        self._lock = threading.Lock()
        self._closed = False
        self._unlink()

    def write(self, content: Mapping[str, Any]) -> None:
        """Replace the file in one step; without effect after `remove`.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            if self._path is None or self._closed:
                return
            fresh = self._fresh(self._path)
            fresh.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
            fresh.replace(self._path)

    def remove(self) -> None:
        """Take the file away for good."""
        with self._lock:
            self._closed = True
            self._unlink()

    def _unlink(self) -> None:
        if self._path is not None:
            for path in (self._path, self._fresh(self._path)):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()

    @staticmethod
    def _fresh(path: Path) -> Path:
        return path.with_name(f".{path.name}.new")
