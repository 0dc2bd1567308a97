"""Expected intervals over speakers of means and scores of all clips together, of one run (docs/validity.md)."""
import dataclasses
import math

import numpy
import scipy.optimize
import scipy.stats
from scipy.special import expit, logit

FEWEST_SPEAKERS, FEWEST_CHANGED = 5, 10
SHARES = {"accuracy", "overlap", "uar", "share", "changed"}
UNCOVERED = {"score"}  # and differences of accuracy_drop: no interval
AMOUNTS = {"kl", "entropy", "word_error_rate", "token_error_rate"}  # 0 or more: their intervals end at 0


@dataclasses.dataclass(frozen=True)
class Interval:
    low: float = math.nan
    high: float = math.nan
    stretch: float = 1  # factor from the error of the value to that of the ends


def pooled(value: float, without: list[float], share: bool = False) -> Interval | None:
    """Jackknife over speakers with Student's t, of shares on the logit scale; None if there is none."""
    count = len(without)
    if count < FEWEST_SPEAKERS or not numpy.isfinite(without).all() or (share and not 0 < value < 1):
        return None
    pseudo = count * value - (count - 1) * numpy.asarray(without)
    error = scipy.stats.sem(pseudo)
    if error <= 1e-9 * (abs(value) + 1e-3):
        return Interval()  # rounding decides whether equal contributions count as equal: not compared
    half = scipy.stats.t.ppf(0.975, count - 1) * error
    if share:
        half /= value * (1 - value)
        return Interval(expit(logit(value) - half), expit(logit(value) + half))
    t = scipy.stats.t.ppf(0.975, count - 1)
    return Interval(value - half, value + half, 1 + t * (count - 1) / math.sqrt(count - 1))


def of_mean(values: list[float], speakers: list[str], share: bool = False) -> Interval | None:
    values, speakers = numpy.asarray(values), numpy.asarray(speakers)
    kept = [values[speakers != speaker] for speaker in sorted(set(speakers))]
    return pooled(values.mean(), [part.mean() if len(part) else math.nan for part in kept], share)


def of_score(score, labels: list[int], predicted: list[int], speakers: list[str]) -> Interval | None:
    """score: a function of labels and predictions; None also if a class has clips of one speaker only."""
    labels, predicted, speakers = map(numpy.asarray, (labels, predicted, speakers))
    without = []
    for speaker in sorted(set(speakers)):
        kept = speakers != speaker
        if set(labels[kept]) != set(labels):
            return None
        without.append(score(labels[kept], predicted[kept]))
    return pooled(score(labels, predicted), without, share=True)


def of_change(values: list[float], speakers: list[str]) -> Interval | None:
    """Mean of 1 for a lost clip, -1 for a gained one: Wilson's intervals of both shares with the effective number of
    clips, combined (Zou and Donner, 2008)."""
    values, speakers = numpy.asarray(values), numpy.asarray(speakers)
    names = sorted(set(speakers))
    if len(names) < FEWEST_SPEAKERS or numpy.count_nonzero(values) < FEWEST_CHANGED:
        return None
    (a, a_low, a_high), (b, b_low, b_high) = (wilson(values == sign, speakers, names) for sign in (1, -1))
    return Interval(a - b - math.hypot(a - a_low, b_high - b), a - b + math.hypot(a_high - a, b - b_low))


def wilson(counted: numpy.ndarray, speakers: numpy.ndarray, names: list[str]) -> tuple[float, float, float]:
    """A share and the ends of its interval: the roots of |share - x| = t sqrt(x (1 - x) effect / clips)."""
    share, clips, effect = counted.mean(), len(counted), 1
    if 0 < share < 1:
        pseudo = [len(names) * share - (len(names) - 1) * counted[speakers != name].mean() for name in names]
        effect = max(1, scipy.stats.sem(pseudo) ** 2 / (share * (1 - share) / clips))
    t = scipy.stats.t.ppf(0.975, len(names) - 1)

    def distance(x: float) -> float:
        return abs(share - x) - t * math.sqrt(x * (1 - x) * effect / clips)

    low = 0.0 if share == 0 else scipy.optimize.brentq(distance, 0, share)
    high = 1.0 if share == 1 else scipy.optimize.brentq(distance, share, 1)
    return share, low, high


def of_curve(metric: str, model: str, values: list[float], speakers: list[str]) -> Interval | None:
    """The interval of a row of means over clips."""
    difference = model == "adapted-frozen"
    if metric in UNCOVERED or (difference and metric == "accuracy_drop"):
        return None
    if metric == "accuracy_drop":
        return of_change(values, speakers)
    interval = of_mean(values, speakers, share=metric in SHARES and not difference)
    if interval and metric in AMOUNTS and not difference:
        return dataclasses.replace(interval, low=max(interval.low, 0))
    return interval
