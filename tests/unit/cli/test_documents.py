"""Descriptions as text: read as kubectl and gcloud do, and written so that both read the same.

The end-to-end tests hold the readers against the programs themselves.
"""

import math
from datetime import date
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from mljobs.console.documents import gcloud, kubectl, writing
from mljobs.console.documents.loaded import Unreadable
from mljobs.console.documents.reading import documents, value
from mljobs.console.documents.scalars import key_text, resolve
from mljobs.domain.spec.problems import Severity

Json = dict[str, Any]

TJ = "apiVersion: mljobs.dev/v1alpha1\nkind: TrainingJob\n"


def read(text: str) -> list[Any]:
    """The documents of a text."""
    return [document.value for document in documents(text)]


def told(text: str) -> list[str]:
    """The problems of a text that has one document."""
    (document,) = documents(text)
    return [problem.text for problem in document.problems]


# --- documents of a text


def test_documents() -> None:
    text = 'a: 1\n---\n---\n{"b": 2,}\n---\nkind: List\nitems: [{c: 3}, {d: 4}]\n'
    assert read(text) == [{"a": 1}, {"b": 2}, {"c": 3}, {"d": 4}]
    assert read("") == read("# nothing\n") == read("null") == []


PIECES: list[tuple[str, list[Json]]] = [
    ("kind: a\n--- # next\nkind: b", [{"kind": "a"}, {"kind": "b"}]),
    ("kind: a\r\n---\r\nkind: b\r\n", [{"kind": "a"}, {"kind": "b"}]),
    ("---\nkind: a\n---\n", [{"kind": "a"}]),
    ("kind: a\n...\nkind: b\n", [{"kind": "a"}]),
    ('{"kind": "a"}{"kind": "b"}\n{"kind": "c"}', [{"kind": "a"}, {"kind": "b"}, {"kind": "c"}]),
    ('{"kind": "a"}\n---\nkind: b', [{"kind": "a"}, {"kind": "b"}]),
    ("kind: |+\n  a\n\n---\nkind: |+\n  b", [{"kind": "a\n\n"}, {"kind": "b\n"}]),
    ("{kind: a, x: y}", [{"kind": "a", "x": True}]),
    ('\n {"kind": "a", "x": "y"}', [{"kind": "a", "x": "y"}]),
]


@pytest.mark.parametrize(("text", "found"), PIECES, ids=lambda value: str(value)[:40])
def test_kubectls_way_to_cut_a_text(text: str, found: list[Json]) -> None:
    assert read(text) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1\n", "line 2, column 1: expected ',' or ']'"),
        ("a: [1", "line 2, column 1: expected ',' or ']'"),
        ("kind: a\n---\n\nkind: [1", "line 5, column 1: did not find expected ',' or ']'"),
        ("- 1", "a description is an object with fields, and this one is [1]"),
        ("just words", "is an object with fields"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("\0", "control characters|special characters"),
        ("a: *nowhere", "line 1, column 4: found undefined alias"),
        ("[" * 5000, "nested too deeply"),
        ("a: !!int x", "a value is not what its tag says: invalid literal"),
        ("--- {a: 1}", "line 1: only a comment may follow --- in its line"),
        ("{}{}\nkind: a", "line 1: only JSON may follow several JSON documents"),
        ("kind: *nowhere", "line 1: the alias *nowhere has no anchor"),
        ("kind: &a [*a]", "line 1: the value contains itself"),
        ("kind: a\nspec: {<<: *nowhere}", "line 2: the alias"),
        ("kind: a\nspec: {<<: 5}", "line 2: << takes an object, or a list of objects"),
        ("kind: &a\n  <<: *a", "line 2: the value contains itself"),
        ("kind: a\nspec: .inf", "line 2: JSON, of which kubectl makes use, has no such number"),
        ("kind: a\n~: b", "line 2: null cannot be a key"),
        ("kind: a\n18446744073709551615: b", "line 2: 18446744073709551615 cannot be a key"),
        ("kind: a\n{b: c}: d", "line 2: a key must be a text"),
        ("kind: a\nspec: !!int x", "line 2: 'x' is no int"),
        ("kind: a\nspec: !!float x", "line 2: 'x' is no float"),
        ("kind: a\nspec: !!timestamp x", "line 2: 'x' is no timestamp"),
        ("kind: a\nspec: !!binary x", "line 2: 'x' is no binary"),
        ('kind: a\nspec: "\\ud800"', "line 2"),
        ('{"kind": "a", "spec": 1e999}', "1e999 is too large a number"),
        (f'{{"kind": "a", "spec": 1{"0" * 400}}}', "10000000000000000000… is too large a number"),
        ("kind: List\nitems: [5]", "item 0 of this one is 5"),
    ],
)
def test_unreadable(text: str, says: str) -> None:
    with pytest.raises(Unreadable) as caught:
        documents(text)
    assert any(part in str(caught.value) for part in says.split("|")), str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_grows_by_aliases_is_refused() -> None:
    rows = [f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 9)}]" for depth in range(1, 9)]
    with pytest.raises(Unreadable, match="aliases"):
        documents("kind: a\na0: &a0 [x]\n" + "\n".join(rows))


