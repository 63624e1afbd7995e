"""Writes the records of finished resources, which outlive them, to a stream: one line of JSON each."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import TextIO

from mljobs.domain.job.resource import Resource
from mljobs.domain.show.history import finished


class History:
    """A stream of records.

    A line is written before its resource goes, and again if that has to be repeated: at least once.

    Args:
        stream: where to; the container's standard output, which the cluster keeps as it keeps logs.
        clock: the machine's time, with a zone.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], datetime]) -> None:
        self._stream = stream
        self._clock = clock

    def keep(self, resource: Resource) -> None:
        """Write the record of a resource, if it has finished.

        Raises:
            OSError: it was not written, so that the resource has to stay.
        """
        record = finished(resource, self._clock())
        if record:
            self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._stream.flush()
