"""Which resources one of several operators reconciles: those of its share of the namespaces."""

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """A share of all namespaces; together, the shards have each namespace once.

    A namespace never changes, as a class or a label may, so that no resource moves to another shard while a
    call for it is under way.

    Attributes:
        number: which share, from 0.
        count: how many there are.
    """

    number: int
    count: int

    def has(self, namespace: str) -> bool:
        """Whether a namespace is of this share; what is in none is of the first one's."""
        if not namespace:
            return self.number == 0
        return zlib.crc32(namespace.encode()) % self.count == self.number


WHOLE = Shard(0, 1)
"""All namespaces."""
