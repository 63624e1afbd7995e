"""The picture of the demo, which `docs/images/demo.py` takes, still shows what the demo does."""

import html
import re
from collections import defaultdict

import pytest

from mljobs_dev.demo.acts import ACTS, DELETED
from mljobs_dev.demo.show import command, farewell
from tests.unit.docs.markdown import DOCS, ROOT

AGAIN = "take it again: python docs/images/demo.py"


def lines() -> list[str]:
    """The picture's lines of text."""
    picture = (DOCS / "images" / "demo.svg").read_text("utf-8")
    rows: dict[float, list[tuple[float, str]]] = defaultdict(list)
    for x, y, text in re.findall(r'<text[^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', picture):
        rows[float(y)].append((float(x), html.unescape(text).replace("\xa0", " ")))
    return ["".join(text for _, text in sorted(rows[y])).rstrip() for y in sorted(rows)]


def test_it_shows_each_act_from_its_apply_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = "\n".join(lines())
    for act in ACTS:
        assert command(act) in shown, AGAIN
        ends = re.findall(rf"│ *{act.name} *│ *{act.shows} *│ *(\w+) *│", shown)
        assert ends[-1:] == [act.end], AGAIN
    created = sum(act.service == "MLv1" for act in ACTS)
    (deleted,) = (act for act in ACTS if act.end == DELETED)
    assert re.search(rf"│ *{deleted.sample} *│.*│ *RUNNING *│ *kubectl delete; cancelling", shown), AGAIN
    assert re.search(r"^ +1 × ml\.projects\.jobs\.cancel$", shown, re.MULTILINE), AGAIN
    assert re.search(rf"^ +{created} × ml\.projects\.jobs\.create$", shown, re.MULTILINE), AGAIN


def test_it_ends_with_the_demo_s_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # where the program lies differs from machine to machine
    said = [re.sub(r"\S*mljobs dev", "mljobs dev", line).strip() for line in farewell().splitlines()]
    seen = [re.sub(r"\S*mljobs dev", "mljobs dev", line).strip() for line in lines()]
    wanted = [line for line in said if line]
    assert [line for line in seen if line][-len(wanted) :] == wanted, AGAIN
