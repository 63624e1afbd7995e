"""Runs a credential plugin: the program that a kubeconfig names for tokens and certificates.

The protocol is `client.authentication.k8s.io`, as Kubernetes documents it for client-go credential plugins.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mljobs.controller.kube.access import Plugin
from mljobs.controller.kube.errors import NoCredentials

PATIENCE = 60.0
"""Seconds that a plugin may take if it does not run interactively."""

_SHOWN = 500
_GLANCE = 0.1
"""Seconds between checks whether the caller still waits."""


class Given(NamedTuple):
    """The credentials of a plugin.

    Attributes:
        token: a bearer token; empty if it gave a certificate only.
        certificate: a client certificate and its key as PEM.
        expires: seconds since the epoch; None if it did not say.
    """

    token: str
    certificate: tuple[str, str] | None
    expires: float | None


def run_plugin(plugin: Plugin, cluster: Mapping[str, Any], stop: threading.Event | None = None) -> Given:
    """Run a plugin for credentials; blocks until it has ended.

    Args:
        plugin: which.
        cluster: the API server, passed to a plugin that wants it.
        stop: ends the plugin once it is set.

    Raises:
        NoCredentials: it returned none, or not in time.
    """
    command = shutil.which(plugin.command)
    if command is None:
        hint = f". {plugin.install_hint}" if plugin.install_hint else ""
        raise NoCredentials(f"exec: there is no program {plugin.command}{hint}")
    attended = sys.stdin is not None and sys.stdin.isatty() and plugin.interactive != "Never"
    if plugin.interactive == "Always" and not attended:
        raise NoCredentials(f"exec: {plugin.command} needs a terminal (interactiveMode is Always)")
    request = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": attended, **({"cluster": dict(cluster)} if plugin.wants_server else {})},
    }
    try:
        process = subprocess.Popen(
            [command, *plugin.args],
            env={**os.environ, **plugin.env, "KUBERNETES_EXEC_INFO": json.dumps(request)},
            stdin=None if attended else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if attended else subprocess.PIPE,
            start_new_session=not attended,  # so that it can be killed with all its children
        )
    except OSError as error:
        raise NoCredentials(f"exec: {plugin.command} cannot be run: {error}") from error
    with process:
        output, said = _outcome(plugin, process, stop or threading.Event(), attended=attended)
    if process.returncode:
        text = (said or b"").decode("utf-8", "replace").strip()[-_SHOWN:]
        raise NoCredentials(f"exec: {plugin.command} failed with exit code {process.returncode}: {text}")
    return _read(plugin, output)


def _outcome(
    plugin: Plugin, process: "subprocess.Popen[bytes]", stop: threading.Event, *, attended: bool
) -> tuple[bytes, bytes]:
    """Wait for its output and its standard error."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return process.communicate(timeout=_GLANCE)
        except subprocess.TimeoutExpired:
            late = not attended and time.monotonic() > until
            if not late and not stop.is_set():
                continue
            process.kill() if attended else os.killpg(process.pid, signal.SIGKILL)
            why = (
                f"has not ended within {PATIENCE:g} s"
                if late
                else "was killed, since the caller no longer waits for it"
            )
            raise NoCredentials(f"exec: {plugin.command} {why}") from None


def _read(plugin: Plugin, output: bytes) -> Given:
    try:
        answer = json.loads(output)
    except ValueError as error:
        raise NoCredentials(f"exec: {plugin.command} printed no JSON: {error}") from None
    version = answer.get("apiVersion") if isinstance(answer, dict) else None
    if version != plugin.api_version or answer.get("kind") != "ExecCredential":
        raise NoCredentials(
            f"exec: {plugin.command} printed no ExecCredential of {plugin.api_version}, which is the "
            f"exec.apiVersion, but {version!r}"
        )
    status = answer.get("status") or {}
    token = str(status.get("token") or "")
    certificate = str(status.get("clientCertificateData") or ""), str(status.get("clientKeyData") or "")
    if bool(certificate[0]) != bool(certificate[1]):
        raise NoCredentials(f"exec: {plugin.command} returned a client certificate or a key, not both")
    if not token and not certificate[0]:
        raise NoCredentials(f"exec: {plugin.command} returned neither a token nor a client certificate")
    return Given(token, certificate if certificate[0] else None, _expiry(plugin, status))


def _expiry(plugin: Plugin, status: Mapping[str, Any]) -> float | None:
    stamp = status.get("expirationTimestamp")
    if not stamp:
        return None
    try:
        return datetime.fromisoformat(stamp).astimezone(UTC).timestamp()
    except (TypeError, ValueError):
        raise NoCredentials(
            f"exec: {plugin.command} returned {stamp!r} as expirationTimestamp, which is not a time"
        ) from None
