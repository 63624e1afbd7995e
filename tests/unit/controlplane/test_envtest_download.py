"""The download of released binaries, from a real HTTP server on loopback."""

import hashlib
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from mljobs_dev.controlplane import download
from mljobs_dev.controlplane.binaries import ensure
from mljobs_dev.controlplane.gobuild import KUBERNETES_VERSION
from mljobs_dev.controlplane.progress import BinariesError, Step

PINNED = "v1.37.2"
WHERE = "linux-amd64"


def archive(*names: str, content: bytes = b"#!/bin/sh\n") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(f"controller-tools/envtest/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


GOOD = archive("etcd", "kube-apiserver", "kubectl")


class Site:
    """A web site with an index and archives."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self.path)
                content = site.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(0.01), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def release(self, *versions: str, content: bytes = GOOD, sha512: str | None = None) -> None:
        """Offer the versions for this machine's system."""
        index: dict[str, Any] = yaml.safe_load(self.files.get("/index.yaml", b"releases: {}"))
        for version in versions:
            name = f"envtest-{version}-{download.target()}.tar.gz"
            self.files[f"/{name}"] = content
            entry = {"hash": sha512 or hashlib.sha512(content).hexdigest(), "selfLink": f"{self.url}/{name}"}
            index["releases"][version] = {name: entry}
        self.files["/index.yaml"] = yaml.safe_dump(index).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    made = Site()
    monkeypatch.setenv(download.INDEX_VARIABLE, f"{made.url}/index.yaml")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    yield made
    made.close()


def fetch(tmp_path: Path) -> tuple[Path | None, list[Step]]:
    work = tmp_path / ".work"
    work.mkdir()
    steps: list[Step] = []
    return download.fetch(tmp_path, work, steps.append), steps


def entry(version: str, where: str = WHERE) -> dict[str, Any]:
    name = f"envtest-{version}-{where}.tar.gz"
    return {version: {name: {"hash": "AB", "selfLink": f"http://host/{name}"}}}


def index_of(*versions: str) -> dict[str, Any]:
    return {"releases": {key: value for version in versions for key, value in entry(version).items()}}


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["v1.37.0"], (1, 37, 0)),
        (["v1.37.0", "v1.37.10", "v1.37.9"], (1, 37, 10)),
        (["v1.36.4", "v1.37.0", "v1.38.0", "v2.0.0"], (1, 37, 0)),
        (["v1.36.4", "v1.35.9", "v1.38.0"], (1, 36, 4)),
        (["v1.37.0-rc.1", "v1.36.0"], (1, 36, 0)),
        (["v1.9.9", "v1.10.0"], (1, 10, 0)),
    ],
)
def test_the_newest_patch_of_the_pinned_minor_else_of_the_next_below(
    offered: list[str], chosen: tuple[int, ...]
) -> None:
    assert download.choose(index_of(*offered), PINNED, WHERE) == download.Archive(
        chosen, f"http://host/envtest-v{'.'.join(map(str, chosen))}-{WHERE}.tar.gz", "ab"
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"releases": {}}, "no archive for linux-amd64 up to v1.37.2"),
        (index_of("v1.38.0"), "no archive"),
        ({"releases": entry("v1.37.1", "darwin-arm64")}, "no archive"),
        ({}, "expected form"),
        ({"releases": ["v1.37.0"]}, "expected form"),
        ({"releases": {"v1.37.0": {f"envtest-v1.37.0-{WHERE}.tar.gz": {"hash": "ab"}}}}, "expected form"),
        ({"releases": {1: {}}}, "expected form"),
    ],
)
def test_an_index_without_a_fitting_archive(index: dict[str, Any], message: str) -> None:
    with pytest.raises(download.DownloadError, match=message):
        download.choose(index, PINNED, WHERE)


def test_a_good_archive_is_unpacked_and_remembered(site: Site, tmp_path: Path) -> None:
    site.release(KUBERNETES_VERSION, "v1.2.3")
    folder, steps = fetch(tmp_path)
    assert folder == tmp_path / f"{KUBERNETES_VERSION}-envtest-{KUBERNETES_VERSION}-{download.target()}"
    assert {file.name for file in folder.iterdir()} == {"etcd", "kube-apiserver", "kubectl", "source.json"}
    assert all((folder / name).stat().st_mode & 0o111 for name in ("etcd", "kube-apiserver", "kubectl"))
    record = json.loads((folder / "source.json").read_text())
    assert record["sha512"] == hashlib.sha512(GOOD).hexdigest()
    assert [step.unit for step in steps] == ["bytes", "bytes"]
    assert steps[-1].done == steps[-1].total == len(GOOD)
    assert download.cached(tmp_path) == [folder]


