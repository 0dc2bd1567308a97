"""Benchmark rows, and the table and JSON made of them."""
import dataclasses
import statistics
from collections.abc import Callable


@dataclasses.dataclass
class Line:
    """A line of the table: the cost of this program and of a peer, and their ratio."""
    work: str
    ours: float
    unit: str  # s, ms, GB, %, GFLOP/s, x
    peer: str = ""  # name of the peer; empty: none
    theirs: float | None = None
    ratio: float | None = None  # compared with the target; None: no comparison
    target: float | None = None
    at_most: bool = False  # whether the target is an upper bound
    note: str = ""

    def met(self) -> bool | None:
        if self.target is None or self.ratio is None:
            return None
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


def compared(work: str, ours: float, theirs: float, unit: str, peer: str, target: float | None = None, note: str = "") -> Line:
    """A line whose ratio is the cost of the peer divided by the cost of this program."""
    return Line(work, ours, unit, peer, theirs, theirs / ours, target, note=note)


@dataclasses.dataclass
class Row:
    """A task that is measured on several sides (this program and peers), in turns.

    sides: {name: a measurement that returns named numbers}. lines: makes table lines from {side: medians of numbers}.
    prepare: makes shared inputs once, before the measurements. named_only: measured only if the user names the row.
    """
    name: str
    summary: str
    sides: dict[str, Callable[[], dict]]
    lines: Callable[[dict], list[Line]]
    prepare: Callable[[], None] = lambda: None
    repeats: int = 3
    named_only: bool = False


def medians(samples: list[dict]) -> dict:
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def number(value: float, unit: str) -> str:
    """The value with three significant digits, and its unit."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f} {unit}"


HEADER = ("work", "ours", "peer", "", "ratio", "target", "met")


def cells(line: Line) -> tuple[str, ...]:
    theirs = "" if line.theirs is None else number(line.theirs, line.unit)
    unit = f" {line.unit}" if line.theirs is None else " x"  # without a peer the target is for the number itself
    ratio = "" if line.ratio is None or line.theirs is None else number(line.ratio, "x")
    target = "" if line.target is None else f"{'<=' if line.at_most else '>='} {line.target:,g}{unit}"
    return (line.work, number(line.ours, line.unit), theirs, line.peer, ratio, target,
            {True: "yes", False: "NO", None: ""}[line.met()])


def table(lines: list[Line]) -> str:
    """The table as text in aligned columns; the note of a line is below it."""
    rows = [HEADER] + [cells(line) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    right = (False, True, True, False, True, True, False)

    def text(row):
        return "  ".join(cell.rjust(width) if r else cell.ljust(width) for cell, width, r in zip(row, widths, right)).rstrip()

    out = [text(HEADER), "  ".join("-" * width for width in widths)]
    for line, row in zip(lines, rows[1:]):
        out.append(text(row))
        if line.note:
            out.append(f"    {line.note}")
    return "\n".join(out)


def as_json(line: Line) -> dict:
    return dataclasses.asdict(line) | {"met": line.met()}
