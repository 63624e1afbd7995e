"""Reads manifests as kubectl does.

kubectl cuts a text at the lines that begin with `---`, reads each piece as YAML, and makes JSON of it. A text
that begins with `{` it first takes for JSON.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from mljobs.console.documents import go_yaml
from mljobs.console.documents.loaded import Loaded, Unreadable, twice
from mljobs.console.documents.scalars import json_number
from mljobs.domain.spec.problems import Problem, join

_JSON_SPACE = re.compile(r"[ \t\n\r]*")
_LINE_BREAK = re.compile(r"\r?\n")


@dataclass(frozen=True)
class Piece:
    """A part of a text that is one document.

    Attributes:
        text: of the document.
        line: where it begins, counted from 1.
        is_json: whether kubectl reads it as JSON.
    """

    text: str
    line: int = 1
    is_json: bool = False


def pieces(text: str) -> Iterator[Piece]:
    """Cut a text into its documents.

    Raises:
        Unreadable: something else stands behind a `---`, or behind several JSON documents.
    """
    start, count = 0, 0
    if text.lstrip().startswith("{"):
        for begin, end in _json_extents(text):
            yield Piece(text[begin:end], _line_at(text, begin), is_json=True)
            start, count = end, count + 1
    line = _line_at(text, start)
    if count > 1 and text[start:].strip():
        raise Unreadable(f"line {line}: only JSON may follow several JSON documents")
    yield from _yaml_pieces(text[start:], line)


def _json_extents(text: str) -> Iterator[tuple[int, int]]:
    """Where the JSON documents are that a text begins with."""
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    end = 0
    while (begin := _past_space(text, end)) < len(text):
        try:
            _, end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            return
        yield begin, end


def _past_space(text: str, begin: int) -> int:
    space = _JSON_SPACE.match(text, begin)
    return space.end() if space else begin


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _yaml_pieces(text: str, line: int) -> Iterator[Piece]:
    kept: list[str] = []
    begin = line
    for number, row in enumerate(_LINE_BREAK.split(text.removesuffix("\n")), start=line):
        if not row.startswith("---"):
            kept.append(f"{row}\n")
            continue
        rest = row[3:].strip()
        if rest and not rest.startswith("#"):
            raise Unreadable(f"line {number}: only a comment may follow --- in its line")
        yield Piece("".join(kept), begin)
        begin, kept = number + 1, []
    yield Piece("".join(kept), begin)


def load(piece: Piece) -> Loaded:
    """Read one document.

    Returns:
        Its value, null for an empty one. Of a key that is given twice it has the one that kubectl would
        take, and a problem.

    Raises:
        Unreadable: kubectl could not read it.
    """
    try:
        return _load_json(piece.text) if piece.is_json else go_yaml.load(piece.text, piece.line)
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_worded(error, piece.line)) from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(" ".join(str(error).split())) from None


def _worded(error: yaml.MarkedYAMLError, line: int) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + line}, column {mark.column + 1}: " if mark else ""
    return f"{where}{error.problem or error.context}"


class _Repetitive(dict[str, Any]):
    """An object some of whose keys are given twice."""

    repeated: tuple[str, ...] = ()


def _load_json(text: str) -> Loaded:
    problems: list[Problem] = []
    decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite)
    value, _ = decoder.raw_decode(text)
    return Loaded(_json_value(value, "", problems), tuple(problems))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    keys = [key for key, _ in pairs]
    repetitive = _Repetitive(made)
    repetitive.repeated = tuple(key for key in made if keys.count(key) > 1)
    return repetitive


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is too large a number")
    return number


def _json_value(value: Any, path: str, problems: list[Problem]) -> Any:
    """A JSON value as kubectl passes it on."""
    if isinstance(value, list):
        return [_json_value(item, join(path, index), problems) for index, item in enumerate(value)]
    if isinstance(value, dict):
        made = {
            go_yaml.as_unicode(key): _json_value(item, join(path, key), problems)
            for key, item in value.items()
        }
        for key in value.repeated if isinstance(value, _Repetitive) else ():
            rule = "the key is given twice, and kubectl would take the later one"
            problems.append(twice(path, key, made[go_yaml.as_unicode(key)], rule))
        return made
    if isinstance(value, str):
        return go_yaml.as_unicode(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json_number(value)
    return value
