"""Oracle of the intervals and tests: SciPy, and NumPy from the formulas' definitions.

    python validity.py > ../../src/statistics/test_numbers_validity.h
"""
import itertools
import textwrap

import numpy
from scipy import optimize, special, stats
from sklearn import metrics


def braces(values) -> str:
    whole = numpy.issubdtype(numpy.asarray(values).dtype, numpy.integer)
    text = "{" + ", ".join(str(int(v)) if whole else repr(float(v)) for v in numpy.ravel(values)) + "}"
    return textwrap.fill(text, 100, subsequent_indent="      ")


def print_student() -> None:
    print("struct StudentPower {\n  double degrees, t, p, shift, power;\n};\n")
    print("// P(|T| > t) by scipy.stats.t; power of the two-sided test at 0.05 by the noncentral t.")
    print("inline const std::vector<StudentPower> student_powers = {")
    for degrees, t, shift in ((1, 12.7, 3), (2.5, 0.3, 2), (3, 4, 4), (9, 2.26, 3.1), (23, 7.5, 0), (40.7, 1.1, 2.8)):
        bound = stats.t.ppf(0.975, degrees)
        power = stats.nct.sf(bound, degrees, shift) + stats.nct.cdf(-bound, degrees, shift)
        print(f"    {{{degrees}, {t}, {float(2 * stats.t.sf(t, degrees))!r}, {shift}, {float(power)!r}}},")
    print("};\n")


def outcomes(random, runs, speakers, classes, hard):
    """truth and prediction of each run: clips of each speaker, all with every class."""
    speaker = numpy.repeat(numpy.arange(speakers), 15)
    truth = numpy.concatenate([numpy.resize(random.permutation(classes), 15) for _ in range(speakers)])
    skill = special.expit(hard + 0.7 * random.normal(size=speakers))[speaker]
    guesses = [numpy.where(random.random(len(truth)) < skill, truth, random.integers(0, classes, len(truth)))
               for _ in range(runs)]
    return speaker, truth, guesses


def uar(truth, guess) -> float:
    return metrics.recall_score(truth, guess, average="macro")


def uncertainty(table, whole):
    """Standard error and degrees of freedom from the S×R table of jackknife pseudo-values."""
    speakers, runs = table.shape
    v_s = stats.sem(table.mean(1)) ** 2
    if runs == 1:
        return numpy.sqrt(v_s), speakers - 1
    v_r = stats.sem(whole) ** 2
    residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    v_sr = (residual ** 2).sum() / ((speakers - 1) * (runs - 1)) / (speakers * runs)
    variance = v_s + v_r - v_sr / 2
    if variance <= v_s:
        return numpy.sqrt(v_s), speakers - 1
    degrees = variance ** 2 / (v_s ** 2 / (speakers - 1) + v_r ** 2 / (runs - 1)
                               + (v_sr / 2) ** 2 / ((speakers - 1) * (runs - 1)))
    return numpy.sqrt(variance), numpy.clip(degrees, min(speakers, runs) - 1, speakers + runs - 2)


def pseudo_values(speaker, truth, guesses):
    speakers = numpy.unique(speaker)
    whole = numpy.array([uar(truth, guess) for guess in guesses])
    without = numpy.array([[uar(truth[speaker != s], guess[speaker != s]) for guess in guesses] for s in speakers])
    return whole, len(speakers) * whole - (len(speakers) - 1) * without


