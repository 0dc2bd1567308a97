"""Oracle of the metrics, the bootstrap and the permutation test: scikit-learn and SciPy.

    python metrics.py > ../../src/statistics/metrics_expected.h
"""
import textwrap
import warnings

import numpy
from scipy import stats
from sklearn import metrics


def braces(values) -> str:
    whole = numpy.issubdtype(numpy.asarray(values).dtype, numpy.integer)
    text = "{" + ", ".join(str(int(v)) if whole else repr(float(v)) for v in values) + "}"
    return textwrap.fill(text, 100, subsequent_indent="      ")


def confusions(random):
    """Truth and prediction of 0..C-1: common, one class never true, one never predicted, one in neither, all wrong."""
    truth = random.integers(0, 4, 200)
    guess = numpy.where(random.random(200) < 0.7, truth, random.integers(0, 4, 200))
    yield 4, truth, guess
    yield 4, numpy.where(truth == 2, 1, truth), guess
    yield 4, truth, numpy.where(guess == 3, 0, guess)
    yield 5, truth[truth != 1], numpy.where(guess == 1, 0, guess)[truth != 1]
    yield 2, numpy.zeros(7, int), numpy.ones(7, int)


def main() -> None:
    random = numpy.random.default_rng(7)
    print("// Made by tests/oracle/metrics.py with scikit-learn and SciPy.\n#pragma once\n")
    print("#include <cstdint>\n#include <vector>\n\nnamespace loralens::expected {\n")
    print("struct Metrics {\n  int64_t classes;\n  std::vector<int64_t> counts;  // [truth * classes + predicted]")
    print("  double uar, war, macro_f1;\n};\n")
    print("inline const std::vector<Metrics> metrics = {")
    for classes, truth, guess in confusions(random):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            uar = metrics.balanced_accuracy_score(truth, guess)
        f1 = metrics.f1_score(truth, guess, average="macro", zero_division=0)
        counts = metrics.confusion_matrix(truth, guess, labels=range(classes))
        print(f"    {{{classes},\n     {braces(counts.flatten())},\n"
              f"     {float(uar)!r}, {float(metrics.accuracy_score(truth, guess))!r}, {float(f1)!r}}},")
    print("};\n")

    print("struct SignFlips {\n  std::vector<double> differences;\n  double p;\n};\n")
    print("// Exact up to 16 pairs; of 24 pairs by a million random signs.")
    print("inline const std::vector<SignFlips> sign_flips = {")
    for n, shift in ((2, 0.1), (5, 0.03), (8, 0.01), (10, 0.02), (16, 0.005), (24, 0.008)):
        differences = numpy.round(random.normal(shift, 0.02, n), 6)
        test = stats.permutation_test((differences,), numpy.mean, permutation_type="samples", vectorized=True,
                                      n_resamples=numpy.inf if n <= 16 else 1_000_000, batch=10_000, rng=random)
        print(f"    {{{braces(differences)}, {float(test.pvalue)!r}}},")
    print("};\n")

    right, clips = random.integers(10, 40, 12), random.integers(40, 60, 12)
    interval = stats.bootstrap((right, clips), lambda r, c, axis: r.sum(axis) / c.sum(axis), paired=True,
                               vectorized=True, method="percentile", n_resamples=200_000, batch=10_000,
                               rng=random).confidence_interval
    print("// Speakers with so many clips right, of so many; 95 % interval of the accuracy from 200,000 resamples.")
    print(f"inline const std::vector<int64_t> right = {braces(right)};")
    print(f"inline const std::vector<int64_t> clips = {braces(clips)};")
    print(f"constexpr double accuracy_low = {float(interval.low)!r}, accuracy_high = {float(interval.high)!r};\n")
    print("}  // namespace loralens::expected")


if __name__ == "__main__":
    main()
