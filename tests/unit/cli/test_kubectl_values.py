"""The values of flags, names of resources, and the words of `kubectl mljobs`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mljobs.console import values
from mljobs.console.text import age, plain
from mljobs.domain.spec.metadata import is_resource_name
from mljobs.kubectl.manifest import resource_name, resource_names

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
JOB_IDS = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,127}", fullmatch=True)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (values.items, "a,b", ["a", "b"]),
        (values.items, "a,b,", ["a", "b"]),
        (values.items, "^;^a,;b;", ["a,", "b"]),
        (values.items, "^;^a,b;c", ["a,b", "c"]),
        (values.items, "^a,b", ["^a", "b"]),
        (values.items, "", []),
        (values.pairs, "a=b,c=d=e,f=", {"a": "b", "c": "d=e", "f": ""}),
        (values.labels, ["a=b,c=d", "e=f"], {"a": "b", "c": "d", "e": "f"}),
        (values.boolean, "Yes", True),
        (values.boolean, "no", False),
        (values.boolean, "maybe", "maybe"),
        (values.count, "12", "12"),
        (values.count, "many", "many"),
        (values.folder, "gs://bucket", "gs://bucket/"),
        (values.folder, "gs://bucket/a", "gs://bucket/a"),
        (values.folder, "elsewhere", "elsewhere"),
        (values.account, "a@b.c", "a@b.c"),
        (values.unless_empty, "", None),
        (values.accelerator, "count=2,type=t", {"count": "2", "type": "t"}),
        (values.seconds, "90", 90),
        (values.seconds, "1.5s", 1.5),
        (values.seconds, "1h30m", 5400),
        (values.seconds, "2d1s", 172801),
        (values.seconds, "0", 0),
        (values.duration, "1h30m", "5400s"),
        (values.duration, "0.25", "0.25s"),
        (values.duration, "100", "100s"),
    ],
)
def test_read(read: Callable[[str], Any], text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.pairs, "a"),
        (values.pairs, "=b"),
        (values.pairs, "a=b,a=c"),
        (values.pairs, "a=b,,c=d"),
        (values.items, "a,,b"),
        (values.items, ","),
        (values.labels, ["a=b", "a=b"]),
        (values.count, "0"),
        (values.count, "-3"),
        (values.folder, ""),
        (values.account, "robot"),
        (values.account, "a@b"),
        (values.project, ""),
        (values.accelerator, "type=t"),
        (values.accelerator, "type=t,count=1,size=2"),
        (values.seconds, ""),
        (values.seconds, "-1"),
        (values.seconds, "1 h"),
        (values.seconds, "1m1h"),
        (values.seconds, "\N{ARABIC-INDIC DIGIT FIVE}x"),
    ],
)
def test_refused(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


@given(JOB_IDS)
def test_every_job_id_gives_a_name(job_id: str) -> None:
    name = resource_name(job_id)
    assert is_resource_name(name)
    assert resource_name(name) == name


TITLES = ["", "名", "a/b"]
"""Display names of Vertex AI, which no id of ml v1 is."""


@given(
    st.dictionaries(st.text("0123456789", min_size=1), JOB_IDS | st.sampled_from(TITLES), max_size=8),
    st.sets(st.sampled_from(["a", "b", "a-b", "x"])),
)
def test_names_of_several_are_their_own(titles: dict[str, str], taken: set[str]) -> None:
    names = resource_names(titles, taken)
    assert set(names) == set(titles)
    assert len(set(names.values())) == len(titles)
    assert not taken & set(names.values())
    assert all(map(is_resource_name, names.values()))


def test_names_do_not_depend_on_the_order() -> None:
    titles = {title: title for title in ["census_1", "Census_1", "other"]}
    names = resource_names(titles, {"other"})
    assert names == resource_names(dict(reversed(titles.items())), {"other"})
    assert names["census_1"].startswith("census-1-")
    assert names["census_1"] != names["Census_1"]
    assert names["other"].startswith("other-")
    assert resource_names({"1": "other"}, set()) == {"1": "other"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (3600, "60m"),
        (10800, "3h"),
        (12000, "3h20m"),
        (86400, "24h"),
        (180000, "2d2h"),
        (864000, "10d"),
    ],
)
def test_age(seconds: int, text: str) -> None:
    moment = NOW - timedelta(seconds=seconds)
    assert age(moment, NOW) == text
    assert age(moment.isoformat().replace("+00:00", "Z"), NOW) == text


def test_age_of_nothing() -> None:
    assert age(None, NOW) == age("soon", NOW) == "<unknown>"


def test_what_would_steer_a_terminal_is_replaced() -> None:
    assert plain("a\x1b[31mb\r\u202ec\tä\n") == "a\ufffd[31mb\ufffd\ufffdc\tä\n"
