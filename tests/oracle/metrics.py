"""Oracle of the metrics, calibration, the bootstrap and the permutation test: scikit-learn, NumPy and SciPy.

    python metrics.py > ../../src/statistics/test_numbers_metrics.h
"""
import textwrap
import warnings

import numpy
from scipy import stats
from sklearn import calibration, metrics


def braces(values) -> str:
    whole = numpy.issubdtype(numpy.asarray(values).dtype, numpy.integer)
    text = "{" + ", ".join(str(int(v)) if whole else repr(float(v)) for v in values) + "}"
    return textwrap.fill(text, 100, subsequent_indent="      ")


def confusions(random):
    """Yields C, truth and prediction: usual; a class never true; one never predicted; one in neither; all wrong."""
    truth = random.integers(0, 4, 200)
    guess = numpy.where(random.random(200) < 0.7, truth, random.integers(0, 4, 200))
    yield 4, truth, guess
    yield 4, numpy.where(truth == 2, 1, truth), guess
    yield 4, truth, numpy.where(guess == 3, 0, guess)
    yield 5, truth[truth != 1], numpy.where(guess == 1, 0, guess)[truth != 1]
    yield 2, numpy.zeros(7, int), numpy.ones(7, int)


def calibrations(random):
    """Yields confidence of the top label and correctness: for four classes, two classes, and on the bins' edges."""
    for classes, sharpness in ((4, 2.0), (2, 1.0)):
        scores = numpy.exp(sharpness * random.normal(size=(150, classes)))
        confidence = numpy.round((scores / scores.sum(1, keepdims=True)).max(1), 6)
        yield confidence, (random.random(150) < confidence ** 1.5).astype(int)
    edges = numpy.arange(16) / 15
    yield numpy.concatenate([edges, edges[::3]]), numpy.arange(22) % 3 % 2


def print_calibrations(random) -> None:
    print("struct Calibrations {\n  std::vector<double> confidence;\n  std::vector<int64_t> right;\n  double ece;")
    print("  std::vector<double> confidences, accuracies;  // of the bins that are not empty\n};\n")
    print("// 15 bins (low, high]; the curve by scikit-learn's calibration_curve, ECE by NumPy.")
    print("inline const std::vector<Calibrations> calibrations = {")
    for confidence, right in calibrations(random):
        accuracies, confidences = calibration.calibration_curve(right, confidence, n_bins=15, strategy="uniform")
        bins = numpy.digitize(confidence, numpy.arange(1, 16) / 15, right=True)
        ece = sum((bins == b).mean() * abs(right[bins == b].mean() - confidence[bins == b].mean())
                  for b in range(15) if (bins == b).any())
        print(f"    {{{braces(confidence)},\n     {braces(right)},\n     {float(ece)!r},\n"
              f"     {braces(confidences)},\n     {braces(accuracies)}}},")
    print("};\n")


def print_paired_runs(random) -> None:
    clips = random.integers(20, 40, 14)
    first, second = random.binomial(clips, 0.72), random.binomial(clips, 0.66)
    interval = stats.bootstrap((first, second, clips), lambda a, b, c, axis: (a.sum(axis) - b.sum(axis)) / c.sum(axis),
                               paired=True, vectorized=True, method="percentile", n_resamples=200_000, batch=10_000,
                               rng=random).confidence_interval
    differences = first / clips - second / clips
    test = stats.permutation_test((differences,), numpy.mean, permutation_type="samples", vectorized=True,
                                  n_resamples=numpy.inf, batch=10_000)
    print("// Two runs on the same speakers: clips right in each, of so many; 95 % interval of the difference of the")
    print("// accuracies from 200,000 resamples, exact p of the speakers' differences.")
    for name, values in (("clips", clips), ("first", first), ("second", second)):
        print(f"inline const std::vector<int64_t> paired_{name} = {braces(values)};")
    print(f"constexpr double paired_low = {float(interval.low)!r}, paired_high = {float(interval.high)!r};")
    print(f"constexpr double paired_p = {float(test.pvalue)!r};\n")


def main() -> None:
    random = numpy.random.default_rng(7)
    print("// SPDX-License-Identifier: Apache-2.0")
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
    print_calibrations(random)
    print_paired_runs(random)
    print("}  // namespace loralens::expected")


if __name__ == "__main__":
    main()
