"""kubectl's flags for acting as another user, before the command."""

from contextvars import copy_context
from pathlib import Path

import pytest
import yaml

from mljobs.controller.kube.access import Access, Impersonation, Server, User
from mljobs.kubectl.acting import act_as, acting
from tests.unit.cli.kubectl_command import run

OWN = Impersonation("own", "1", ("own-group",), {"own": ("x",)})


def whom(own: Impersonation, *flags: object) -> Impersonation:
    """Whom a command acts as, by a kubeconfig and the flags."""

    def act() -> Impersonation:
        act_as(*flags)  # type: ignore[arg-type]
        return acting(
            Access(Server("https://x"), User(impersonation=own), "default", "a test")
        ).user.impersonation

    return copy_context().run(act)


def test_the_flags_say_whom() -> None:
    extra = ["reason=a=b", "reason=c", "team=d"]
    assert whom(Impersonation(), "kim", "7", ["g", "h"], extra) == Impersonation(
        "kim", "7", ("g", "h"), {"reason": ["a=b", "c"], "team": ["d"]}
    )


def test_what_they_leave_out_the_kubeconfig_says() -> None:
    assert whom(OWN, "", "", [], []) == OWN
    assert whom(OWN, "kim", "", ["g"], []) == Impersonation("kim", "1", ("g",), {"own": ("x",)})


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--as-group g", "need --as"),
        ("--as-uid 7", "need --as"),
        ("--as kim --as-user-extra reason", "--as-user-extra reason: must be KEY=VALUE"),
        ("--as kim --as-user-extra =x", "must be KEY=VALUE"),
    ],
)
def test_wrong_flags(flags: str, says: str, tmp_path: Path) -> None:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(document))
    done = run(f"{flags} list --kubeconfig {tmp_path}/config")
    assert done.code == 2
    assert says in done.err[0]
