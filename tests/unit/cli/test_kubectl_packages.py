"""`submit training --package-path` and local `--packages`: what is built, and where it is to go."""

import io
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mljobs.kubectl.failure import Failure
from mljobs.kubectl.sdist import build, check
from tests.unit.cli.kubectl_command import Outcome, run
from tests.unit.cli.package_folders import FILES, FLAGS, MODULES, SETUP, lay, seen, unprivileged


def uris(done: Outcome) -> list[str]:
    assert done.code == 0, done.err
    found: list[str] = done.manifest["spec"]["trainingInput"]["packageUris"]
    return found


def submit(package: object, *words: str) -> Outcome:
    return run(f"submit training census --dry-run {FLAGS} --package-path '{package}'", *words)


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = ((member.name, archive.extractfile(member)) for member in archive if member.isfile())
        return {name.partition("/")[2]: file.read() for name, file in files if file}


def test_a_package_without_setup_py_is_built_and_nothing_of_the_users_is_touched(tmp_path: Path) -> None:
    package = lay(tmp_path)
    before = seen(tmp_path)
    (uri,) = uris(submit(package))
    bucket, folder, digest, name = uri.removeprefix("gs://").split("/")
    assert (bucket, folder, len(digest), name) == ("team-bucket", "mljobs", 64, "trainer-0.0.0.tar.gz")
    assert seen(tmp_path) == before
    (archive,) = build(package)
    assert archive.generated
    assert (
        MODULES
        < set(members(archive.content))
        <= {*MODULES, "PKG-INFO", "setup.py", "setup.cfg", "README.md"}
    )


def test_the_dry_run_says_what_would_be_uploaded(tmp_path: Path) -> None:
    done = submit(lay(tmp_path))
    (line,) = done.err
    assert line.startswith("would upload ")
    assert line.endswith(f" bytes to {uris(done)[0]}")


@pytest.mark.parametrize("setup", ["", SETUP], ids=["made", "own"])
def test_the_same_files_are_the_same_bytes(setup: str, tmp_path: Path) -> None:
    one = lay(tmp_path / "one", setup=setup)
    other = lay(tmp_path / "another/place", dict(reversed(FILES.items())), setup=setup)
    for path in other.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o600)
    (first,), (second,) = build(one), build(other)
    assert first == second
    (other / "task.py").write_text("print('another')\n", "utf-8")
    (third,) = build(other)
    assert third.name == first.name
    assert third.content != first.content


def test_an_archive_has_no_trace_of_who_built_it_and_when(tmp_path: Path) -> None:
    package = lay(tmp_path, setup=SETUP)
    (package / "run.py").write_text("#!/usr/bin/env python3\n", "utf-8")
    (package / "run.py").chmod(0o710)
    (archive,) = build(package)
    assert archive.content[4:8] == bytes(4)  # gzip's own time (RFC 1952)
    with tarfile.open(fileobj=io.BytesIO(archive.content)) as unpacked:
        found = unpacked.getmembers()
    assert found == sorted(found, key=lambda member: member.name)
    assert {(member.uid, member.gid, member.uname, member.gname) for member in found} == {(0, 0, "", "")}
    assert len({member.mtime for member in found}) == 1
    assert {
        member.name.rpartition("/")[2] for member in found if member.isfile() and member.mode == 0o755
    } == {"run.py"}
    assert {member.mode for member in found} == {0o755, 0o644}


def test_the_users_own_setup_py_says_name_version_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    (tmp_path / "helper.py").write_text("", "utf-8")
    setup = f"import helper\n{SETUP}"
    package = lay(tmp_path, setup=setup)
    before = seen(tmp_path)
    (archive,) = build(package)
    assert (archive.name, archive.generated) == ("census_trainer-1.2.tar.gz", False)
    found = members(archive.content)
    assert {*MODULES, "trainer/data.csv", "setup.py", "README.md"} < set(found)
    assert found["setup.py"].decode() == setup
    assert b"\nVersion: 1.2\n" in found["PKG-INFO"]
    assert seen(tmp_path) == before


def test_other_files_beside_the_package_say_what_they_say_with_gcloud(tmp_path: Path) -> None:
    package = lay(tmp_path)
    (tmp_path / "setup.cfg").write_text("[metadata]\nversion = 3.1\n", "utf-8")
    (tmp_path / "MANIFEST.in").write_text("include notes/*.py\n", "utf-8")
    (archive,) = build(package)
    assert archive.name == "trainer-3.1.tar.gz"
    assert "notes/draft.py" in members(archive.content)


def test_a_setup_py_that_knows_no_egg_info_is_run_plainly(tmp_path: Path) -> None:
    setup = "import sys\nif 'egg_info' in sys.argv:\n    sys.exit('invalid command')\n" + SETUP
    (archive,) = build(lay(tmp_path, setup=setup))
    assert archive.name == "census_trainer-1.2.tar.gz"