def print_pooled(random) -> None:
    print("// Two methods on the same clips: confusion counts [method][run][speaker] in a row, UAR by scikit-learn; jackknife")
    print("// error, degrees of freedom and 95 % interval of the first and of the difference; p of the difference.")
    print("struct Pooled {\n  int64_t runs, speakers, classes;\n  std::vector<int64_t> counts;\n"
          "  double value, error, degrees, low, high;\n  double difference, difference_low, difference_high, p;\n"
          "  double equivalence_low, equivalence_high;\n};\n")
    print("inline const std::vector<Pooled> pooled = {")
    for runs, speakers in ((1, 7), (4, 6)):
        speaker, truth, first = outcomes(random, runs, speakers, 3, 1.8)
        second = [numpy.where(random.random(len(truth)) < 0.8, truth, random.integers(0, 3, len(truth)))
                  for _ in range(runs)]
        counts = [metrics.confusion_matrix(truth[speaker == s], guess[speaker == s], labels=range(3))
                  for method in (first, second) for guess in method for s in range(speakers)]
        whole, table = pseudo_values(speaker, truth, first)
        error, degrees = uncertainty(table, whole)
        value = whole.mean()
        half = stats.t.ppf(0.975, degrees) * error / (value * (1 - value))
        whole_2, table_2 = pseudo_values(speaker, truth, second)
        d_error, d_degrees = uncertainty(table - table_2, whole - whole_2)
        d = value - whole_2.mean()
        if runs == 1:
            signs = numpy.array(list(itertools.product([1, -1], repeat=speakers)))
            sums = numpy.abs(signs @ (table - table_2)[:, 0])
            p = (sums >= sums[0] - 1e-9).mean()
        else:
            p = 2 * stats.t.sf(abs(d) / d_error, d_degrees)
        d_half = stats.t.ppf(0.975, d_degrees) * d_error
        # Method of variance estimates recovery (Zou and Donner, 2008) with logit intervals.
        error_2 = uncertainty(table_2, whole_2)[0]
        rho = (error ** 2 + error_2 ** 2 - d_error ** 2) / (2 * error * error_2)
        ends = [[special.expit(special.logit(v) + sign * stats.t.ppf(0.95, d_degrees) * e / (v * (1 - v)))
                 for sign in (-1, 1)] for v, e in ((value, error), (whole_2.mean(), error_2))]
        down, up = value - ends[0][0], ends[0][1] - value
        down_2, up_2 = whole_2.mean() - ends[1][0], ends[1][1] - whole_2.mean()
        low = d - numpy.sqrt(down ** 2 + up_2 ** 2 - 2 * rho * down * up_2)
        high = d + numpy.sqrt(up ** 2 + down_2 ** 2 - 2 * rho * up * down_2)
        numbers = [value, error, degrees, special.expit(special.logit(value) - half),
                   special.expit(special.logit(value) + half), d, d - d_half, d + d_half, p, low, high]
        print(f"    {{{runs}, {speakers}, 3,\n     {braces(numpy.array(counts))},\n     "
              + textwrap.fill(", ".join(repr(float(n)) for n in numbers), 100, subsequent_indent="     ") + "},")
    print("};\n")


def print_small_change() -> None:
    lost, gained, clips = [3, 0, 1, 4, 0, 2, 5, 1], [0, 1, 0, 0, 1, 0, 0, 0], [30, 25, 40, 33, 28, 30, 36, 31]
    ends = []
    for counts in (numpy.array(lost), numpy.array(gained)):
        total, n = sum(clips), numpy.array(clips)
        share = counts.sum() / total
        pseudo = len(clips) * share - (len(clips) - 1) * (counts.sum() - counts) / (total - n)
        effect = max(1, stats.sem(pseudo) ** 2 / (share * (1 - share) / total))
        bound = stats.t.ppf(0.975, len(clips) - 1)
        # Wilson's interval: the roots of |share - x| = bound sqrt(x (1 - x) effect / total).
        distance = lambda x: abs(share - x) - bound * numpy.sqrt(x * (1 - x) * effect / total)
        ends.append((share, optimize.brentq(distance, 1e-9, share), optimize.brentq(distance, share, 0.9)))
    (a, a_low, a_high), (b, b_low, b_high) = ends
    low, high = a - b - numpy.hypot(a - a_low, b_high - b), a - b + numpy.hypot(a_high - a, b - b_low)
    print("// Clips lost and gained of each speaker, of so many, and the 95 % interval of the drop.")
    for name, values in (("lost", lost), ("gained", gained), ("clips_of_speaker", clips)):
        print(f"inline const std::vector<int64_t> {name} = {braces(values)};")
    print(f"constexpr double drop_low = {float(low)!r}, drop_high = {float(high)!r};\n")


