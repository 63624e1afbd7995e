"""Which classes a namespace may use, and why not the others."""

from collections.abc import Mapping
from typing import Any

import pytest

from mljobs.domain.classes.offers import offers

Json = dict[str, Any]


def body(name: str, *, default: bool = False, ready: str = "", **spec: Any) -> Json:
    annotations = {"mljobs.dev/is-default-class": "true"} if default else {}
    conditions = [{"type": "Ready", "status": "False" if ready else "True", "message": ready}]
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"service": "MLv1", **spec},
        "status": {"conditions": conditions},
    }


TEAM: Json = {"matchLabels": {"team": "a"}}

TABLE: dict[str, tuple[Json, Mapping[str, str] | None, bool | None, str]] = {
    "for everybody": (body("c"), None, True, ""),
    "by its name": (body("c", namespaces={"names": ["team-a"]}), None, True, ""),
    "for others": (body("c", namespaces={"names": ["team-b"]}), None, False, "it is for other namespaces"),
    "by labels": (body("c", namespaces=TEAM), {"team": "a"}, True, ""),
    "by labels that it has not": (
        body("c", namespaces=TEAM),
        {"team": "b"},
        False,
        "the labels of team-a do not meet: team=a",
    ),
    "by labels that are not known": (
        body("c", namespaces=TEAM),
        None,
        None,
        "the labels of team-a cannot be read; it needs: team=a",
    ),
    "for others, and by labels that are not known": (
        body("c", namespaces={"names": ["team-b"], **TEAM}),
        None,
        False,
        "it is for other namespaces",
    ),
    "by rules": (
        body(
            "c",
            namespaces={
                "matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["gold", "silver"]},
                    {"key": "legacy", "operator": "DoesNotExist"},
                    {"key": "zone", "operator": "NotIn", "values": ["dmz"]},
                    {"key": "owner", "operator": "Exists"},
                ]
            },
        ),
        {"tier": "bronze"},
        False,
        "the labels of team-a do not meet: tier in (gold, silver), !legacy, zone notin (dmz), owner",
    ),
    "of a newer version": (
        body("c", service="Azure"),
        {},
        False,
        "spec.service: Input should be 'MLv1' or 'VertexAI'",
    ),
    "that the operator refuses": (
        body("c", ready="Jobs cannot use the class: tables."),
        {},
        False,
        "Jobs cannot use the class: tables.",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_class_to_a_namespace(name: str) -> None:
    given, labels, usable, why = TABLE[name]
    (offer,) = offers([given], "team-a", labels)
    assert (offer.usable, offer.why) == (usable, why)


def test_the_default_is_the_newest_that_can_be_used() -> None:
    found = offers(
        [
            body("broken", default=True, ready="No."),
            body("z", default=True),
            body("a", default=True, projects=["p"], locations=["us-central1"]),
            body("m"),
        ],
        "team-a",
        {},
    )
    assert [(one.name, one.default) for one in found] == [
        ("a", False),
        ("broken", False),
        ("m", False),
        ("z", True),
    ]
    assert (found[0].projects, found[0].locations) == (("p",), ("us-central1",))
