"""What the commands load before they know what is asked of them: users wait for it each time."""

import subprocess
import sys

import pytest

HEAVY = (
    "mljobs.api.resources",
    "mljobs.domain.spec.rules",
    "kopf",
    "kubernetes",
    "googleapiclient",
    "aiohttp",
)


@pytest.mark.parametrize(
    ("module", "others"),
    [("mljobs.kubectl.app", ("pydantic",)), ("mljobs.cli.app", ())],
    ids=["plugin", "mljobs"],
)
def test_what_only_some_commands_need_is_not_loaded_for_all(module: str, others: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert module in loaded
    assert [name for name in (*HEAVY, *others) if name in loaded] == []
