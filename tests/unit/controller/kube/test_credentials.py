"""Who we are: read again, asked for again, and created again when it is refused, as kubectl does it."""

import base64
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mljobs.controller.kube import plugin as plugin_module
from mljobs.controller.kube.access import Access, Impersonation, Oidc, Plugin, Server, User
from mljobs.controller.kube.credentials import PAUSE, READ_AGAIN, Credentials, Identity
from mljobs.controller.kube.errors import NoCredentials
from tests.unit.controller.kube.support_access import V1, FakePlugin

START = 1_800_000_000.0
SERVER = Server("https://10.0.0.1:6443", ca_data="CA", tls_name="api", extension={"audience": "x"})


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def credentials(user: User, clock: Clock, server: Server = SERVER) -> Credentials:
    return Credentials(Access(server, user, "default", "a test"), clock=clock)


def bearer(identity: Identity) -> str:
    return dict(identity.headers)["Authorization"].removeprefix("Bearer ")


class TestPlugin:
    def test_its_token_is_used_until_its_end(self, plugin: FakePlugin, clock: Clock) -> None:
        plugin.gives(token="a", expirationTimestamp="2027-01-15T08:00:10Z")
        known = credentials(User(plugin=plugin.spec), clock)
        assert clock.now + 10 == 1_800_000_010  # which is that timestamp
        assert bearer(known.current()) == "a"
        clock.now += 9
        assert bearer(known.current()) == "a"
        plugin.gives(token="b")
        clock.now += 1
        assert known.ready() is None
        assert bearer(known.current()) == "b"
        assert plugin.calls == 2

    def test_one_without_an_end_until_it_is_refused(self, plugin: FakePlugin, clock: Clock) -> None:
        plugin.gives(token="a")
        known = credentials(User(plugin=plugin.spec), clock)
        old = known.current()
        clock.now += 1e6
        assert known.ready() is old
        plugin.gives(token="b")
        assert bearer(known.renew(old)) == "b"
        assert bearer(known.current()) == "b"

    def test_what_another_thread_has_renewed_is_not_renewed_again(
        self, plugin: FakePlugin, clock: Clock
    ) -> None:
        plugin.gives(token="a")
        known = credentials(User(plugin=plugin.spec), clock)
        old = known.current()
        clock.now += PAUSE
        plugin.gives(token="b")
        assert known.renew(old) is known.renew(old)
        assert plugin.calls == 2

    def test_an_api_server_that_takes_nothing_does_not_run_it_all_the_time(
        self, plugin: FakePlugin, clock: Clock
    ) -> None:
        plugin.gives(token="a")
        known = credentials(User(plugin=plugin.spec), clock)
        identity = known.current()
        for _ in range(20):
            clock.now += PAUSE / 10
            identity = known.renew(identity)
        assert plugin.calls == 1 + 2

    def test_it_is_not_run_again_because_files_are_read_again(
        self, plugin: FakePlugin, clock: Clock, tmp_path: Path
    ) -> None:
        (tmp_path / "ca").write_text("CA")
        plugin.gives(token="a")
        known = credentials(
            User(plugin=plugin.spec), clock, replace(SERVER, ca_data="", ca_file=tmp_path / "ca")
        )
        known.current()
        clock.now += READ_AGAIN
        (tmp_path / "ca").write_text("new CA")
        assert known.current().keys.authorities == "new CA"
        assert plugin.calls == 1

    def test_it_is_told_what_it_asks_for(self, plugin: FakePlugin, clock: Clock) -> None:
        plugin.gives(token="a")
        credentials(User(plugin=plugin.spec), clock).current()
        assert plugin.told == {
            "apiVersion": V1,
            "kind": "ExecCredential",
            "spec": {
                "interactive": False,
                "cluster": {
                    "server": SERVER.url,
                    "tls-server-name": "api",
                    "certificate-authority-data": base64.b64encode(b"CA").decode(),
                    "config": {"audience": "x"},
                },
            },
        }

    def test_a_token_of_the_kubeconfig_goes_before_it(self, plugin: FakePlugin, clock: Clock) -> None:
        assert bearer(credentials(User(token="t", plugin=plugin.spec), clock).current()) == "t"
        assert plugin.calls == 0

    @pytest.mark.parametrize(
        ("output", "message"),
        [
            ("", "printed no JSON"),
            ("[]", "printed no ExecCredential"),
            (json.dumps({"apiVersion": "x/v1", "kind": "ExecCredential"}), "but 'x/v1'"),
            (json.dumps({"apiVersion": V1, "kind": "ExecCredential"}), "neither a token nor"),
            (
                json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": {"clientKeyData": "k"}}),
                "not both",
            ),
            (
                json.dumps(
                    {
                        "apiVersion": V1,
                        "kind": "ExecCredential",
                        "status": {"token": "t", "expirationTimestamp": "soon"},
                    }
                ),
                "'soon' as expirationTimestamp",
            ),
        ],
    )
    def test_nonsense_is_named(self, plugin: FakePlugin, clock: Clock, output: str, message: str) -> None:
        plugin.prints(output)
        with pytest.raises(NoCredentials, match=message):
            credentials(User(plugin=plugin.spec), clock).current()

    def test_one_that_is_missing_comes_with_its_hint(self, clock: Clock) -> None:
        user = User(plugin=Plugin("mljobs-no-such-plugin", install_hint="Install it so."))
        with pytest.raises(NoCredentials, match=r"no program mljobs-no-such-plugin. Install it so\."):
            credentials(user, clock).current()

    def test_one_that_fails_is_quoted(self, clock: Clock) -> None:
        user = User(plugin=Plugin("sh", ("-c", "echo log in first >&2; exit 3"), interactive="Never"))
        with pytest.raises(NoCredentials, match="sh failed with exit code 3: log in first"):
            credentials(user, clock).current()

    def test_one_that_hangs_is_ended(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(plugin_module, "PATIENCE", 0.05)
        user = User(plugin=Plugin("sleep", ("60",), interactive="Never"))
        with pytest.raises(NoCredentials, match=r"sleep has not ended within 0.05 s"):
            credentials(user, clock).current()

    def test_one_that_nobody_waits_for_is_ended_with_what_it_has_begun(
        self, clock: Clock, tmp_path: Path
    ) -> None:
        pids = tmp_path / "pids"
        user = User(plugin=Plugin("sh", ("-c", f"sleep 60 & echo $! > {pids}; wait"), interactive="Never"))
        stop = threading.Event()

        def leave() -> None:
            while not (pids.exists() and pids.read_text().endswith("\n")):
                time.sleep(0.01)
            stop.set()

        threading.Thread(target=leave, daemon=True).start()
        with pytest.raises(NoCredentials, match="sh was killed, since the caller no longer waits for it"):
            credentials(user, clock).current(stop)
        state = Path(f"/proc/{pids.read_text().strip()}/stat")
        until = time.monotonic() + 10
        while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < until, state.read_text()
            time.sleep(0.01)

    def test_one_that_needs_a_terminal_is_not_begun_without(self, clock: Clock) -> None:
        user = User(plugin=Plugin("sh", ("-c", "exit 0"), interactive="Always"))
        with pytest.raises(NoCredentials, match="needs a terminal"):
            credentials(user, clock).current()


class TestFiles:
    def test_a_token_file_is_read_again(self, clock: Clock, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("a\n")
        known = credentials(User(token_file=file, token="in the kubeconfig"), clock)
        first = known.current()
        assert bearer(first) == "a"
        file.write_text("b\n")
        assert known.ready() is first
        clock.now += READ_AGAIN
        assert bearer(known.current()) == "b"

    def test_a_refused_one_at_once(self, clock: Clock, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("a")
        known = credentials(User(token_file=file), clock)
        old = known.current()
        file.write_text("b")
        clock.now += PAUSE
        assert bearer(known.renew(old)) == "b"

    def test_one_that_is_being_replaced_does_no_harm(self, clock: Clock, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("a")
        known = credentials(User(token_file=file), clock)
        known.current()
        file.unlink()
        clock.now += READ_AGAIN
        assert bearer(known.current()) == "a"
        file.write_text("b")
        clock.now += READ_AGAIN
        assert bearer(known.current()) == "b"

    def test_one_that_was_never_there_is_named(self, clock: Clock, tmp_path: Path) -> None:
        with pytest.raises(NoCredentials, match="none cannot be read"):
            credentials(User(token_file=tmp_path / "none"), clock).current()
        assert bearer(credentials(User("t", tmp_path / "none"), clock).current()) == "t"

    def test_certificates_are_read_again(self, clock: Clock, tmp_path: Path) -> None:
        for name in ("c", "k"):
            (tmp_path / name).write_text("old")
        known = credentials(User(cert_file=tmp_path / "c", key_file=tmp_path / "k"), clock)
        assert (known.current().keys.certificate, known.current().keys.key) == ("old", "old")
        (tmp_path / "c").write_text("new")
        clock.now += READ_AGAIN
        assert known.current().keys.certificate == "new"


def test_a_password(clock: Clock) -> None:
    headers = dict(credentials(User(username="kim", password="p:w"), clock).current().headers)
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"kim:p:w").decode()


def test_nothing_that_proves_who_we_are_goes_without_tls(clock: Clock, plugin: FakePlugin) -> None:
    server = Server("http://10.0.0.1:8001")
    user = User(token="t", plugin=plugin.spec, impersonation=Impersonation("kim"))
    assert credentials(user, clock, server).current().headers == (("Impersonate-User", "kim"),)
    assert plugin.calls == 0


def test_whom_to_act_as(clock: Clock) -> None:
    whom = Impersonation("kim", "7", ("a", "b"), {"example.com/why not": ("x", "ü")})
    assert credentials(User(impersonation=whom), clock).current().headers == (
        ("Impersonate-User", "kim"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-example.com%2Fwhy%20not", "x"),
        ("Impersonate-Extra-example.com%2Fwhy%20not", "ü"),
    )


class TestOidc:
    def user(self, file: Path, **config: str) -> User:
        provider = {"name": "oidc", "config": config}
        document = {"users": [{"name": "u", "user": {"auth-provider": provider}}]}
        file.write_text(yaml.safe_dump(document))
        return User(oidc=Oidc(file, "u", config))

    def token(self, expires: float, name: str) -> str:
        payload = base64.urlsafe_b64encode(json.dumps({"exp": expires, "sub": name}).encode())
        return f"head.{payload.decode().rstrip('=')}.signature"

    def test_the_token_of_the_kubeconfig_is_used_and_looked_for_again(
        self, clock: Clock, tmp_path: Path
    ) -> None:
        old, new = self.token(clock.now + 60, "old"), self.token(clock.now + 600, "new")
        known = credentials(self.user(tmp_path / "config", **{"id-token": old}), clock)
        assert bearer(known.current()) == old
        clock.now += 51
        with pytest.raises(NoCredentials, match=r"id-token of user 'u' .* run any kubectl command"):
            known.current()
        self.user(tmp_path / "config", **{"id-token": new})  # as kubectl renews it
        assert bearer(known.current()) == new
