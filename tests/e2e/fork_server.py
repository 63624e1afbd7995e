"""Runs command lines of one program in forks of a process in which its modules are loaded once.

`gcloud`'s own script starts this with its own Python (`CLOUDSDK_PYTHON_ARGS`), and names its `gcloud.py`;
for `mljobs` and `kubectl-mljobs` it is started with that word. A request is a line of JSON on stdin with
`words`, `env`, `whole` (whether that is the whole environment), `cwd`, `stdin` and `seconds`; its answer one
on stdout with `code`, `out` and `err`. The code of a command that took too long is that of SIGALRM.
"""

import atexit
import contextlib
import importlib
import importlib.util
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

Main = Callable[[], object]


def load_mljobs() -> tuple[Main, str]:
    """Give the entry point of `mljobs`, and how it is called."""
    from mljobs.cli.app import main

    return main, "mljobs"


def load_plugin() -> tuple[Main, str]:
    """Give the entry point of `kubectl mljobs`, and how it is called."""
    from mljobs.kubectl.app import main

    return main, "kubectl-mljobs"


def load_gcloud(path: str) -> tuple[Main, str]:
    """Give the entry point of `gcloud.py`, with all that `gcloud` loads for any command."""
    spec = importlib.util.spec_from_file_location("gcloud", path)
    assert spec is not None
    assert spec.loader is not None
    gcloud = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gcloud)
    sys.path = gcloud.reorder_sys_path(sys.path)
    gcloud._fix_google_module()
    gcloud._import_gcloud_main()
    return gcloud.main, path


def answer(main: Main, name: str, request: dict[str, Any]) -> dict[str, Any]:
    """Run a line in a fork, and load what it has loaded, for the next."""
    with contextlib.ExitStack() as stack:
        given, out, err, loaded = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(4))
        given.write(request["stdin"].encode())
        given.seek(0)
        child = os.fork()
        if not child:
            sys.argv = [name, *request["words"]]
            _run(main, request, (given, out, err), loaded)
        _, status = os.waitpid(child, 0)
        said, complained, names = (_read(file) for file in (out, err, loaded))
    for module in names.split():
        if module not in sys.modules:
            _import(module)
    return {"code": os.waitstatus_to_exitcode(status), "out": said, "err": complained}


def _run(main: Main, request: dict[str, Any], streams: Sequence[BinaryIO], loaded: BinaryIO) -> None:
    """Be the program, to the end of this process."""
    code: object = 1
    try:
        signal.alarm(request["seconds"])
        for number, file in enumerate(streams):
            os.dup2(file.fileno(), number)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # the old one has read ahead  # noqa: SIM115
        if request["whole"]:
            os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(loaded.fileno(), "\n".join(sys.modules).encode())
        os._exit(code if isinstance(code, int) else int(code is not None))


def _import(name: str) -> None:
    with contextlib.suppress(ImportError):  # one that gcloud makes by itself
        importlib.import_module(name)


def _read(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()


def serve() -> None:
    """Answer requests until there are no more."""
    sys.path.pop(0)  # the folder of this file, where a program must find nothing
    os.environ["CLOUDSDK_PYTHON_ARGS"] = "-S" if sys.flags.no_site else ""  # for what gcloud itself starts
    own = {"mljobs": load_mljobs, "kubectl-mljobs": load_plugin}.get(sys.argv[1])
    main, name = own() if own else load_gcloud(sys.argv[1])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(main, name, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
