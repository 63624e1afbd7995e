"""Metadata of manifests: what the API server refuses, with the problem that we tell, and what it takes."""

from typing import Any

Json = dict[str, Any]

TEXT = "must be a text; put it in quotes"

REFUSED_METADATA: list[tuple[Json, str]] = [
    ({"name": 5}, f"metadata.name: Invalid value: 5: {TEXT}"),
    ({"name": "A_b"}, 'metadata.name: Invalid value: "A_b": must be lower-case letters'),
    ({"name": "a..b"}, "metadata.name: Invalid value"),
    ({"name": "x" * 254}, "metadata.name: Invalid value"),
    ({"name": ""}, "metadata.name: Required value: a resource needs a name"),
    ({"name": None, "generateName": "-"}, "metadata.generateName: Invalid value"),
    ({"namespace": "a.b"}, "metadata.namespace: Invalid value"),
    ({"labels": {"a": 1}}, f"metadata.labels[a]: Invalid value: 1: {TEXT}"),
    ({"labels": {"a b": "c"}}, "metadata.labels[a b]: Invalid value"),
    ({"labels": {"a/b/c": "d"}}, "metadata.labels[a/b/c]: Invalid value"),
    ({"labels": {"/a": "b"}}, "metadata.labels[/a]: Invalid value"),
    ({"labels": {"A.b/c": "d"}}, "metadata.labels[A.b/c]: Invalid value"),
    ({"labels": {"a": "b c"}}, "metadata.labels[a]: Invalid value"),
    ({"labels": {"a": "x" * 64}}, "metadata.labels[a]: Invalid value"),
    ({"labels": ["a"]}, "metadata.labels: Invalid value: 1 item: must be an object"),
    (
        {"annotations": {"mljobs.dev/adopt": True}},
        f"metadata.annotations[mljobs.dev/adopt]: Invalid value: true: {TEXT}",
    ),
    ({"annotations": {"a b": "c"}}, "metadata.annotations[a b]: Invalid value"),
    (
        {"annotations": {"a": "x" * 2**18}},
        "metadata.annotations: Invalid value: 1 field: keys and values must have 262144 bytes at most",
    ),
    ({"lables": {}}, "metadata.lables: Forbidden: 0 fields: there is no such field; did you mean labels?"),
    ({"generation": "1"}, 'metadata.generation: Invalid value: "1": must be a whole number'),
    ({"uid": True}, f"metadata.uid: Invalid value: true: {TEXT}"),
    ({"finalizers": "a"}, 'metadata.finalizers: Invalid value: "a": must be a list'),
]

TAKEN_METADATA: list[Json] = [
    {"name": "a.b-c.9"},
    {"name": "x" * 253},
    {"name": None, "generateName": "a-"},
    {"namespace": "default"},
    {"labels": {"app.kubernetes.io/name": "A_b.c-d", "x": "", "y": None}},
    {"annotations": {"A/B_c.d": "any text: \n", "e": "x" * (2**18 - 30)}, "creationTimestamp": None},
    {"finalizers": ["a/b"], "ownerReferences": [], "managedFields": []},
]
