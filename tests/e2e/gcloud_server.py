"""Runs lines of gcloud in forks of one process, in which its modules are loaded once.

gcloud's own script starts this with gcloud's own Python (`CLOUDSDK_PYTHON_ARGS`), and names its `gcloud.py`.
A request is a line of JSON on stdin with `words`, `env`, `cwd` and `seconds`; its answer one on stdout with
`code`, `out` and `err`. The code of a line that took too long is that of SIGALRM.
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
from pathlib import Path
from typing import Any, BinaryIO


def load(path: str) -> Any:
    """Give the module of `gcloud.py`, with all that `gcloud` loads for any command."""
    sys.path.pop(0)  # the folder of this file, where gcloud must find nothing
    spec = importlib.util.spec_from_file_location("gcloud", path)
    assert spec is not None
    assert spec.loader is not None
    gcloud = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gcloud)
    sys.path = gcloud.reorder_sys_path(sys.path)
    gcloud._fix_google_module()
    gcloud._import_gcloud_main()
    return gcloud


def answer(gcloud: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Run a line in a fork, and load what it has loaded, for the next."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as loaded:
        child = os.fork()
        if not child:
            _run(gcloud, request, out, err, loaded)
        _, status = os.waitpid(child, 0)
        said, complained, names = (_read(file) for file in (out, err, loaded))
    for name in names.split():
        if name not in sys.modules:
            _import(name)
    return {"code": os.waitstatus_to_exitcode(status), "out": said, "err": complained}


def _run(gcloud: Any, request: dict[str, Any], out: BinaryIO, err: BinaryIO, loaded: BinaryIO) -> None:
    """Be `gcloud`, to the end of this process."""
    code: object = 1
    try:
        signal.alarm(request["seconds"])
        with Path(os.devnull).open("rb") as nothing:
            for number, file in enumerate((nothing, out, err)):
                os.dup2(file.fileno(), number)
        os.environ.update(request["env"])
        os.chdir(request["cwd"])
        sys.argv = [gcloud.__file__, *request["words"]]
        gcloud.main()
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


def main() -> None:
    os.environ["CLOUDSDK_PYTHON_ARGS"] = "-S" if sys.flags.no_site else ""  # for what gcloud itself starts
    gcloud = load(sys.argv[1])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(gcloud, json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
