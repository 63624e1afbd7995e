"""What a development command says to the emulator, and reads from it, beside the jobs API."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3

CREATE, CANCEL = "create", "cancel"
"""The last part of a method's name, whatever the service and the collection."""


def verb(method: str) -> str:
    """`create` of `ml.projects.jobs.create`."""
    return method.rpartition(".")[2]


class EmulatorError(Exception):
    """The emulator refused a request of ours; the message is its own."""


class EmulatorControl:
    """The control surface of one emulator.

    Args:
        url: its base URL.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_emulator"
        self._pool = urllib3.PoolManager(retries=False)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def script(self, scripts: Sequence[Mapping[str, Any]]) -> None:
        """Say how jobs that are yet to come go on and end.

        Args:
            scripts: objects with `jobId` (a regular expression), `timeline`, `final`, `errorMessage`.

        Raises:
            EmulatorError: a script is wrong.
        """
        self._request("POST", "/scripts", scripts)

    def ledger(self) -> list[dict[str, Any]]:
        """The requests so far, oldest first: `seq`, `time`, `method`, `jobId`, `status`, `applied` and more.

        Raises:
            EmulatorError: the emulator fails.
        """
        effects: list[dict[str, Any]] = self._request("GET", "/ledger")["effects"]
        return effects

    def _request(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        answer = self._pool.request(method, self._url + path, body=data, headers=headers, timeout=10.0)
        if answer.status >= 400:
            raise EmulatorError(f"{method} {path}: {answer.status}: {answer.data.decode(errors='replace')}")
        return json.loads(answer.data)
