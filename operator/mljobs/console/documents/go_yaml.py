"""YAML as go-yaml's second version reads it, which is what kubectl uses.

PyYAML's binding of libyaml, of which go-yaml is a translation, takes the text apart; what the parts mean is
said here and in `scalars`. Python's YAML readers differ from it in more than scalars: here the later of two
equal keys counts, and a `<<` replaces what stands above it.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from mljobs.console.documents.loaded import Loaded, Unreadable, twice
from mljobs.console.documents.scalars import Scalar, json_number, key_text, resolve
from mljobs.domain.spec.problems import Problem, Severity, join

_Events: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Where PyYAML was built without libyaml, its own parser, which refuses some tabs."""

_TAG = "tag:yaml.org,2002:"
_STAMP = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
_SURROGATE = re.compile("[\ud800-\udfff]")

_ALIASED = 0.99
"""go-yaml's bound of what may come from aliases in a document that is not huge."""

_Part = TypeVar("_Part")


def load(text: str, line: int = 1) -> Loaded:
    """Read one document; everything after a `...` is ignored.

    Args:
        text: the document, without any `---`.
        line: of the text's beginning, for messages.

    Returns:
        Its value as JSON has it, null for an empty text, and a problem for each key that is given twice.

    Raises:
        Unreadable: it means nothing that JSON has.
        yaml.YAMLError: it is not YAML.
        RecursionError: it is nested too deeply.
    """
    root = _Tree(text, line).root()
    if root is None:
        return Loaded(None)
    values = _Values()
    return Loaded(values.of(root, ""), tuple(values.problems))


def as_unicode(text: str) -> str:
    """A text with a mark in place of each half of a surrogate pair, as Go's JSON has it."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


@dataclass(eq=False)
class _Node:
    """A part of a document.

    Attributes:
        line: where it begins.
        tag: that it was given; empty without one.
    """

    line: int
    tag: str = ""


@dataclass(eq=False)
class _Scalar(_Node):
    """A text; `plain` where it has neither quotes nor a tag."""

    value: str = ""
    plain: bool = False


@dataclass(eq=False)
class _Alias(_Node):
    """Another node's name."""

    target: _Node = field(kw_only=True)


@dataclass(eq=False)
class _Sequence(_Node):
    """A list."""

    items: list[_Node] = field(default_factory=list)


@dataclass(eq=False)
class _Mapping(_Node):
    """An object."""

    pairs: list[tuple[_Node, _Node]] = field(default_factory=list)


class _Tree:
    """Makes the tree of a text's first document."""

    def __init__(self, text: str, line: int) -> None:
        self._events = _Events(text)
        self._line = line
        self._in_flow = 0
        self._anchors: dict[str, _Node] = {}

    def root(self) -> _Node | None:
        """The document's node; None if there is none."""
        try:
            self._events.get_event()
            if self._events.check_event(yaml.StreamEndEvent):
                return None
            self._events.get_event()
            root = self._node()
            self._events.get_event()
            return root
        finally:
            self._events.dispose()

    def _node(self) -> _Node:
        event = self._events.get_event()
        line = event.start_mark.line + self._line
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise Unreadable(f"line {line}: the alias *{event.anchor} has no anchor")
            return _Alias(line, target=self._anchors[event.anchor])
        node = self._begun(event, line)
        if event.anchor:
            self._anchors[event.anchor] = node
        in_flow = bool(getattr(event, "flow_style", False))
        self._in_flow += in_flow
        if isinstance(node, _Sequence):
            node.items.extend(self._until(yaml.SequenceEndEvent, self._node))
        if isinstance(node, _Mapping):
            node.pairs.extend(self._until(yaml.MappingEndEvent, lambda: (self._node(), self._node())))
        self._in_flow -= in_flow
        return node

    def _begun(self, event: Any, line: int) -> _Node:
        tag = event.tag or ""
        if isinstance(event, yaml.ScalarEvent):
            if self._in_flow and not event.style and "?" in event.value:  # which ends it for go-yaml
                raise Unreadable(f"line {line}: within {{}} or [], kubectl reads a ? only in quotes")
            return _Scalar(line, tag, event.value, event.implicit[0])
        return _Sequence(line, tag) if isinstance(event, yaml.SequenceStartEvent) else _Mapping(line, tag)

    def _until(self, end: type, read: Callable[[], _Part]) -> Iterator[_Part]:
        while not self._events.check_event(end):
            yield read()
        self._events.get_event()


@dataclass(frozen=True)
class _Member:
    """A member of an object: its key's line, its value, and whether it came with a `<<`."""

    line: int
    value: Any
    merged: bool


_Members = dict[tuple[type, Scalar], _Member]
"""An object's members by key and the key's type: to go-yaml, 1 and "1" are two keys."""


