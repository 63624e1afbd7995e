"""`mljobs demo` from its start to its exit code, as `make demo` runs it."""

import re
import sys
from pathlib import Path

import pytest

from tests.e2e.support import eventually
from tests.e2e.support_dev import Run

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the processes of a run in /proc"),
]


def test_jobs_of_both_services_come_to_their_ends(tmp_path: Path, binaries_dir: Path) -> None:
    run = Run(tmp_path / "run", "demo", assets=binaries_dir)
    try:
        code = eventually(
            run.process.poll,
            lambda seen: seen is not None,
            what="it ends",
            within=150,
            report=lambda: run.output,
        )
        told = run.output
        assert code == 0, told
        run.assert_nothing_is_left(1)
    finally:
        run.end_by_force()
    ends = dict(re.findall(r"^\[.*?\] (\S+) +(SUCCEEDED|FAILED|DELETED) ", told, re.MULTILINE))
    assert ends == {
        "tuning": "SUCCEEDED",
        "prediction": "SUCCEEDED",
        "failing": "FAILED",
        "long-running": "DELETED",
        "vertex/tuning": "SUCCEEDED",
        "vertex/vertex-overlay": "SUCCEEDED",
    }
    assert re.search(r"^\[.*?\] tuning +RUNNING ", told, re.MULTILINE)
    assert re.search(r"8/8 trials, the best is trial \d with 0\.\d+", told)
    described = told.partition("kubectl describe tj failing")[2]
    assert re.search(r"Error Message: .*ModuleNotFoundError", described)
    assert re.search(r"Warning +JobFailed", described)
    assert re.search(r"^ +1 × ml\.projects\.jobs\.cancel$", described, re.MULTILINE)
    assert re.search(r"^ +1 × aiplatform\.projects\.locations\.customJobs\.create$", described, re.MULTILINE)
    assert re.search(r"^ +4 × ml\.projects\.jobs\.create$", described, re.MULTILINE)
    assert re.search(r"The one cancel is that of default_long_running_\w+, whose resource is gone", described)
    assert "mljobs dev" in described.partition("What to try next")[2]
