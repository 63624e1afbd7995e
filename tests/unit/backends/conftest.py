"""What several tests of backends share."""

import pytest

from mljobs.backends.google import credentials


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause after a token could not be fetched."""
    monkeypatch.setattr(credentials, "FAILED_PAUSE", 0.0)