class _Values:
    """Gives the nodes of one document their values."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._open: set[_Node] = set()
        self._seen = 0
        self._aliased = 0

    def of(self, node: _Node, path: str) -> Any:
        """The value of a node at a path."""
        self._count(node)
        if isinstance(node, _Alias):
            with _Opened(self._open, node):
                return self.of(node.target, path)
        if isinstance(node, _Sequence):
            return [self.of(item, join(path, index)) for index, item in enumerate(node.items)]
        if isinstance(node, _Mapping):
            members: _Members = {}
            self._gather(node, path, members, merged=False)
            return self._object(members, path)
        return _as_json(node, _scalar(node))

    def _count(self, node: _Node) -> None:
        """Bound what aliases make of a small text."""
        self._seen += 1
        self._aliased += bool(self._open)
        if self._aliased > 100 and self._seen > 1000 and self._aliased > _ALIASED * self._seen:
            raise Unreadable(f"line {node.line}: the document consists of aliases almost entirely")

    def _gather(self, node: _Mapping, path: str, members: _Members, *, merged: bool) -> None:
        """Read an object's members over those that are there: the later one counts."""
        for key_node, value_node in node.pairs:
            if _is_merge(key_node):
                self._merge(value_node, path, members)
                continue
            self._count(key_node)
            key, text = _key(key_node)
            member = _Member(key_node.line, self.of(value_node, join(path, text)), merged)
            before = members.get((type(key), key))
            if before is not None and not before.merged:
                self.problems.append(_replaced(path, text, before, member))
            members[type(key), key] = member

    def _merge(self, node: _Node, path: str, members: _Members) -> None:
        """Read what a `<<` names: an object, or a list of objects of which the first counts most."""
        for item in reversed(node.items) if isinstance(node, _Sequence) else [node]:
            target = item.target if isinstance(item, _Alias) else item
            if not isinstance(target, _Mapping):
                raise Unreadable(f"line {node.line}: << takes an object, or a list of objects")
            self._count(item)
            with _Opened(self._open, item):
                self._gather(target, path, members, merged=True)

    def _object(self, members: _Members, path: str) -> dict[str, Any]:
        """The object, with all its keys as texts."""
        made: dict[str, _Member] = {}
        for (_, key), member in members.items():
            text = key_text(key)
            if text in made:
                rule = f"lines {made[text].line} and {member.line} set it, and kubectl would take either"
                self.problems.append(twice(path, text, member.value, rule))
            made[text] = member
        return {text: member.value for text, member in made.items()}


class _Opened:
    """Marks an alias as being read, so that one within itself is found."""

    def __init__(self, marked: set[_Node], node: _Node) -> None:
        self._marked = marked
        self._node = node

    def __enter__(self) -> None:
        if self._node in self._marked:
            raise Unreadable(f"line {self._node.line}: the value contains itself")
        if isinstance(self._node, _Alias):
            self._marked.add(self._node)

    def __exit__(self, *_error: object) -> None:
        self._marked.discard(self._node)


def _replaced(path: str, key: str, before: _Member, member: _Member) -> Problem:
    """The problem of a key that a later one replaces."""
    if member.merged:
        rule = f"kubectl takes this from the << below, over line {before.line}; put the << first"
        return twice(path, key, member.value, rule, Severity.WARNING)
    rule = f"lines {before.line} and {member.line} set it, and kubectl would take line {member.line}"
    return twice(path, key, member.value, rule)


def _is_merge(node: _Node) -> bool:
    return isinstance(node, _Scalar) and node.value == "<<" and (node.plain or node.tag == f"{_TAG}merge")


def _key(node: _Node) -> tuple[Scalar, str]:
    """A key, and the text that becomes of it."""
    target = node.target if isinstance(node, _Alias) else node
    if not isinstance(target, _Scalar):
        raise Unreadable(f"line {node.line}: a key must be a text")
    key = _scalar(target)
    try:
        return key, key_text(key)
    except ValueError as error:
        raise Unreadable(f"line {node.line}: {error}") from None


def _scalar(node: _Node) -> Scalar:
    if not isinstance(node, _Scalar):
        raise TypeError(node)
    if _SURROGATE.search(node.value):
        raise Unreadable(f"line {node.line}: half a surrogate pair is no character")
    if not node.tag:
        return resolve(node.value) if node.plain else node.value
    read = _TAGGED.get(node.tag)
    try:
        return read(node.value) if read else node.value
    except ValueError:
        name = node.tag.removeprefix(_TAG)
        raise Unreadable(f"line {node.line}: {node.value!r:.40} is no {name}") from None


def _as_json(node: _Node, value: Scalar) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise Unreadable(f"line {node.line}: JSON, of which kubectl makes use, has no such number")
    return json_number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _of_type(*types: type) -> Callable[[str], Scalar]:
    def read(text: str) -> Scalar:
        value = resolve(text)
        if type(value) not in types:
            raise ValueError(text)
        return value

    return read


def _float(text: str) -> Scalar:
    value = _of_type(int, float)(text)
    return float(value) if isinstance(value, int | float) else value


def _timestamp(text: str) -> Scalar:
    if not _STAMP.fullmatch(text):
        raise ValueError(text)
    return text


def _binary(text: str) -> Scalar:
    try:
        data = base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error
    return as_unicode(data.decode("utf-8", "surrogateescape"))


_TAGGED: dict[str, Callable[[str], Scalar]] = {
    f"{_TAG}{name}": read
    for name, read in {
        "bool": _of_type(bool),
        "int": _of_type(int),
        "float": _float,
        "null": _of_type(type(None)),
        "timestamp": _timestamp,
        "binary": _binary,
    }.items()
}
"""What makes a value of a scalar with a tag; with any other tag it is a text."""
