"""What can be chosen when the emulator starts."""

from dataclasses import dataclass

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
    """

    speed: float = 1.0
    quota: bool = False
    ledger_limit: int = 1_000_000
    stale_etag_status: int = 409
    regions: tuple[str, ...] = REGIONS

    def __post_init__(self) -> None:
        if not 0 < self.speed <= 1e9:
            raise ValueError(f"speed: {self.speed!r} is not between 0 and 1,000,000,000")
        if self.ledger_limit < 1:
            raise ValueError(f"ledger_limit: {self.ledger_limit!r} is not above zero")
        if self.stale_etag_status not in (409, 412):
            raise ValueError(f"stale_etag_status: {self.stale_etag_status!r} is neither 409 nor 412")
