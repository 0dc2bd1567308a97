"""Expected rows of an analysis' table: means over clips or folds, and their intervals."""
import dataclasses
import math
from collections import defaultdict

import analysis_intervals as intervals
import numpy
import scipy.stats


@dataclasses.dataclass(frozen=True)
class Key:
    model: str = ""
    variant: str = ""
    fold: str = ""
    layer: str = ""
    module: str = ""
    component: str = ""
    metric: str = ""
    class_name: str = ""
    step: str = ""

    def curve(self) -> "Key":
        return dataclasses.replace(self, layer="")


@dataclasses.dataclass
class Expected:
    value: float
    slack: float = 0  # largest error from counts whose margin is below rounding
    low: float = math.nan  # interval; NaN: not compared
    high: float = math.nan
    stretch: float = 1  # factor from the error of the value to that of its interval's ends
    n: int | None = None  # None: not compared
    estimand: str | None = None  # None: not compared
    absent: bool = False  # whether the row must have no interval

    def over_all(self, interval: intervals.Interval | None, estimand: str) -> "Expected":
        """This row with its interval, which rounding must not change: with slack it is not compared."""
        found = dataclasses.replace(self, estimand=estimand)
        if self.slack:
            return found
        if interval is None:
            return dataclasses.replace(found, absent=True)
        return dataclasses.replace(found, low=interval.low, high=interval.high, stretch=interval.stretch)


Rows = dict[Key, Expected]


class ClipMeans:
    """Means over all clips, and over the clips of each fold if there are several. speakers: of each clip of the table;
    empty if rows have no interval."""

    def __init__(self, speakers: list[str]):
        self.speakers = speakers
        self.values = defaultdict(list)  # {key without fold: [(fold, clip, value, slack)]}

    def add(self, fold: int, clip: int, value: float, slack: float = 0, **key) -> None:
        self.values[Key(**key)].append((fold, clip, float(value), slack))

    def rows(self) -> Rows:
        rows = {}
        for key, values in self.values.items():
            folds = sorted({fold for fold, *_ in values})
            for name in ["", *folds] if len(folds) > 1 else folds:
                part = [v for v in values if name == "" or v[0] == name]
                expected = Expected(numpy.mean([v[2] for v in part]), sum(v[3] for v in part) / len(part), n=len(part))
                rows[dataclasses.replace(key, fold=str(name))] = self.finished(expected, key, part, len(part) == len(values))
        return rows

    def finished(self, expected: Expected, key: Key, values: list, all_clips: bool) -> Expected:
        if not self.speakers or not all_clips:
            return dataclasses.replace(expected, absent=True, estimand="")
        return expected.over_all(intervals.of_curve(key.metric, key.model, [v[2] for v in values],
                                                    [self.speakers[v[1]] for v in values]), "pooled")

    def differences(self, first: str, second: str) -> "ClipMeans":
        """Differences of two models on the same clips, under the model name first-second."""
        found = ClipMeans(self.speakers)
        for key, values in self.values.items():
            other = self.values.get(dataclasses.replace(key, model=second))
            if key.model == first and other:
                assert [v[:2] for v in values] == [v[:2] for v in other]
                found.values[dataclasses.replace(key, model=f"{first}-{second}")] = [
                    (*a[:2], a[2] - b[2], a[3] + b[3]) for a, b in zip(values, other)]
        return found


class FoldMeans:
    """One number per fold, with its own interval if it has one, and the mean over folds, which has none: the runs of
    this check are single trainings."""

    def __init__(self):
        self.values = defaultdict(dict)

    def add(self, fold: int, value: float, slack: float = 0, without: list[float] = (), **key) -> None:
        """without: the number recomputed without each speaker in turn, for the jackknife."""
        low, high, stretch = jackknife(value, without)
        self.values[Key(**key)][fold] = Expected(float(value), slack, low, high, stretch)

    def rows(self) -> Rows:
        rows = {}
        for key, values in self.values.items():
            rows |= {dataclasses.replace(key, fold=str(fold)): expected for fold, expected in values.items()}
            if len(values) > 1:
                count = len(values)
                rows[key] = Expected(numpy.mean([expected.value for expected in values.values()]),
                                     sum(e.slack for e in values.values()) / count, absent=True, n=count,
                                     estimand="fold-mean")
        return rows


def jackknife(value: float, without: list[float]) -> tuple[float, float, float]:
    """Low and high of the 95 % delete-one-group jackknife interval (NaN if there is none), and its stretch."""
    count = len(without)
    if count < intervals.FEWEST_SPEAKERS or not numpy.isfinite(without).all():
        return math.nan, math.nan, 1
    t = scipy.stats.t.ppf(0.975, count - 1)
    pseudo = count * value - (count - 1) * numpy.asarray(without)
    half = t * numpy.std(pseudo, ddof=1) / math.sqrt(count)
    return value - half, value + half, 1 + t * (count - 1) / math.sqrt(count - 1)


def text(value) -> str:
    return str(value)
