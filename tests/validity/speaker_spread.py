"""Estimates how much speakers differ in predictions of real runs, for the generators of the coverage simulation.

    python speaker_spread.py RUN/predictions.csv [SECOND/predictions.csv ...]

Model: logit P(clip right) = mean of its class + speaker effect + speaker-by-class effect (+ method effect of this
speaker and class, with two files or more), all normal; maximum likelihood, integrals by Gauss-Hermite quadrature. Prints
the standard deviations on the logit. With two files: also the share of clips of a speaker and class whose outcome the
files have in common beyond chance (covariance over variance within speaker and class).
"""
import collections
import csv
import itertools
import sys

import numpy
from scipy import optimize, special

nodes, weights = numpy.polynomial.hermite_e.hermegauss(15)
log_weights = numpy.log(weights / weights.sum())


def outcomes(path: str) -> dict[tuple[str, str], dict[str, int]]:
    """(speaker, class) -> clip -> 1 if right."""
    cells = collections.defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            cells[row["speaker"], row["label"]][row["id"]] = int(row["label"] == row["predicted"])
    return cells


def negative_log_likelihood(parameters, right, clips):
    """right: methods × speakers × classes; clips: speakers × classes."""
    methods, speakers, classes = right.shape
    means = parameters[:methods * classes].reshape(methods, 1, classes, 1, 1, 1)
    speaker, cell, method = numpy.exp(parameters[methods * classes:])
    if methods == 1:
        method = 0
    at = means + speaker * nodes[:, None, None] + cell * nodes[None, :, None] + method * nodes[None, None, :]
    log_p, log_q = -numpy.logaddexp(0, -at), -numpy.logaddexp(0, at)
    k, n = right[..., None, None, None], clips[None, ..., None, None, None]
    terms = special.logsumexp(k * log_p + (n - k) * log_q + log_weights, axis=-1).sum(0)  # speakers × classes × u × v
    terms = special.logsumexp(terms + log_weights, axis=-1).sum(1)
    return -special.logsumexp(terms + log_weights, axis=-1).sum()


def shared(first, second) -> float:
    covariance = variance = 0.0
    for key, clips in first.items():
        a, b = (numpy.array([run[key][clip] for clip in clips], float) for run in (first, second))
        if len(a) > 1:
            covariance += len(a) * numpy.cov(a, b)[0, 1]
            variance += len(a) * numpy.sqrt(a.var(ddof=1) * b.var(ddof=1))
    return covariance / variance if variance else float("nan")


def main() -> None:
    runs = [outcomes(path) for path in sys.argv[1:]]
    speakers, classes = (sorted({key[i] for key in runs[0]}) for i in (0, 1))
    clips = numpy.array([[len(runs[0][s, c]) for c in classes] for s in speakers], float)
    right = numpy.array([[[sum(run[s, c].values()) for c in classes] for s in speakers] for run in runs], float)
    start = numpy.concatenate([numpy.full(right.shape[0] * len(classes), 2.0), numpy.log([0.5, 0.5, 0.3])])
    bounds = [(-6, 9)] * (len(start) - 3) + [(numpy.log(1e-3), numpy.log(5))] * 3
    fit = optimize.minimize(negative_log_likelihood, start, args=(right, clips), bounds=bounds)
    names = ("speaker", "speaker by class", "method by speaker and class")
    for name, value in list(zip(names, numpy.exp(fit.x[-3:])))[:3 if len(runs) > 1 else 2]:
        print(f"standard deviation, {name}: {value:.2f}")
    for a, b in itertools.combinations(range(len(runs)), 2):
        print(f"outcomes shared by files {a + 1} and {b + 1}: {shared(runs[a], runs[b]):.2f}")


if __name__ == "__main__":
    main()