def test_newer_downloads_come_first_and_those_of_another_pin_do_not_count(tmp_path: Path) -> None:
    where = download.target()
    for name in (
        f"{KUBERNETES_VERSION}-envtest-v1.37.9-{where}",
        f"{KUBERNETES_VERSION}-envtest-v1.37.10-{where}",
        f"v1.30.0-envtest-v1.30.1-{where}",
        f"{KUBERNETES_VERSION}-envtest-v1.37.11-plan9-mips",
    ):
        (tmp_path / name).mkdir()
    found = [folder.name.split("-")[2] for folder in download.cached(tmp_path)]
    assert found == ["v1.37.10", "v1.37.9"]


def test_an_archive_with_another_hash_is_refused_aloud(site: Site, tmp_path: Path) -> None:
    site.release(KUBERNETES_VERSION, sha512="0" * 128)
    folder, steps = fetch(tmp_path)
    assert folder is None
    assert steps[-1].warning
    assert "has not the SHA-512 that the index states" in steps[-1].message
    assert download.cached(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive("etcd", "kubectl"), "lacks kube-apiserver"),
        (b"no archive", "not a gzip file"),
    ],
)
def test_a_useless_archive_falls_through_quietly(
    site: Site, tmp_path: Path, content: bytes, message: str
) -> None:
    site.release(KUBERNETES_VERSION, content=content)
    folder, steps = fetch(tmp_path)
    assert folder is None
    assert message in steps[-1].message
    assert not steps[-1].warning
    assert download.cached(tmp_path) == []


@pytest.mark.parametrize(
    "index", [b"releases: [", b"- a list", b"", b"\xff\xfe\x00", b"releases: {v1.37.0: 3}"]
)
def test_a_useless_index_falls_through_quietly(site: Site, tmp_path: Path, index: bytes) -> None:
    site.files["/index.yaml"] = index
    folder, steps = fetch(tmp_path)
    assert folder is None
    assert [step.warning for step in steps] == [False]


def test_a_missing_archive_falls_through_quietly(site: Site, tmp_path: Path) -> None:
    site.release(KUBERNETES_VERSION)
    site.files = {"/index.yaml": site.files["/index.yaml"]}
    folder, steps = fetch(tmp_path)
    assert folder is None
    assert "Not Found" in steps[-1].message


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/index.yaml", "nonsense"])
def test_only_http_is_spoken(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(download.INDEX_VARIABLE, url)
    folder, steps = fetch(tmp_path)
    assert folder is None
    assert "is no http address" in steps[-1].message


def test_a_refused_connection_falls_through_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as bound:  # bound and not listening: a connection is refused
        bound.bind(("127.0.0.1", 0))
        monkeypatch.setenv(download.INDEX_VARIABLE, f"http://127.0.0.1:{bound.getsockname()[1]}/index.yaml")
        folder, steps = fetch(tmp_path)
    assert folder is None
    assert "refused" in steps[-1].message
    assert not steps[-1].warning


def test_a_silent_server_falls_through_after_the_short_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SHORT_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv(download.INDEX_VARIABLE, f"http://127.0.0.1:{silent.getsockname()[1]}/index.yaml")
        folder, steps = fetch(tmp_path)
    assert folder is None
    assert "no answer within 0.3 s" in steps[-1].message or "timed out" in steps[-1].message


def test_ensure_downloads_once_and_then_serves_from_the_cache(site: Site, tmp_path: Path) -> None:
    site.release("v1.36.1")
    first = ensure(["kubectl"], root=tmp_path, build=never)
    assert site.requests == ["/index.yaml", f"/envtest-v1.36.1-{download.target()}.tar.gz"]
    assert ensure(["kubectl"], root=tmp_path, build=never) == first
    assert ensure(root=tmp_path, build=never) == first
    assert len(site.requests) == 2


def test_ensure_builds_into_the_downloaded_folder_what_the_archive_lacks(site: Site, tmp_path: Path) -> None:
    site.release(KUBERNETES_VERSION)
    folder = ensure(root=tmp_path, build=never)

    def build(names: Any, destination: Path, _: Path, __: Any) -> None:
        assert names == ["helm"]
        (destination / "helm").write_text("")
        (destination / "helm").chmod(0o755)

    assert ensure(["helm"], root=tmp_path, build=build) == folder
    assert (folder / "helm").exists()
    assert len(site.requests) == 2


def test_a_controller_manager_is_never_newer_than_the_api_server(site: Site, tmp_path: Path) -> None:
    site.release("v1.36.1")
    folder = ensure(["kubectl"], root=tmp_path, build=never)
    asked: list[str] = []

    def build(names: Any, destination: Path, _: Path, __: Any) -> None:
        for name in names:
            asked.append(name)
            (destination / name).write_text("")
            (destination / name).chmod(0o755)

    assert ensure(["kube-controller-manager"], root=tmp_path, build=build) != folder
    assert asked == ["etcd", "kube-apiserver", "kube-controller-manager"]


def never(names: Any, *_: Any) -> None:
    raise BinariesError(f"asked to build {names}")
