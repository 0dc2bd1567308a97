"""Oracle of CKA, the debiased HSIC and the jackknife: NumPy in feature space, mpmath with 60 digits, and SciPy.

    python cka.py > ../../src/statistics/test_numbers_cka.h
"""
import textwrap

import mpmath
import numpy
from scipy import stats

mpmath.mp.dps = 60
tiny = 2.0**-30  # scales values to the size of gradients


def braces(values) -> str:
    text = ", ".join(repr(float(v)) for v in numpy.ravel(values))
    return "{\n" + textwrap.fill(text + "}", 110, initial_indent="    ", subsequent_indent="    ")


def linear_cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return numpy.linalg.norm(x.T @ y)**2 / numpy.linalg.norm(x.T @ x) / numpy.linalg.norm(y.T @ y)


def rbf_cka(x, y):
    """Biased CKA with the RBF kernel, gamma = 1 / features, in 60 digits."""
    def centred(z):
        n, p = z.shape
        z = mpmath.matrix(z.tolist())
        kernel = mpmath.matrix(n, n)
        for i in range(n):
            for j in range(n):
                kernel[i, j] = mpmath.exp(-sum((z[i, f] - z[j, f])**2 for f in range(p)) / p)
        middle = mpmath.eye(n) - mpmath.ones(n) / n
        return middle * kernel * middle

    def inner(k, l):
        return sum(k[i, j] * l[i, j] for i in range(k.rows) for j in range(k.cols))

    k, l = centred(x), centred(y)
    return inner(k, l) / mpmath.sqrt(inner(k, k) * inner(l, l))


def hsic1(x, y):
    """Unbiased HSIC: Song et al., 2012, equation 4."""
    n = len(x)
    k, l = x @ x.T, y @ y.T
    numpy.fill_diagonal(k, 0)
    numpy.fill_diagonal(l, 0)
    one = numpy.ones(n)
    return (numpy.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / (n - 1) / (n - 2)
            - 2 / (n - 2) * (one @ k @ l @ one)) / n / (n - 3)


def minibatch_cka(x, y, batches):
    """CKA over minibatches with at least 4 samples, each weighted by its number of samples."""
    def mean(a, b):
        return sum(len(rows) * hsic1(a[rows], b[rows]) for rows in batches if len(rows) >= 4)
    return mean(x, y) / numpy.sqrt(mean(x, x) * mean(y, y))


def main() -> None:
    random = numpy.random.default_rng(11)
    n, p, q = 13, 5, 3
    x = numpy.round(random.normal(size=(n, p)), 4)
    y = numpy.round(x[:, :q] @ random.normal(size=(q, q)) + random.normal(size=(n, q)) + 0.5, 4)
    batches = [numpy.arange(8), numpy.arange(8, 13)]
    groups = numpy.array([0, 0, 1, 2, 2, 1, 0, 2, 1, 0, 1, 0, 1])  # without 0 or 1 the second minibatch has < 4
    without = [minibatch_cka(x, y, [rows[groups[rows] != g] for rows in batches]) for g in range(3)]
    value = minibatch_cka(x, y, batches)
    pseudo = 3 * value - 2 * numpy.array(without)
    error = stats.sem(pseudo)

    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Made by tests/oracle/cka.py with NumPy, mpmath and SciPy.\n#pragma once\n")
    print("#include <cstdint>\n#include <string>\n#include <vector>\n\nnamespace loralens::expected {\n")
    print(f"constexpr int64_t samples = {n}, x_features = {p}, y_features = {q};")
    print(f"inline const std::vector<double> x = {braces(x)};")
    print(f"inline const std::vector<double> y = {braces(y)};\n")
    print(f"constexpr double linear_cka = {float(linear_cka(x, y))!r};")
    print(f"constexpr double rbf_cka = {float(rbf_cka(x, y))!r};")
    print(f"constexpr double tiny = 0x1p-30;  // times x and y:")
    print(f"constexpr double tiny_rbf_cka = {float(rbf_cka(x * tiny, y * tiny))!r};")
    print(f"constexpr double hsic1 = {float(hsic1(x, y))!r};\n")
    print("// Samples 0 to 7 are a minibatch, 8 to 12 the other.")
    names = ", ".join(f'"{g}"' for g in groups)
    print(f"inline const std::vector<std::string> groups = {{{names}}};")
    print(f"constexpr double minibatch_cka = {float(value)!r};")
    print(f"inline const std::vector<double> without_groups = {braces(without)};")
    print(f"constexpr double error = {float(error)!r};\n")
    print("struct Quantile {\n  double level;\n  int64_t degrees;\n  double t;\n};")
    print("inline const std::vector<Quantile> student = {")
    for level, degrees in ((0.95, 1), (0.95, 2), (0.9, 3), (0.95, 7), (0.99, 8), (0.95, 9), (0.95, 31), (0.5, 400)):
        print(f"    {{{level}, {degrees}, {float(stats.t.ppf((1 + level) / 2, degrees))!r}}},")
    print("};\n\n}  // namespace loralens::expected")


if __name__ == "__main__":
    main()
