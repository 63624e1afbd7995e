"""A supervised process: how it starts, ends, comes back, and never outlives its owner."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mljobs_dev.controlplane.process import Exit, ProcessError, SupervisedProcess

DEADLINE = 20.0
FAMILY = textwrap.dedent(
    """
    import os, subprocess, sys
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(sys.argv[1] + ".new", "w") as file:
        print(os.getpid(), grandchild.pid, file=file)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    grandchild.wait()
    """
)
"""Starts a child of its own, and writes both process ids to a file."""


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE:g} s: {what}"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether the process has ended. A zombie has: what became of it is up to whoever inherited it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(FileNotFoundError):
        return stat.parent.parent.is_dir() and stat.read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def state_of(pid: int | None) -> str:
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout


def wait_gone(*pids: int) -> None:
    for pid in pids:
        wait_for(lambda pid=pid: gone(pid), f"the end of process {pid}")  # type: ignore[misc]


def family_of(file: Path) -> list[int]:
    wait_for(file.exists, "the family's process ids")
    return [int(pid) for pid in file.read_text().split()]


@pytest.fixture
def started() -> Iterator[Callable[[SupervisedProcess], SupervisedProcess]]:
    """Starts processes, and ends them after the test."""
    processes: list[SupervisedProcess] = []

    def start(process: SupervisedProcess) -> SupervisedProcess:
        processes.append(process)
        return process.start()

    yield start
    for process in processes:
        process.terminate(deadline=1)


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9), ("kill -15 $$", -15)]
)
def test_the_end_is_told_as_it_was(script: str, code: int) -> None:
    ended = SupervisedProcess("sh", ["sh", "-c", script]).start().wait(DEADLINE)
    assert ended is not None
    assert ended.code == code
    assert not ended.expected


def test_output_of_both_kinds_goes_to_the_log_and_its_end_into_the_message(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("from before\n")
    ended = (
        SupervisedProcess("talker", ["sh", "-c", "echo out; echo err >&2; exit 7"], log=log).start().wait()
    )
    assert log.read_text() == "from before\nout\nerr\n"
    assert str(ended) == (
        f"talker (process {ended.pid if ended else 0}) exited with code 7; "
        "the end of its log:\nfrom before\nout\nerr"
    )


def test_the_log_tail_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = SupervisedProcess("seq", ["seq", "1", "100000"], log=log).start()
    process.wait(DEADLINE)
    assert process.log_tail(3) == "99998\n99999\n100000"
    assert len(process.log_tail(10**6)) <= 16384


def test_environment_folder_and_empty_input_are_the_given_ones(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["sh", "-c", "echo $COLOUR; pwd; cat; echo end"]
    env = {"COLOUR": "red", "PATH": os.environ["PATH"]}
    SupervisedProcess("sh", command, log=log, env=env, cwd=tmp_path).start().wait(DEADLINE)
    assert log.read_text().split() == ["red", str(tmp_path.resolve()), "end"]


@pytest.mark.parametrize("command", [["/nowhere/server"], ["no-such-command-anywhere"], ["/"]])
def test_a_command_that_cannot_be_run_is_an_error_at_once(command: list[str]) -> None:
    process = SupervisedProcess("server", command)
    with pytest.raises(ProcessError, match="cannot start server: "):
        process.start()
    assert process.pid is None


def test_it_starts_only_once(started: Callable[[SupervisedProcess], SupervisedProcess]) -> None:
    process = started(SupervisedProcess("sleep", ["sleep", "600"]))
    with pytest.raises(ProcessError, match="started before"):
        process.start()


def test_terminate_ends_it_and_tells_that_this_was_expected() -> None:
    process = SupervisedProcess("sleep", ["sleep", "600"]).start()
    pid = process.pid
    assert pid is not None
    ended = process.terminate()
    assert ended == Exit("sleep", pid, -signal.SIGTERM, True, "")
    assert process.terminate() == ended
    assert gone(pid)
    assert SupervisedProcess("never", ["true"]).terminate() is None


def test_what_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FAMILY
    process = SupervisedProcess("stubborn", [sys.executable, "-c", stubborn, str(tmp_path / "pids")]).start()
    pids = family_of(tmp_path / "pids")
    ended = process.terminate(deadline=0.2)
    assert ended is not None
    assert ended.code == -signal.SIGKILL
    wait_gone(*pids)


def test_a_stopped_process_ends_too() -> None:
    process = SupervisedProcess("sleep", ["sleep", "600"]).start()
    process.send_signal(signal.SIGSTOP)
    wait_for(lambda: state_of(process.pid).startswith("T"), "the stop")
    ended = process.terminate(deadline=0.2)
    assert ended is not None
    assert ended.code == -signal.SIGKILL


def test_what_a_server_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {pid_file}.new; mv {pid_file}.new {pid_file}"
    process = SupervisedProcess("sh", ["sh", "-c", script]).start()
    assert process.wait(DEADLINE) is not None
    wait_gone(*family_of(pid_file))


def test_it_comes_back_after_each_death_and_says_so(
    started: Callable[[SupervisedProcess], SupervisedProcess],
) -> None:
    exits: list[Exit] = []
    returns: list[int | None] = []
    process = started(
        SupervisedProcess(
            "sleep",
            ["sleep", "600"],
            restart=True,
            on_exit=exits.append,
            on_restart=lambda back: returns.append(back.pid),
        )
    )
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: len(returns) == 1, "the first return")
    second = process.pid
    assert second is not None
    assert returns == [second]
    os.kill(second, signal.SIGTERM)
    wait_for(lambda: len(returns) == 2, "the second return")
    assert [(ended.pid, ended.code, ended.expected) for ended in exits] == [
        (first, -signal.SIGKILL, False),
        (second, -signal.SIGTERM, False),
    ]
    assert process.restarts == 2
    process.terminate()
    assert exits[-1].expected
    assert process.restarts == 2


def test_terminate_ends_a_process_between_two_lives() -> None:
    exits: list[Exit] = []
    process = SupervisedProcess("false", ["false"], restart=True, on_exit=exits.append).start()
    wait_for(lambda: len(exits) >= 3, "three short lives")
    process.terminate()
    count = len(exits)
    assert process.wait(0) is not None
    assert process.pid is None
    assert len(exits) == count


def test_a_callback_that_fails_or_ends_the_process_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    def fail(ended: Exit) -> None:
        raise RuntimeError(f"no use for {ended.name}")

    def end(back: SupervisedProcess) -> None:
        back.terminate()

    process = SupervisedProcess("false", ["false"], restart=True, on_exit=fail, on_restart=end).start()
    ended = process.wait(DEADLINE)
    assert ended is not None
    assert process.restarts == 1
    assert "a callback of false failed" in caplog.text


def test_a_command_that_has_gone_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = tmp_path / "server"
    server.symlink_to(str(shutil.which("false")))
    process = SupervisedProcess("server", [server], restart=True, on_exit=lambda _: server.unlink()).start()
    wait_for(lambda: "server does not come back: " in caplog.text, "the warning")
    assert process.terminate() is not None


def test_a_killed_guardian_takes_the_server_with_it_and_it_comes_back(
    started: Callable[[SupervisedProcess], SupervisedProcess],
) -> None:
    returned = threading.Event()
    process = started(
        SupervisedProcess("sleep", ["sleep", "600"], restart=True, on_restart=lambda _: returned.set())
    )
    first = process.pid
    assert first is not None
    guardian = process.guardian_pid
    assert guardian is not None
    os.kill(guardian, signal.SIGKILL)
    wait_gone(first)
    assert returned.wait(DEADLINE)
    assert process.pid not in (None, first)


OWNERS = {
    "main thread": "process.start()",
    "thread that has ended": (
        "thread = threading.Thread(target=process.start); thread.start(); thread.join()"
    ),
    "asyncio": "asyncio.run(asyncio.to_thread(process.start))",
    "with a forked copy that holds the pipes": ("process.start()\nif os.fork() == 0: time.sleep(600)"),
}


@pytest.mark.parametrize("how", OWNERS)
def test_nothing_outlives_an_owner_that_was_killed(how: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    owner_code = (
        "import asyncio, os, pathlib, sys, threading, time\n"
        "from mljobs_dev.controlplane.process import SupervisedProcess\n"
        f"command = [sys.executable, '-c', {FAMILY!r}, {str(tmp_path / 'pids')!r}]\n"
        f"folders = [pathlib.Path({str(folder)!r})]\n"
        "process = SupervisedProcess('family', command, remove_if_orphaned=folders)\n"
        f"{OWNERS[how]}\n"
        "time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", owner_code], start_new_session=True)
    try:
        pids = family_of(tmp_path / "pids")
        assert not any(gone(pid) for pid in pids)
        owner.kill()
        owner.wait()
        wait_gone(*pids)
        wait_for(lambda: not folder.exists(), "the removal of the folder")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(owner.pid, signal.SIGKILL)


def test_it_outlives_the_thread_that_started_it(
    started: Callable[[SupervisedProcess], SupervisedProcess],
) -> None:
    process = SupervisedProcess("sleep", ["sleep", "600"])
    thread = threading.Thread(target=lambda: started(process))
    thread.start()
    thread.join()
    assert process.wait(timeout=0.5) is None
    assert process.pid is not None
    assert not gone(process.pid)


async def test_it_works_from_an_event_loop() -> None:
    process = SupervisedProcess("sh", ["sh", "-c", "exit 5"])
    await asyncio.to_thread(process.start)
    ended = await asyncio.to_thread(process.wait, DEADLINE)
    assert ended is not None
    assert ended.code == 5


def test_ctrl_c_in_the_terminal_does_not_reach_it(
    started: Callable[[SupervisedProcess], SupervisedProcess],
) -> None:
    process = started(SupervisedProcess("sleep", ["sleep", "600"]))
    assert process.pid is not None
    assert os.getpgid(process.pid) == process.pid
    assert os.getsid(process.pid) != os.getsid(0)
