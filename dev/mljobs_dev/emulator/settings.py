"""What can be chosen when the emulator starts."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from mljobs_dev.emulator.errors import ApiError
from mljobs_dev.emulator.scripting import read_body
from mljobs_dev.emulator.tokens.config import Identities
from mljobs_dev.emulator.validation import REGIONS


@dataclass(frozen=True)
class Settings:
    """The emulator's settings.

    Attributes:
        speed: emulated seconds in a real second.
        quota: whether Google's request quotas are enforced.
        ledger_limit: rows that the ledger keeps.
        stale_etag_status: the HTTP status of a patch with an etag that is not the job's newest, 409 or 412;
            no public source says which one the service answers.
        regions: where jobs can run.
        identities: who may call, at the start.
        still: whether what running jobs consume is not shown to grow, so that nothing changes but by states.
    """

    speed: float = 1.0
    quota: bool = False
    ledger_limit: int = 1_000_000
    stale_etag_status: int = 409
    regions: tuple[str, ...] = REGIONS
    identities: Identities = field(default_factory=Identities)
    still: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.speed <= 1e9:
            raise ValueError(f"speed: {self.speed!r} is not between 0 and 1,000,000,000")
        if self.ledger_limit < 1:
            raise ValueError(f"ledger_limit: {self.ledger_limit!r} is not above zero")
        if self.stale_etag_status not in (409, 412):
            raise ValueError(f"stale_etag_status: {self.stale_etag_status!r} is neither 409 nor 412")


def read_identities(file: Path) -> Identities:
    """Read identities from a file of YAML or JSON.

    Raises:
        ValueError: it cannot be read, or something in it is wrong; with its name.
    """
    try:
        return read_body(Identities, yaml.safe_load(file.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"identities: {file} cannot be read: {' '.join(str(error).split())}") from error
    except ApiError as error:
        raise ValueError(f"identities: {file}: {error.message}") from error
