"""The parts of the stack that need no control plane: signals, environment, files, the processes' URLs."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from mljobs.cli.app import app
from mljobs_dev.controlplane.process import Exit, SupervisedProcess
from mljobs_dev.stack import binaries as stack_binaries
from mljobs_dev.stack import files as stack_files
from mljobs_dev.stack.command import ERRORS, run_command
from mljobs_dev.stack.server import Server, StackError, Supervision, answers, environment
from mljobs_dev.stack.signals import Stopped, raising_stopped


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_the_first_ends_the_work_and_no_second_one_cuts_the_end_short(self, number: int) -> None:
        put_away = []

        def work() -> None:
            try:
                os.kill(os.getpid(), number)
                pytest.fail("the signal did not end the work")
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGINT)
                put_away.append("all")

        with pytest.raises(Stopped) as stopped, raising_stopped():
            work()
        assert stopped.value.number == number
        assert put_away == ["all"]

    def test_the_handlers_of_before_come_back(self) -> None:
        before = signal.getsignal(signal.SIGTERM)
        with raising_stopped():
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGTERM) is before


class TestRunCommand:
    def test_a_signal_gives_the_code_that_the_command_wants(self) -> None:
        def work() -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(typer.Exit) as ended:
            run_command("dev", work, stopped=130)
        assert ended.value.exit_code == 130

    def test_a_known_error_is_one_line_and_code_1(self, capsys: pytest.CaptureFixture[str]) -> None:
        def work() -> None:
            raise StackError("the operator did not answer")

        with pytest.raises(typer.Exit) as ended:
            run_command("dev", work)
        assert ended.value.exit_code == 1
        assert capsys.readouterr().err == "mljobs dev: the operator did not answer\n"

    def test_a_bug_is_not_dressed_up(self) -> None:
        assert not any(issubclass(KeyError, error) for error in ERRORS)

        def work() -> None:
            raise KeyError("state")

        with pytest.raises(KeyError):
            run_command("dev", work)


class TestOptions:
    @pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "1e7"])
    def test_an_impossible_speed_is_refused_before_anything_starts(self, speed: str) -> None:
        done = CliRunner().invoke(app, ["dev", f"--speed={speed}"])
        assert done.exit_code == 2
        assert "--speed" in done.output

    def test_a_ready_file_in_no_folder_is_refused_before_anything_starts(self, tmp_path: Path) -> None:
        done = CliRunner().invoke(app, ["dev", f"--ready-file={tmp_path / 'none' / 'ready'}"])
        assert done.exit_code == 2
        assert "--ready-file" in done.output


class TestEnvironment:
    def test_a_pod_s_own_api_server_is_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
        assert not [name for name in environment() if name.startswith("KUBERNETES_SERVICE_")]

    @pytest.mark.parametrize("before", ["", "corp.example"])
    def test_no_proxy_is_asked_for_loopback(self, before: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("no_proxy", before)
        hosts = environment()["no_proxy"].split(",")
        assert {"127.0.0.1", "localhost"} <= set(hosts)
        assert "" not in hosts
        assert (before in hosts) == bool(before)

    def test_what_is_given_wins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
        assert environment(KUBECONFIG="ours")["KUBECONFIG"] == "ours"


class TestFiles:
    def test_the_folder_has_the_roles_and_the_samples(self) -> None:
        folder = stack_files.deploy_folder()
        assert (folder / "base" / "rbac.yaml").is_file()
        assert (folder / "samples" / "tuning.yaml").is_file()

    @pytest.mark.parametrize("place", ["mljobs/deploy", "deploy"])
    def test_an_installed_package_has_its_own_and_a_checkout_one_beside_it(
        self, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = tmp_path / "root"
        module = root / "operator" / "mljobs" / "cli" / "stack_files.py"
        folder = root / place if place == "deploy" else root / "operator" / place
        for name in ("base", "samples"):
            (folder / name).mkdir(parents=True)
        monkeypatch.setattr(stack_files, "__file__", str(module))
        assert stack_files.deploy_folder() == folder.resolve()

    def test_where_there_is_none_the_error_says_where_it_looked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stack_files, "__file__", str(tmp_path / "a" / "mljobs" / "cli" / "x.py"))
        with pytest.raises(stack_files.FilesError, match="checkout") as failed:
            stack_files.deploy_folder()
        assert str(tmp_path / "a" / "mljobs" / "deploy") in str(failed.value)

    def test_paths_are_shown_as_one_types_them(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert stack_files.shown(tmp_path / "a" / "b.yaml") == str(Path("a") / "b.yaml")
        assert stack_files.shown(Path("/elsewhere/b.yaml")) == "/elsewhere/b.yaml"


class TestKubectl:
    def program(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "kubectl"
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    def test_the_user_s_own_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = self.program(tmp_path / "path")
        self.program(tmp_path / "binaries")
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        assert stack_binaries.kubectl(tmp_path / "binaries") == own

    def test_else_it_is_that_of_the_binaries(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        assert stack_binaries.kubectl(tmp_path) is None
        ours = self.program(tmp_path)
        assert stack_binaries.kubectl(tmp_path) == ours

    @pytest.mark.parametrize(
        ("on_path", "assets", "in_assets", "wanted"),
        [
            (True, False, False, []),
            (False, False, False, ["kubectl"]),
            (False, True, True, ["kubectl"]),
            (False, True, False, []),
        ],
    )
    def test_it_is_asked_for_only_where_it_is_lacking_and_can_be_got(
        self,
        on_path: bool,
        assets: bool,
        in_assets: bool,
        wanted: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        asked: list[list[str]] = []
        monkeypatch.setattr(stack_binaries, "ensure_with_progress", lambda extras: asked.append(extras))
        monkeypatch.setenv("PATH", str(tmp_path / "path") if on_path else "")
        self.program(tmp_path / "path")
        (tmp_path / "assets").mkdir()
        if assets:
            monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
        else:
            monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
        if in_assets:
            self.program(tmp_path / "assets")
        stack_binaries.provide()
        assert asked == [wanted]


class TestServer:
    """Real processes: the emulator of this package as the server."""

    def supervision(self, folder: Path, restarted: Callable[[SupervisedProcess], None]) -> Supervision:
        (folder / "logs").mkdir()
        ignore: Callable[[Exit], Any] = lambda _: None  # noqa: E731
        return Supervision(folder, temporary=False, on_exit=ignore, on_restart=restarted)

    def test_killed_it_comes_back_at_the_same_url(self, tmp_path: Path) -> None:
        pids: list[int | None] = []
        server = Server(
            "emulator",
            ["emulator"],
            announcement=r"^(http://\S+)$",
            supervision=self.supervision(tmp_path, lambda process: pids.append(process.pid)),
            env=environment(),
        )
        server.start()
        try:
            server.wait(time.monotonic() + 30)
            url, first = server.url, server.pid
            assert answers(f"{url}/_emulator/health")
            assert first is not None
            os.kill(first, signal.SIGKILL)
            until = time.monotonic() + 30
            while not (pids and answers(f"{url}/_emulator/health")):
                assert time.monotonic() < until, server.log_tail()
                time.sleep(0.05)
            assert pids == [server.pid]
            assert server.pid != first
        finally:
            server.stop(5)

    def test_one_that_cannot_start_is_told_with_the_end_of_its_log(self, tmp_path: Path) -> None:
        server = Server(
            "emulator",
            ["emulator", "--no-such-option"],
            announcement=r"^(http://\S+)$",
            supervision=self.supervision(tmp_path, lambda _: None),
            env=environment(),
        )
        server.start()
        try:
            with pytest.raises(StackError, match=r"emulator .*exited with code 2[\s\S]*--no-such-option"):
                server.wait(time.monotonic() + 30)
        finally:
            server.stop(5)

    def test_the_url_of_an_earlier_run_in_the_same_log_is_not_taken(self, tmp_path: Path) -> None:
        supervision = self.supervision(tmp_path, lambda _: None)
        (tmp_path / "logs" / "emulator.log").write_text("http://127.0.0.1:1\n")
        server = Server(
            "emulator",
            ["emulator"],
            announcement=r"^(http://\S+)$",
            supervision=supervision,
            env=environment(),
        )
        server.start()
        try:
            server.wait(time.monotonic() + 30)
            assert server.url != "http://127.0.0.1:1"
        finally:
            server.stop(5)

    def test_nobody_answers_where_nobody_listens(self) -> None:
        assert not answers("http://127.0.0.1:1/")


def test_the_package_runs_as_a_module() -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-P", "-m", "mljobs", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
