"""The reference page of a kind in Markdown, made from its models and its rules."""

from collections.abc import Iterator, Mapping
from typing import Any

from mljobs.api.base import JsonObject
from mljobs.api.crd import Rules, merged, schema, walk
from mljobs.api.resources import API_VERSION, ResourceKind


def page(kind: ResourceKind, rules: Rules) -> str:
    """Describe a kind: every field with type, bounds and meaning, then the rules that the API server checks.

    Args:
        kind: the kind to describe.
        rules: those that the API server checks, by path.

    Returns:
        Markdown that starts with a heading of the first level.
    """
    source = kind.resource.model_json_schema(by_alias=True)
    defs: dict[str, JsonObject] = source["$defs"]
    lines = [
        f"# {kind.name}",
        "",
        f"{source['description']} `apiVersion: {API_VERSION}`, `kind: {kind.name}`; "
        f"for kubectl `{kind.plural}` or `{kind.short_name}`.",
        "",
        "(≤ n) is the largest number of characters of a text, items of a list or entries of a map.",
        "",
    ]
    for name in _reachable(kind, defs):
        lines += _section(name, defs)
    lines += ["## Rules", "", *_rules(kind, rules)]
    return "\n".join(lines).rstrip() + "\n"


def _reachable(kind: ResourceKind, defs: Mapping[str, JsonObject]) -> list[str]:
    """The names of the objects in spec and status, each once, parents first."""
    names: list[str] = []
    for root in (kind.spec, kind.status):
        queue = [root.__name__]
        while queue:
            name = queue.pop(0)
            if name not in names and "properties" in defs[name]:
                names.append(name)
                queue += _references(defs[name])
    return names


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _section(name: str, defs: Mapping[str, JsonObject]) -> list[str]:
    node = defs[name]
    lines = [f"## {name}", "", _prose(node), "", "| Field | Type | Description |", "|---|---|---|"]
    for field, child in node["properties"].items():
        required = " Required." if field in node.get("required", ()) else ""
        lines.append(f"| `{field}` | {_type(child, defs)} | {_cell(_prose(child) + required)} |")
    return [*lines, ""]


def _type(node: JsonObject, defs: Mapping[str, JsonObject]) -> str:
    name = _object(node, defs)
    if name:
        return f"[{name}](#{name.lower()})"
    flat = merged(node, defs)
    if "enum" in flat:
        return "one of " + ", ".join(f"`{word}`" for word in flat["enum"]) + _default(flat)
    if "x-kubernetes-int-or-string" in flat:
        return "int64, a number or its decimal text"
    if "x-kubernetes-preserve-unknown-fields" in flat:
        return "any value"
    if flat["type"] == "array":
        return f"list{_most(flat, 'maxItems')} of {_type(flat['items'], defs)}"
    if flat["type"] == "object":
        return f"map{_most(flat, 'maxProperties')} of {_type(flat['additionalProperties'], defs)}"
    return _scalar(flat) + _default(flat)


def _object(node: JsonObject, defs: Mapping[str, JsonObject]) -> str | None:
    """The name of the object that a field holds; None if it holds something else."""
    for choice in node.get("anyOf", [node]):
        name = choice.get("$ref", "").rpartition("/")[2]
        if name and "properties" in defs[name]:
            return str(name)
    return None


def _scalar(flat: JsonObject) -> str:
    if "format" in flat:
        word = {"date-time": "time (RFC 3339)"}.get(flat["format"], flat["format"])
        return f"{word}, at least {flat['minimum']}" if flat["format"] == "int64" else str(word)
    word = {"string": "text", "boolean": "true or false"}.get(flat["type"], flat["type"])
    pattern = f", `{_cell(flat['pattern'])}`" if "pattern" in flat else ""
    return f"{word}{_most(flat, 'maxLength')}{pattern}"


def _most(flat: JsonObject, word: str) -> str:
    return f" (≤ {flat[word]})" if word in flat else ""


def _default(flat: JsonObject) -> str:
    default = flat.get("default")
    return "" if default is None else f"; default `{str(default).lower() if default is False else default}`"


def _rules(kind: ResourceKind, rules: Rules) -> list[str]:
    lines = [
        "The API server refuses a resource that breaks one of these.",
        "",
        "| Field | Rule |",
        "|---|---|",
    ]
    for path, _ in walk(schema(kind)):
        for rule in rules.get(path, ()):
            field = f"{path}{rule.field_path or ''}".removeprefix(".")
            lines.append(f"| `{field}` | {_cell(rule.message)} |")
    return lines


def _prose(node: JsonObject) -> str:
    return " ".join(node.get("description", "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
