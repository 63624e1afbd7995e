"""What the image keeps compiled, found as its build finds it."""

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
import trim
for path in sorted(trim._loaded(Path(sys.argv[1]))):
    print(path)
"""


def test_what_the_operator_loads_is_found_and_what_the_image_leaves_out_is_not_among_it() -> None:
    packages = Path(sysconfig.get_path("purelib"))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(packages)],
        cwd=ROOT / "deploy" / "image",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {Path(line).relative_to(packages).as_posix() for line in done.stdout.splitlines()}
    assert {"kopf/__init__.py", "googleapiclient/discovery.py", "kubernetes/client/api_client.py"} <= found
    assert not [path for path in found if path.startswith("kubernetes/aio/")]
