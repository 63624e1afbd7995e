"""Texts of objects at rest: each as what sets it apart from another object of its kind.

Most resources wait for their job, or are done with it, and differ from one another by names and times. With
the text of another one as its dictionary, zlib packs 2.3 kB into 0.1 to 0.3.
"""

import zlib

WINDOW = 12
"""The binary logarithm of the bytes in which zlib looks for repetitions: the example has as many at most."""

LARGE = 16 * 1024
"""Bytes from which on a text is packed less well, in a third of the time."""

_LEVEL, _LARGE_LEVEL, _MEMORY = 6, 1, 1


class Shelf:
    """Packs texts of one kind of object. The first one is the example of all; it need not be a good one."""

    def __init__(self) -> None:
        self._example = b""

    def pack(self, text: bytes) -> bytes:
        """Make a text small; 2 kB take 30 µs."""
        self._example = self._example or text[-(2**WINDOW) :]
        level = _LARGE_LEVEL if len(text) >= LARGE else _LEVEL
        strategy = zlib.Z_DEFAULT_STRATEGY
        packing = zlib.compressobj(level, zlib.DEFLATED, -WINDOW, _MEMORY, strategy, self._example)
        return packing.compress(text) + packing.flush()

    def unpack(self, packed: bytes) -> bytes:
        """The text that was packed here; 2 kB take 3 µs."""
        return zlib.decompressobj(-WINDOW, self._example).decompress(packed)