@pytest.mark.parametrize("path", ["trainer", "trainer/", "./trainer", "trainer/../trainer", "{here}/trainer"])
def test_the_folder_may_be_written_in_any_way(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = lay(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = uris(submit(path.format(here=tmp_path)))
    monkeypatch.chdir(package)
    assert uris(submit(".")) == found
    assert uris(submit(package, "--staging-bucket gs://team-bucket/")) == found


@pytest.mark.parametrize("name", ["trainer's", "my-trainer", "träiner"])
def test_names_that_python_finds_odd(name: str, tmp_path: Path) -> None:
    package = lay(tmp_path).rename(tmp_path / name)
    (archive,) = build(package)
    assert f"{name}/task.py" in archive.files


def test_a_setup_py_that_fails_shows_what_it_printed(tmp_path: Path) -> None:
    done = submit(lay(tmp_path, setup="print('before')\nraise RuntimeError('no compiler')\n"))
    assert done.code == 1
    assert done.out == ""
    *shown, last = done.err
    assert "before" in shown
    assert "RuntimeError: no compiler" in shown
    assert last == (
        "error: --package-path: `python setup.py sdist` has failed with exit code 1, as shown above; "
        "fix it, or build it and use --packages"
    )


def test_a_pyproject_that_hinders_a_made_setup_py_says_to_write_one(tmp_path: Path) -> None:
    package = lay(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nversion = 1\n", "utf-8")
    done = submit(package)
    assert done.code == 1
    assert done.err[-1].endswith("write a setup.py beside the package")


def test_the_interpreter_is_the_one_that_gclouds_variable_names(tmp_path: Path) -> None:
    package = lay(tmp_path / "files", setup="import os\nprint(os.environ['MARK'])\nraise SystemExit(3)\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nMARK=that-one exec "{sys.executable}" "$@"\n', "utf-8")
    python.chmod(0o755)
    words = f"submit training census --dry-run {FLAGS} --package-path {package}"
    done = run(words, env={"CLOUDSDK_PYTHON": str(python)})
    assert "that-one" in done.err
    done = run(words, env={"CLOUDSDK_PYTHON": "/nowhere/python"})
    assert done.code == 2
    assert done.err == ["error: CLOUDSDK_PYTHON /nowhere/python: cannot be run: No such file or directory"]


UNPRIVILEGED = "import sys\nfrom pathlib import Path\nfrom mljobs.kubectl.sdist import build\n"


@pytest.mark.parametrize("setup", ["", SETUP], ids=["made", "own"])
def test_a_parent_that_cannot_be_written_to(setup: str, tmp_path: Path) -> None:
    package = lay(tmp_path / "files", setup=setup)
    expected = build(package)
    script = f"{UNPRIVILEGED}sys.stdout.buffer.write(build(Path(sys.argv[1]))[0].content)"
    folders = [tmp_path / "files", *(path for path in (tmp_path / "files").rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = subprocess.run(
            [*unprivileged(), "-c", script, package], capture_output=True, timeout=60, check=False
        )
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected[0].content


def test_a_parent_that_can_be_neither_written_to_nor_copied(tmp_path: Path) -> None:
    package = lay(tmp_path / "files", setup=SETUP)
    within = tmp_path / "files/tmp"
    within.mkdir()
    (tmp_path / "files").chmod(0o555)
    script = f"{UNPRIVILEGED}build(Path(sys.argv[1]))"
    try:
        done = subprocess.run(
            [*unprivileged(), "-c", script, package],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "TMPDIR": str(within)},
        )
    finally:
        (tmp_path / "files").chmod(0o755)
    assert "cannot be written to, and holds the folder for temporary files" in done.stderr
    assert "set TMPDIR to a folder outside of it" in done.stderr


ALONE = """\
import atexit, os
os.close(os.open("building", os.O_CREAT | os.O_EXCL))
atexit.register(os.unlink, "building")
"""


def test_builds_in_the_same_folder_wait_for_each_other(tmp_path: Path) -> None:
    package = lay(tmp_path, setup=ALONE + SETUP)
    with ThreadPoolExecutor(4) as pool:
        archives = list(pool.map(build, [package] * 4))
    assert all(archive == archives[0] for archive in archives)


def test_local_packages_keep_their_bytes_and_those_in_the_cloud_their_place(tmp_path: Path) -> None:
    wheel, archive = tmp_path / "dep-1-py3-none-any.whl", tmp_path / "dep2.tar.gz"
    wheel.write_bytes(b"a wheel")
    archive.write_bytes(b"an archive")
    done = submit(lay(tmp_path / "files"), f"--packages {wheel},gs://b/first.tar.gz,{archive}")
    first, *rest = uris(done)
    assert first == "gs://b/first.tar.gz"
    assert [uri.rpartition("/")[2] for uri in rest] == [wheel.name, archive.name, "trainer-0.0.0.tar.gz"]
    assert (
        rest[0]
        == (
            "gs://team-bucket/mljobs/9d8e4aef5efd1c0ec6e98b5d1e1a1d1e7a9b5a2e2b6f7e0f1f33a2b1c0d9e8f7/"
            + wheel.name
        )
        or len(rest[0].split("/")[4]) == 64
    )
    assert len(done.err) == 3


@pytest.mark.parametrize(
    ("job_dir", "place"),
    [
        ("gs://jobs/census/1", "gs://jobs/census/1/packages/"),
        ("gs://jobs/census/1/", "gs://jobs/census/1/packages/"),
    ],
)
def test_without_a_staging_bucket_packages_go_below_the_job_dir(
    job_dir: str, place: str, tmp_path: Path
) -> None:
    flags = FLAGS.partition(" --staging-bucket")[0]
    done = run(f"submit training census --dry-run {flags} --package-path {lay(tmp_path)} --job-dir {job_dir}")
    assert uris(done)[0].startswith(place)
    done = run(
        f"submit training census --dry-run {FLAGS} --package-path {tmp_path / 'trainer'} --job-dir {job_dir}"
    )
    assert uris(done)[0].startswith("gs://team-bucket/mljobs/")


def test_packages_of_a_file_give_way(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("trainingInput: {packageUris: [gs://b/old.tar.gz]}\n", "utf-8")
    (uri,) = uris(submit(lay(tmp_path / "files"), f"--config {config}"))
    assert uri.startswith("gs://team-bucket/")


def test_problems_are_told_before_anything_is_built(tmp_path: Path) -> None:
    package = lay(tmp_path, setup="raise SystemExit('was run')")
    done = submit(package, "--scale-tier huge")
    assert done.code == 1
    assert not any("was run" in line or "packageUris" in line for line in done.err)


def test_the_cluster_is_looked_for_before_anything_is_built(tmp_path: Path) -> None:
    package = lay(tmp_path, setup="raise SystemExit('was run')")
    done = run(f"submit training census {FLAGS} --package-path {package} --kubeconfig {tmp_path / 'none'}")
    assert done.code == 2
    (line,) = done.err
    assert "kube" in line


@pytest.mark.parametrize(
    ("module", "warned"),
    [
        ("trainer.task", False),
        ("trainer.models.census", False),
        ("task", True),
        ("trainer.models", True),
    ],
)
def test_a_module_that_the_package_does_not_have_is_warned_about(
    module: str, warned: bool, tmp_path: Path
) -> None:
    done = submit(lay(tmp_path), f"--module-name {module}")
    assert done.code == 0
    assert (
        any(
            f"warning: --module-name {module}: the package built from trainer has no" in line
            for line in done.err
        )
        == warned
    )


WRONG = {
    "--package-path missing": "--package-path missing: does not exist; name the folder",
    "--package-path file.py": "--package-path file.py: is a file, must be the folder of a Python package",
    "--package-path empty": "--package-path empty: is no Python package, since it has no __init__.py; make",
    "--package-path gs://b/trainer": "--package-path gs://b/trainer: must be a folder of this machine; name",
    "--packages missing.whl": "--packages missing.whl: cannot be read: No such file or directory",
    "--packages empty": "--packages empty: cannot be read: Is a directory",
    "--packages none.whl": "--packages none.whl: is empty",
    "--packages a.whl,sub/a.whl": "--packages: 2 packages are called a.whl; rename one",
    "--packages a.whl --staging-bucket team": "--staging-bucket team: must be gs:// and a bucket's name",
    "--packages a.whl --staging-bucket gs://team/x": "--staging-bucket gs://team/x: must be gs:// and",
    "--staging-bucket gs://Team": "--staging-bucket gs://Team: must be gs:// and a bucket's name",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("empty", "sub"):
        (tmp_path / name).mkdir()
    for name in ("file.py", "a.whl", "sub/a.whl", "none.whl"):
        (tmp_path / name).write_text("" if name == "none.whl" else "x", "utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("words", WRONG)
def test_wrong_usage_is_one_line_with_a_hint(words: str) -> None:
    done = run(f"submit training census --dry-run {FLAGS} {words}")
    assert done.code == 2
    (line,) = done.err
    assert line.startswith(f"error: {WRONG[words]}")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "have to be uploaded; say where to by --staging-bucket gs://BUCKET, or give --job-dir"),
        ("--job-dir bucket", "--job-dir bucket: must be gs://BUCKET/FOLDER"),
    ],
)
def test_somewhere_to_upload_to_is_needed(words: str, says: str) -> None:
    flags = FLAGS.partition(" --staging-bucket")[0]
    done = run(f"submit training census --dry-run {flags} --packages a.whl {words}")
    assert done.code == 2
    (line,) = done.err
    assert says in line


def test_a_folder_whose_name_is_no_package(tmp_path: Path) -> None:
    package = lay(tmp_path).rename(tmp_path / "trainer.v2")
    done = submit(package, "--module-name x.task")
    assert done.code == 2
    assert done.err[-1] == (
        "error: --package-path trainer.v2: cannot be the name of a Python package; "
        "rename the folder, or write a setup.py beside it"
    )


def test_a_setup_py_that_builds_nothing(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="has built no archive"):
        build(check(str(lay(tmp_path, setup="pass\n"))))
