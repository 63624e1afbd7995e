"""Reads a text into its documents, each as the program does that it is for."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mljobs.console.documents import gcloud, kubectl
from mljobs.console.documents.loaded import Loaded, Unreadable
from mljobs.domain.spec.lenient import is_manifest
from mljobs.domain.spec.problems import Problem

_MANIFEST = re.compile(r"""^[\s{]*["']?(apiVersion|kind|spec)["']?\s*:""", re.MULTILINE)
"""How an unreadable text is recognized as a manifest."""


@dataclass(frozen=True)
class Document:
    """One description.

    Attributes:
        value: what it says.
        exact: whether it is a manifest, and so read as kubectl reads it; anything else is read as gcloud
            reads its config file.
        problems: keys that are given twice.
    """

    value: Mapping[str, Any]
    exact: bool = False
    problems: tuple[Problem, ...] = ()


def documents(text: str) -> list[Document]:
    """Take a text of YAML or JSON apart into its documents; a `List` yields its items.

    Raises:
        Unreadable: the text is not well-formed, or has a document that is no object.
    """
    return [document for piece in kubectl.pieces(text) for document in _documents(piece)]


def value(text: str, *, exact: bool) -> Any:
    """Read a value that goes into a document: as the document itself is read.

    Raises:
        Unreadable: the text is not well-formed.
    """
    return (kubectl.load(kubectl.Piece(text)) if exact else gcloud.load(text)).value


def _documents(piece: kubectl.Piece) -> Iterator[Document]:
    loaded, exact = _loaded(piece)
    found = loaded.value
    if found is None:
        return
    if not isinstance(found, Mapping):
        raise Unreadable(f"a description is an object with fields, and this one is {found!r:.40}")
    items = found.get("items")
    if not isinstance(items, list):
        yield Document(found, exact, loaded.problems)
        return
    for index, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise Unreadable(f"a list has objects with fields, and item {index} of this one is {item!r:.40}")
        prefix = f"items[{index}]."
        mine = [problem for problem in loaded.problems if problem.path.startswith(prefix)]
        mine = [replace(problem, path=problem.path.removeprefix(prefix)) for problem in mine]
        yield Document(_typed(item, found), exact or is_manifest(item), tuple(mine))


def _loaded(piece: kubectl.Piece) -> tuple[Loaded, bool]:
    """Read a piece as kubectl does if that makes a manifest of it, and as gcloud does otherwise."""
    refused: Unreadable | None = None
    try:
        loaded = kubectl.load(piece)
        if is_manifest(loaded.value) or loaded.value is None:
            return loaded, True
    except Unreadable as error:
        refused = error
    try:
        loaded = gcloud.load(piece.text, piece.line)
    except Unreadable as error:
        raise refused if refused and _MANIFEST.search(piece.text) else error from None
    if refused and is_manifest(loaded.value):
        raise refused
    return loaded, False


def _typed(item: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """An item of a list, whose kind and version kubectl takes from the list's where it has neither."""
    kind = whole.get("kind")
    if item.get("kind") or item.get("apiVersion") or not isinstance(kind, str) or kind == "List":
        return item
    return {**item, "apiVersion": whole.get("apiVersion"), "kind": kind.removesuffix("List")}