def test_a_list_gives_kind_and_version_to_its_items() -> None:
    text = "apiVersion: mljobs.dev/v1alpha1\nkind: TrainingJobList\nitems: [{spec: {}}, {kind: Other}]"
    assert read(text) == [
        {"apiVersion": "mljobs.dev/v1alpha1", "kind": "TrainingJob", "spec": {}},
        {"kind": "Other"},
    ]


# --- which reader


def test_a_manifest_is_read_as_kubectl_does_and_anything_else_as_gcloud_does() -> None:
    text = "labels: {a: 1:30, b: 0o17, c: 08, d: 2019-01-01}\n"
    (config,) = documents(text)
    assert not config.exact
    assert config.value["labels"] == {"a": 90, "b": "0o17", "c": "08", "d": date(2019, 1, 1)}
    (manifest,) = documents(f"{TJ}{text}")
    assert manifest.exact
    assert manifest.value["labels"] == {"a": "1:30", "b": 15, "c": 8, "d": "2019-01-01"}


def test_a_manifest_that_only_gcloud_could_read_is_refused() -> None:
    with pytest.raises(Unreadable, match="line 3"):
        documents(f'{TJ}x: "\\ud83d\\ude00"')
    assert read('x: "\\ud83d\\ude00"') == [{"x": "\U0001f600"}]


def test_a_value_is_read_as_the_document_that_it_goes_into() -> None:
    assert (value("1:30", exact=True), value("1:30", exact=False)) == ("1:30", 90)
    assert (value("[y]", exact=True), value("[y]", exact=False)) == ([True], [True])
    with pytest.raises(Unreadable):
        value("[", exact=True)


# --- kubectl

SCALARS: list[tuple[str, Any]] = [
    *((word, True) for word in ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE")),
    *((word, False) for word in ("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE")),
    *((word, None) for word in ("", "~", "null", "Null", "NULL")),
    *(
        (word, word)
        for word in ("yEs", "nULL", "<<", "=", "1:30", "1:30.5", "2019-01-01", "_1", "+", "-", ".")
    ),
    *(
        (word, word)
        for word in ("0x", "0b2", "0o8", "1e", "e1", "1e400", "._5", ".5_0", "--1", "1,0", "1 0", "é")
    ),
    *((word, 5) for word in ("5", "+5", "05", "0o5", "0b101", "0x5", "0B101", "0X5", "0O5", "5_", "0_5")),
    *((word, -5) for word in ("-5", "-05", "-0b101", "-0x5")),
    *((word, 8.0) for word in ("08", "8.", "8.0", "8e0", "+8E+0", "0.8e1", "8_.0")),
    (".5", 0.5),
    ("-.5e1", -5.0),
    ("1e1", 10.0),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("9223372036854775807", 2**63 - 1),
    ("18446744073709551615", 2**64 - 1),
    ("18446744073709551616", 2.0**64),
    ("-9223372036854775809", -(2.0**63)),
    ("0x10000000000000000", "0x10000000000000000"),
    ("9" * 5000, "9" * 5000),
]


@pytest.mark.parametrize(("text", "found"), SCALARS, ids=lambda value: repr(value)[:30])
def test_scalars(text: str, found: Any) -> None:
    assert resolve(text) == found
    assert type(resolve(text)) is type(found)


def test_what_is_no_number() -> None:
    assert math.isnan(resolve(".NaN"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1.15, "1.15"),
        (123456.0, "123456"),
        (1234567.0, "1.234567e+06"),
        (16777217.0, "1.6777216e+07"),
        (1e-5, "1e-05"),
        (-0.0, "-0"),
        (1e39, ".inf"),
        (-1e39, "-.inf"),
        (math.nan, ".nan"),
        ("a", "a"),
    ],
)
def test_keys_become_texts(key: Any, text: str) -> None:
    assert key_text(key) == text


