"""Some points out of many: a sample in which every kind of point is."""

import zlib
from collections import Counter
from collections.abc import Sequence

from tests.faults.crash import Point, is_renewal
from tests.faults.gate import Moment
from tests.faults.groups import ALL

PointType = tuple[str, Moment]


def kind_of(point: Point) -> PointType:
    """What is called, whatever it says, and whether before or after."""
    return (point.name if is_renewal(point.name) else point.name.partition(" ")[0]), point.moment


def sampled(stories: Sequence[list[Point]], *, each: int, every_kind: bool = False) -> list[list[Point]]:
    """Choose points of some stories; where every point is tried, all.

    The choice is the same in every run: the rarest kind so far, and of these the lowest checksum.

    Args:
        stories: the points of each.
        each: how many of each.
        every_kind: choose more, until no kind of point that any of the stories has is missing.
    """
    if ALL:
        return list(stories)
    tried: Counter[PointType] = Counter()
    chosen: list[list[Point]] = [[] for _ in stories]
    for points, mine in zip(stories, chosen, strict=True):
        for _ in range(min(each, len(points))):
            left = (point for point in points if point not in mine)
            mine.append(min(left, key=lambda point: (tried[kind_of(point)], zlib.crc32(f"{point}".encode()))))
            tried[kind_of(mine[-1])] += 1
    for points, mine in zip(stories, chosen, strict=True):
        for point in points if every_kind else ():
            if not tried[kind_of(point)]:
                mine.append(point)
                tried[kind_of(point)] += 1
    return chosen
