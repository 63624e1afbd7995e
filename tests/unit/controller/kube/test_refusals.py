"""Forbidden lists and watches are told once, and shown with every answer."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from mljobs.controller.kube.refusals import Refusals

WIDE, NARROW = "mljobs.dev/v1alpha1/trainingjobs", "mljobs.dev/v1alpha1/namespaces/a/trainingjobs"


async def test_each_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shown: list[tuple[str, str, bool]] = []
    refusals = Refusals(
        {WIDE: "the watch of trainingjobs", NARROW: "the watch of trainingjobs in a"},
        lambda *row: shown.append(row),
    )

    async def answer(path: str, status: int) -> None:
        async def send(_: object) -> Any:
            return SimpleNamespace(status=status, ok=status < 400)

        request: Any = SimpleNamespace(url=URL(f"https://host/prefix/apis/{path}?watch=true"))
        assert (await refusals.see(request, send)).status == status

    for status in (403, 403, 500, 200, 200, 403):
        await answer(NARROW, status)
    await answer(WIDE, 403)
    await answer("apps/v1/deployments", 403)
    assert [row[2] for row in shown] == [True, True, False, False, True, True]
    assert {row[:2] for row in shown} == {("trainingjobs", "a"), ("trainingjobs", "")}
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split(",")[0] for message in messages] == [
        "the watch of trainingjobs in a is forbidden",
        "the watch of trainingjobs in a is allowed now",
        "the watch of trainingjobs in a is forbidden",
        "the watch of trainingjobs is forbidden",
    ]
    assert "list and watch of trainingjobs in the namespace a" in messages[0]
    assert "in the whole cluster" in messages[3]
