"""`mljobs controlplane ensure`: the folder on standard output alone, the rest on standard error."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mljobs_dev.controlplane.command import Display, controlplane_app
from mljobs_dev.controlplane.progress import Step


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("arguments", [[], ["--with", "kubectl"], ["--with", " kubectl , "]])
def test_the_folder_is_all_that_is_printed(assets: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(controlplane_app, ["ensure", *arguments])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{assets}\n"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("helm", "has no executable helm. Put it there, or unset KUBEBUILDER_ASSETS"),
        ("kubelet", "unknown binary 'kubelet'"),
    ],
)
def test_an_error_is_one_message_and_exit_code_1(assets: Path, names: str, message: str) -> None:
    result = CliRunner().invoke(controlplane_app, ["ensure", "--with", names])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_terminal_each_message_is_a_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for done in range(500):
            display.show(Step("building", done, 500, "packages"))
        display.show(Step("built [all] of it"))
        display.show(Step("refused", warning=True))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.sub(r" \[\d+ s\]", "", captured.err).splitlines() == [
        "mljobs: building",
        "mljobs: built [all] of it",
        "mljobs: warning: refused",
    ]
