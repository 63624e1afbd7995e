"""What one crash makes of a naive controller and of ours on Vertex AI, as a page of the docs shows."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.support_stack import Emulator
from tests.faults.backend import Backend
from tests.faults.lab import Lab
from tests.faults.naive import Crash, masked, naive
from tests.faults.vertex import VERTEX, VertexTruth, lagging
from tests.unit.docs.markdown import DOCS, blocks


@pytest.fixture
def backend() -> Backend:
    return VERTEX


@pytest.fixture(autouse=True)
def _lists_lag(service: Emulator) -> Iterator[None]:
    with lagging(service):
        yield


@pytest.mark.parametrize(
    ("heading", "controller", "made", "left"),
    [
        ("One crash, two jobs", naive, 2, ["RUNNING", "CANCELLING"]),
        ("One crash, one job", lambda lab: lab, 1, ["CANCELLING"]),
    ],
    ids=["naive", "operator"],
)
async def test_what_the_page_shows_happens(
    lab: Lab, heading: str, controller: Callable[[Lab], Lab], made: int, left: list[str]
) -> None:
    namespace = await lab.namespace()
    truth = VertexTruth(lab.service, namespace)
    told = await Crash(controller(lab), namespace, truth).tell()
    assert [method for method, _ in truth.applied()] == ["create"] * made + ["cancel"]
    assert [job.state for job in truth.jobs()] == left
    (shown,) = (
        one.text
        for one in blocks(DOCS / "no-second-job.md")
        if one.heading == heading and one.language == "text"
    )
    assert masked(told) == masked(shown).strip(), told
