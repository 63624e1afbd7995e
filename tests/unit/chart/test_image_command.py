"""What `make image` asks of the engine that it finds; `make image-test` builds for real."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mljobs import __version__

ROOT = Path(__file__).parents[3]
TOOLS = ("bash", "env", "sed", "git", "dirname")
ENGINE = """#!/bin/sh
[ "$1" = info ] && exit {broken}
printf '%s\\n' "$0" "$@"
"""


def build(folder: Path, engines: dict[str, bool], *options: str, **variables: str) -> tuple[int, list[str]]:
    """Exit code and lines of output; of the engines, those that are False are there and do not work."""
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    for name, works in engines.items():
        (folder / name).write_text(ENGINE.format(broken=int(not works)), "ascii")
        (folder / name).chmod(0o755)
    (folder / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    done = subprocess.run(
        [ROOT / "deploy" / "image" / "build.sh", *options],
        env={"PATH": str(folder), "HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout or done.stderr).splitlines()


@pytest.mark.parametrize(
    ("engines", "chosen"),
    [
        ({"docker": True, "podman": True, "buildah": True}, "docker"),
        ({"docker": False, "podman": True, "buildah": True}, "podman"),
        ({"docker": False, "buildah": True}, "buildah"),
    ],
)
def test_the_first_engine_that_works_is_taken(tmp_path: Path, engines: dict[str, bool], chosen: str) -> None:
    code, (program, command, *words) = build(tmp_path, engines)
    assert (code, Path(program).name, command) == (0, chosen, "build")
    assert ("--timestamp" in words) is (chosen != "docker")


def test_without_an_engine_it_says_what_to_do(tmp_path: Path) -> None:
    code, said = build(tmp_path, {"docker": False})
    assert code == 1
    assert said == [
        "found neither docker, podman nor buildah that works: install one, start it, or name it with ENGINE=…"
    ]


def test_the_image_bears_the_version_and_what_was_given(tmp_path: Path) -> None:
    code, words = build(
        tmp_path,
        {"docker": False, "podman": True},
        "--platform=linux/arm64",
        ENGINE="docker",
        BUILD_DIGEST="sha256:1",
        RUNTIME_DIGEST="sha256:2",
    )
    assert code == 0
    assert Path(words[0]).name == "docker"
    arguments = dict(word.split("=", 1) for flag, word in itertools.pairwise(words) if flag == "--build-arg")
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert arguments == {
        "VERSION": __version__,
        "REVISION": revision.stdout.strip(),
        "BUILD_DIGEST": "sha256:1",
        "RUNTIME_DIGEST": "sha256:2",
    }
    assert words[-4:] == ["--platform=linux/arm64", "--tag", f"mljobs-operator:{__version__}", "."]


def test_every_argument_that_it_gives_is_one_of_the_dockerfile(tmp_path: Path) -> None:
    """An argument that no ARG takes is ignored, so that a misspelt digest would pin nothing."""
    variables = ("BUILD_IMAGE", "BUILD_DIGEST", "RUNTIME_IMAGE", "RUNTIME_DIGEST", "ALLOW_UNPINNED")
    _, words = build(tmp_path, {"docker": True}, **dict.fromkeys(variables, "x"))
    given = {word.partition("=")[0] for flag, word in itertools.pairwise(words) if flag == "--build-arg"}
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert given == {line[4:].partition("=")[0] for line in lines if line.startswith("ARG ")}