NUMBERS: list[tuple[str, Any]] = [
    ("2.0", 2),
    ("1e3", 1000),
    ("-0.0", 0),
    ("9007199254740993", 9007199254740993),
    ("9007199254740993.0", 9007199254740992),
    ("9223372036854775808", 9.223372036854775808e18),
    ("1e18", 10**18),
    ("1e19", 1e19),
    ("0.5", 0.5),
]


@pytest.mark.parametrize("form", ["kind: a\nx: {}", '{{"kind": "a", "x": {}}}'], ids=["YAML", "JSON"])
@pytest.mark.parametrize(("text", "found"), NUMBERS)
def test_numbers_arrive_in_the_api_server_as_json_has_them(form: str, text: str, found: Any) -> None:
    ((document,),) = (documents(form.format(text)),)
    assert document.value["x"] == found
    assert type(document.value["x"]) is type(found)


def test_tags() -> None:
    text = (
        "kind: a\nx: [!!str 5, !!int '5', !!float 5, !!bool y, !!null '', !!binary aGk=, !mine 5, !!set {b}]"
    )
    assert read(text)[0]["x"] == ["5", 5, 5, True, None, "hi", "5", {"b": None}]
    assert read("kind: a\nx: !!binary /w==")[0]["x"] == "\N{REPLACEMENT CHARACTER}"
    assert read("kind: a\nx: !!timestamp 2019-01-01")[0]["x"] == "2019-01-01"


def test_tabs_are_blanks() -> None:
    assert read("kind: a\nx: b\t# c\n") == [{"kind": "a", "x": "b"}]


def test_merged_members() -> None:
    text = "kind: a\nx: &x {a: 1, c: 3}\ny: &y {b: 2, c: 4}\n"
    assert read(f"{text}z: {{<<: *x, <<: *y}}")[0]["z"] == {"a": 1, "b": 2, "c": 4}
    assert read(f"{text}z: {{<<: [*x, *y], a: 5}}")[0]["z"] == {"a": 5, "b": 2, "c": 3}
    assert told(f"{text}z: {{<<: [*x, *y], a: 5}}") == []


def test_a_merged_member_that_replaces_what_stands_above_it_is_told() -> None:
    (document,) = documents("kind: a\nspec:\n  b: 1\n  <<: {b: 2}\n")
    assert document.value["spec"] == {"b": 2}
    (problem,) = document.problems
    assert problem.severity is Severity.WARNING
    assert problem.text == (
        "spec.b: Duplicate value: 2: kubectl takes this from the << below, over line 3; put the << first"
    )


