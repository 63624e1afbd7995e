"""What all stories of the model have in common."""

import logging
import sys
from collections.abc import Iterator

import pytest

from mljobs.backends.mlv1.facts import MlV1Facts
from mljobs.backends.vertex import backend
from mljobs.backends.vertex.facts import VertexFacts
from mljobs.domain.policies import lost
from mljobs.domain.port import Polling
from tests.model.process import BackendType
from tests.model.service import ModelBackend, UnnamedBackend
from tests.model.vertex import PAGE_SIZE, VertexBackend
from tests.model.world import World


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the model was run."""
    model = sys.modules.get("tests.model.test_model")
    if model and model.Model.stories:
        terminalreporter.write_line(f"model: {model.Model.stories} stories, {model.Model.steps} steps")


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two jobs are many: worth a list, whose pages hold one; and the operator's warnings are no news here."""
    for facts in (MlV1Facts, VertexFacts):
        monkeypatch.setattr(facts, "polling", Polling(page_size=1, pages_from=2))
    monkeypatch.setattr(backend, "PAGE_SIZE", PAGE_SIZE)
    monkeypatch.setattr(lost, "FEW", 2)
    logging.getLogger("mljobs").setLevel(logging.ERROR)
    yield
    logging.getLogger("mljobs").setLevel(logging.NOTSET)


def _until_converged(backend: BackendType) -> Iterator[World]:
    made = World(backend)
    yield made
    try:
        made.converge()
    finally:
        made.close()


@pytest.fixture
def world(_small_pages: None) -> Iterator[World]:
    """A world with a running operator and nothing else; in the end everything has to converge."""
    yield from _until_converged(ModelBackend)


@pytest.fixture(params=[ModelBackend, UnnamedBackend, VertexBackend], ids=["ml v1", "unnamed", "Vertex AI"])
def each_world(request: pytest.FixtureRequest, _small_pages: None) -> Iterator[World]:
    """The same on each service."""
    yield from _until_converged(request.param)