def print_weights(random) -> None:
    values = 4 + 0.3 * random.normal(size=(6, 1)) + 0.1 * random.normal(size=(6, 3))
    of_fold, k, r = values.mean(1), 6, 3
    noise = values.var(1, ddof=1).mean() / (k * r)
    jackknife = (k - 1) / k * ((of_fold - of_fold.mean()) ** 2).sum()
    half = stats.t.ppf(0.975, k - 1) * numpy.sqrt(max(0, jackknife - (k - 1) ** 2 * noise / 3) + noise)
    print("// 6 folds × 3 runs, and the 95 % interval of their mean.")
    print(f"inline const std::vector<double> weight_values = {braces(values)};")
    print(f"constexpr double weight_low = {float(values.mean() - half)!r}, "
          f"weight_high = {float(values.mean() + half)!r};\n")


def print_folds(random) -> None:
    differences = random.normal(0.02, 0.03, 8)
    t = differences.mean() / numpy.sqrt((1 / 8 + 1 / 7) * differences.var(ddof=1))
    print("// Differences by fold and the p of Nadeau and Bengio's corrected t test.")
    print(f"inline const std::vector<double> fold_differences = {braces(differences)};")
    print(f"constexpr double fold_p = {float(2 * stats.t.sf(abs(t), 7))!r};\n")


def print_r_precision(random) -> None:
    labels = numpy.repeat([0, 1, 2, 3], [7, 4, 2, 1])
    points = random.normal(size=(14, 3)) + labels[:, None] * 0.8
    distances = numpy.linalg.norm(points[:, None] - points[None], axis=2)
    scores, chances = [], []
    for i, label in enumerate(labels):
        wanted = (labels == label).sum() - 1
        if wanted:
            others = [j for j in numpy.argsort(distances[i], kind="stable") if j != i]
            scores.append((labels[others[:wanted]] == label).mean())
            chances.append(wanted / (len(labels) - 1))
    print("// Labels, distances and R-precision by its definition.")
    print(f"inline const std::vector<int64_t> neighbour_labels = {braces(labels)};")
    print(f"inline const std::vector<double> neighbour_distances = {braces(distances)};")
    print(f"constexpr double r_precision = {float(numpy.mean(scores))!r}, "
          f"r_precision_chance = {float(numpy.mean(chances))!r};\n")


def print_calibrated(random) -> None:
    confidence = numpy.round(random.uniform(0.3, 1, 40), 4)
    bins = numpy.digitize(confidence, numpy.arange(1, 16) / 15, right=True)
    expected = 0.0
    for b in numpy.unique(bins):
        p = confidence[bins == b]
        distribution = numpy.array([1.0])
        for q in p:
            distribution = numpy.convolve(distribution, [1 - q, q])
        expected += (distribution * abs(numpy.arange(len(p) + 1) - p.sum())).sum() / len(confidence)
    print("// Confidences and the expected calibration error of a calibrated model with 15 bins, exactly.")
    print(f"inline const std::vector<double> confidences = {braces(confidence)};")
    print(f"constexpr double calibrated_mean = {float(expected)!r};\n")


def main() -> None:
    random = numpy.random.default_rng(11)
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Made by tests/oracle/validity.py with SciPy and scikit-learn.\n#pragma once\n")
    print("#include <cstdint>\n#include <vector>\n\nnamespace loralens::expected {\n")
    print_student()
    print_pooled(random)
    print_small_change()
    print_weights(random)
    print_folds(random)
    print_r_precision(random)
    print_calibrated(random)
    print("}  // namespace loralens::expected")


if __name__ == "__main__":
    main()