TWICE = [
    (
        "kind: a\nspec:\n  b: [{c: 1, d: 2,\n    c: 3}]",
        ["spec.b[0].c: Duplicate value: 3: lines 3 and 4 set it, and kubectl would take line 4"],
    ),
    (
        "kind: a\n'kind': b",
        ['kind: Duplicate value: "b": lines 1 and 2 set it, and kubectl would take line 2'],
    ),
    (
        "kind: a\ny: 1\ntrue: 2",
        ["true: Duplicate value: 2: lines 2 and 3 set it, and kubectl would take line 3"],
    ),
    (
        "kind: a\n1: b\n'1': c",
        ['1: Duplicate value: "c": lines 2 and 3 set it, and kubectl would take either'],
    ),
    (
        '{"kind": "a", "spec": [{"b": 1, "b": 2}]}',
        ["spec[0].b: Duplicate value: 2: the key is given twice, and kubectl would take the later one"],
    ),
]


@pytest.mark.parametrize(("text", "problems"), TWICE, ids=lambda value: str(value)[:30])
def test_a_key_that_stands_there_twice_is_told_with_the_one_that_counts(
    text: str, problems: list[str]
) -> None:
    assert told(text) == problems


def test_an_item_of_a_list_has_its_own_problems() -> None:
    found = documents("kind: List\nitems: [{a: 1}, {b: 1, b: 2}, {c: 1}]")
    assert [[problem.path for problem in document.problems] for document in found] == [[], ["b"], []]
    assert all(problem.severity is Severity.ERROR for document in found for problem in document.problems)


def test_json_texts_of_half_a_pair_get_a_mark() -> None:
    assert read('{"kind": "a", "\\ud800": "\\udc00\\ud83d\\ude00"}') == [
        {"kind": "a", "\N{REPLACEMENT CHARACTER}": "\N{REPLACEMENT CHARACTER}\U0001f600"}
    ]


# --- gcloud


def test_gcloud_takes_the_first_of_two_keys_and_that_is_told() -> None:
    (document,) = documents("trainingInput:\n  region: a\n  region: b\n")
    assert document.value == {"trainingInput": {"region": "a"}}
    (problem,) = document.problems
    assert problem.severity is Severity.WARNING
    assert problem.text == 'region: Duplicate value: "a": line 3 sets it again, and gcloud takes the first'


def test_what_contains_itself_is_read() -> None:
    (found,) = read("x: &x [a, *x]")
    assert found["x"][1] is found["x"]


@pytest.mark.parametrize(
    "text", ["a: !!int x", "a: !!bool x", "a: !!timestamp x", "a: !!binary é", "a: [", "a: ="]
)
def test_what_gcloud_cannot_read(text: str) -> None:
    with pytest.raises(Unreadable):
        gcloud.load(text)


# --- writing


QUOTED = [
    "y",
    "No",
    "~",
    "",
    "5",
    "08",
    "0o17",
    "1e-3",
    "1e400",
    "1:30",
    "2019-01-01",
    "=",
    "<<",
    ".inf",
    "1_0",
]
BARE = ["a", "n1-standard-4", "gs://b/o", "--epochs=3", "2.11-x", "us-central1", "yEs", "a y"]


@pytest.mark.parametrize("text", QUOTED)
def test_what_a_reader_would_mistake_is_quoted(text: str) -> None:
    written = writing.dump([{"x": text}])
    assert written == f"x: '{text}'\n"
    readers = YAML(typ="safe", pure=True), YAML(typ="safe", pure=True)
    readers[1].version = (1, 1)
    assert [reader.load(written) for reader in readers] == [{"x": text}] * 2
    assert kubectl.load(kubectl.Piece(written)).value == yaml.safe_load(written) == {"x": text}


@pytest.mark.parametrize("text", BARE)
def test_what_nobody_would_mistake_stays_bare(text: str) -> None:
    assert writing.dump([{"x": text}]) == f"x: {text}\n"


def test_documents_are_told_apart_and_nothing_is_an_alias() -> None:
    same = ["b"]
    assert writing.dump([{"a": same, "c": same}, {}]) == "---\na:\n- b\nc:\n- b\n--- {}\n"


def test_lists_can_be_indented() -> None:
    assert writing.dump([{"a": ["b"]}], dumper=writing.IndentingDumper) == "a:\n  - b\n"
