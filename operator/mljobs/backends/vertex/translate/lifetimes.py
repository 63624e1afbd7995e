"""Tells how long Google keeps an image that a job is to run."""

from datetime import date

from mljobs.backends.vertex.tables import Tables
from mljobs.backends.vertex.translate.notes import Notes

PREBUILT = (
    "docker.pkg.dev/vertex-ai/training/",
    "docker.pkg.dev/vertex-ai/prediction/",
    "gcr.io/cloud-aiplatform/training/",
)
"""Where Google keeps its images; the last are old names."""


class Lifetimes:
    """Notes the images of one translation whose end is near or past, or not known.

    Args:
        tables: the administrator's.
        notes: takes what is noted.
        today: images are not noted as long as they are supported after this day; None notes all whose end is
            known.
    """

    def __init__(self, tables: Tables, notes: Notes, today: date | None) -> None:
        self._tables = tables
        self._notes = notes
        self._today = today

    def note(self, image: str, path: str, shown: str) -> None:
        """Note an image, if there is something to say.

        Args:
            image: its name.
            path: the field that named it, below `spec`.
            shown: what stands there.
        """
        known = self._tables.lifetime(image)
        if known is None:
            if any(place in image for place in PREBUILT):
                rule = (
                    f"{image} is an image of Google's; how long it is available is not known: if it is gone, "
                    "name another one"
                )
                self._notes.changed("vertex-image-lifetime", path, shown, rule)
            return
        over = known.end_of_support or known.end_of_availability
        if self._today is None or over < self._today:
            support = f"support ends on {known.end_of_support}, " if known.end_of_support else ""
            end = f"{support}availability ends on {known.end_of_availability}"
            rule = f"{image}: {end}; choose a newer one, or your own"
            self._notes.changed("vertex-image-lifetime", path, shown, rule)
