"""Figures with the load under which they were taken, the goals that they are held against, table and plot."""

import json
import math
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

GOALS = Path(__file__).with_name("goals.yaml")


@dataclass(frozen=True)
class Goal:
    """What a figure has to reach.

    Attributes:
        figure: its name.
        at_most: the bound, in the figure's unit.
        what: in words.
    """

    figure: str
    at_most: float
    what: str


def goals() -> list[Goal]:
    """The stated goals."""
    rows = yaml.safe_load(GOALS.read_text("utf-8"))
    return [Goal(row["figure"], float(row["atMost"]), row["what"]) for row in rows]


@dataclass
class Figures:
    """What was measured: each figure may be measured several times, and its median counts."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    others: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, value: float, *, others: float) -> None:
        """Add one measurement.

        Args:
            name: with its unit at the end.
            value: in that unit.
            others: cores that others kept busy meanwhile.
        """
        self.values[name].append(value)
        self.others[name].append(others)
        print(f"  {name:<44}{value:>10.2f}   others {others:.2f} cores", flush=True)

    def median(self, name: str) -> float | None:
        """The median of a figure; None if it was not measured."""
        return statistics.median(self.values[name]) if name in self.values else None

    def ratio(self, name: str, above: str, below: str, factor: float = 1.0) -> None:
        """Add the ratio of two figures' medians, if both were measured."""
        top, bottom = self.median(above), self.median(below)
        if top is not None and bottom:
            self.add(name, top / (bottom * factor), others=max(*self.others[above], *self.others[below]))

    def judged(self) -> list[tuple[Goal, float, bool]]:
        """The goals whose figure was measured, with its median, and whether it is reached."""
        found = [(goal, self.median(goal.figure)) for goal in goals()]
        return [(goal, value, value <= goal.at_most) for goal, value in found if value is not None]

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "taken": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "figures": {
                name: {
                    "median": round(statistics.median(values), 4),
                    "runs": [round(value, 4) for value in values],
                    "othersCores": [round(load, 2) for load in self.others[name]],
                }
                for name, values in self.values.items()
            },
            "goals": [
                {"figure": goal.figure, "atMost": goal.at_most, "measured": round(value, 4), "met": met}
                for goal, value, met in self.judged()
            ],
        }

    def write(self, folder: Path) -> None:
        """Write JSON and plot into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_json(), indent=2)
        (folder / "figures.json").write_text(f"{text}\n", "utf-8")
        (folder / "burst.svg").write_text(plot(self.series()), "utf-8")

    def series(self) -> Mapping[str, Sequence[tuple[int, float]]]:
        """Cost of one object by the number of objects of a burst, for the plot."""
        kinds = {
            "operator": "operator_cpu_ms",
            "bare program": "bare_cpu_ms",
            "API server, operator": "operator_apiserver_cpu_ms",
            "API server, bare program": "bare_apiserver_cpu_ms",
        }
        points: dict[str, list[tuple[int, float]]] = {label: [] for label in kinds}
        for label, figure in kinds.items():
            for name in self.values:
                size, _, rest = name.removeprefix("burst_").partition(".")
                value = self.median(name)
                if rest == figure and size.isdigit() and value is not None:
                    points[label].append((int(size), value))
        return {label: sorted(found) for label, found in points.items() if found}

    def table(self) -> str:
        """All figures and goals as Markdown."""
        lines = ["| figure | median | runs | cores kept busy by others |", "|---|---|---|---|"]
        for name, values in self.values.items():
            loads = self.others[name]
            lines.append(
                f"| {name} | {statistics.median(values):.2f} | {len(values)} "
                f"| {min(loads):.1f}–{max(loads):.1f} |"
            )
        lines += ["", "| goal | at most | measured | |", "|---|---|---|---|"]
        lines += [
            f"| {goal.what} (`{goal.figure}`) | {goal.at_most:g} | {value:.2f} "
            f"| {'met' if met else 'missed'} |"
            for goal, value, met in self.judged()
        ]
        return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "loadAverage": [round(load, 2) for load in os.getloadavg()],
    }


# --- the plot -----------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 60, 190, 30, 50
COLOURS = ("#1a6", "#888", "#36c", "#c63")


def plot(series: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Milliseconds of CPU an object against the number of objects, as SVG; logarithmic from left to right."""
    numbers = sorted({number for points in series.values() for number, _ in points}) or [1]
    highest = max((value for points in series.values() for _, value in points), default=1.0)
    step = 10.0 ** math.floor(math.log10(highest or 1.0))
    top = math.ceil(highest / step) * step
    low, high = math.log(numbers[0]), math.log(numbers[-1])

    def x(number: int) -> float:
        share = (math.log(number) - low) / (high - low) if high > low else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="18">CPU of one object in a burst, in ms</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 12}">objects in the burst</text>',
    ]
    for mark in range(5):
        value = top * mark / 4
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    parts += [
        f'<text x="{x(number):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number:,}</text>'
        for number in numbers
    ]
    for row, (label, points) in enumerate(series.items()):
        colour = COLOURS[row % len(COLOURS)]
        line = " ".join(f"{x(number):.1f},{y(value):.1f}" for number, value in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3" fill="{colour}"/>' for n, v in points]
        at = TOP + 20 * row
        parts.append(
            f'<rect x="{WIDTH - RIGHT + 15}" y="{at}" width="12" height="12" fill="{colour}"/>'
            f'<text x="{WIDTH - RIGHT + 33}" y="{at + 10}">{label}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])
