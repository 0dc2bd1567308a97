"""Oracle of the nulls of updates: NumPy, from the definitions.

    python nulls.py > ../../src/statistics/test_numbers_nulls.h
"""
import math

import numpy
from analysis_reference import unbiased_hsic
from validity import braces


def orthonormal(random, rows: int, columns: int) -> numpy.ndarray:
    return numpy.linalg.qr(random.normal(size=(rows, columns)))[0]


def print_strength(random) -> None:
    clips = [random.normal(size=(frames, 4)) * [3, 1, 0.5, 0.2] + random.normal(size=4) for frames in (2, 5, 3)]
    mean = numpy.mean([clip.mean(0) for clip in clips], axis=0)
    covariance = numpy.mean([(clip - mean).T @ (clip - mean) / len(clip) for clip in clips], axis=0)
    directions, values = orthonormal(random, 4, 2), numpy.array([2.0, 0.7])
    along = [direction @ covariance @ direction for direction in directions.T]
    chance = values.sum() * numpy.trace(covariance) / 4
    strength = values @ along / chance
    largest = values @ numpy.linalg.eigvalsh(covariance)[::-1][:2] / chance
    print("// Positions of three clips (2, 5 and 3 × 4), their covariance with equal weights of the clips, two orthonormal\n"
          "// directions (4×2) with singular values, and the alignment of these.")
    print("inline const std::vector<double> strength_clips[] = {")
    for clip in clips:
        print(f"    {braces(clip)},")
    print("};")
    print(f"inline const std::vector<double> strength_covariance =\n    {braces(covariance)};")
    print(f"inline const std::vector<double> strength_directions =\n    {braces(directions)};")
    print(f"inline const std::vector<double> strength_values = {braces(values)};")
    print(f"constexpr double strength = {float(strength)!r}, efficiency = {float((strength - 1) / (largest - 1))!r};\n")


def minibatch_cka(pairs) -> float:
    """Debiased linear CKA of (x, y) pairs of features, one for each minibatch, weighted by their clips."""
    def mean(first, second):
        return sum(len(pair[0]) * unbiased_hsic(pair[first] @ pair[first].T, pair[second] @ pair[second].T)
                   for pair in pairs)
    return mean(0, 1) / math.sqrt(mean(0, 0) * mean(1, 1))


def print_cka(random) -> None:
    """CKA of A x with B A x and of the gradients at both, from the matrices A = √Σ Vᵀ and B = U √Σ."""
    inputs = [random.normal(size=(clips, 5)) * [3, 2, 1, 1, 0.5] for clips in (6, 4)]
    gradients = [random.normal(size=(clips, 6)) * [5, 2, 1, 1, 1, 0.5] for clips in (6, 4)]
    values = numpy.array([2.0, 0.9, 0.1])
    print("// Clips of two minibatches (6 and 4): inputs (×5) and gradients at the output (×6); V (5×3), U (6×3), singular\n"
          "// values; CKA of A x with B A x, and of the gradients at both, for the factors in the balanced gauge.")
    v, u = orthonormal(random, 5, 3), orthonormal(random, 6, 3)
    a, b = numpy.sqrt(values)[:, None] * v.T, u * numpy.sqrt(values)
    forward = minibatch_cka([(x @ a.T, x @ a.T @ b.T) for x in inputs])
    gradient = minibatch_cka([(g @ b, g) for g in gradients])
    for name, arrays in (("cka_inputs", inputs), ("cka_gradients", gradients)):
        print(f"inline const std::vector<double> {name}[] = {{")
        for array in arrays:
            print(f"    {braces(array)},")
        print("};")
    for name, array in (("cka_v", v), ("cka_u", u), ("cka_values", values)):
        print(f"inline const std::vector<double> {name} =\n    {braces(array)};")
    print(f"constexpr double forward_cka = {forward!r}, gradient_cka = {gradient!r};\n")


def main() -> None:
    random = numpy.random.default_rng(5)
    print("// SPDX-License-Identifier: Apache-2.0")
    print("// Made by tests/oracle/nulls.py with NumPy.\n#pragma once\n")
    print("#include <vector>\n\nnamespace loralens::expected {\n")
    print_strength(random)
    print_cka(random)
    print("}  // namespace loralens::expected")


if __name__ == "__main__":
    main()
