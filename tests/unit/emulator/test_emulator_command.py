"""`mljobs emulator` as a process."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

COMMAND = "import typer; from mljobs_dev.emulator.command import emulator; typer.run(emulator)"


@contextlib.contextmanager
def emulator(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_prints_its_url_and_ends_on_sigterm_with_open_connections() -> None:
    with emulator("--speed", "60", "--quota") as (process, url):
        with urllib.request.urlopen(f"{url}/_emulator/health", timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["speed"] == 60
        host, _, port = url.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port))):
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "", "")


def test_says_that_a_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with emulator("--port", port) as (process, url):
            _, err = process.communicate(timeout=10)
        assert (process.returncode, url) == (1, "")
        assert f"cannot listen on 127.0.0.1:{port}" in err
        assert "choose another --port" in err


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--speed", "0"], "speed"), (["--stale-etag-status", "404"], "stale_etag_status")],
)
def test_refuses_senseless_settings(options: list[str], word: str) -> None:
    with emulator(*options) as (process, _):
        _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert word in err
