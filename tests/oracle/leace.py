"""Oracle of least-squares concept erasure: the Python package concept-erasure.

    python leace.py > ../../src/statistics/test_numbers_leace.h
"""
import textwrap

import numpy
import torch
from concept_erasure import LeaceFitter


def braces(values) -> str:
    text = ", ".join(repr(float(v)) for v in numpy.ravel(values))
    return "{\n" + textwrap.fill(text + "}", 110, initial_indent="    ", subsequent_indent="    ")


random = numpy.random.default_rng(7)
clips, positions, width, classes = 12, 5, 4, 3
labels = numpy.arange(clips) % classes
mixing = random.normal(size=(width, width))
x = (random.normal(size=(clips, positions, width)) @ mixing + random.normal(size=(classes, width))[labels][:, None]).round(3)
one_class_apart = x.copy()  # classes 0 and 1 have the same means, so that one direction is enough
for label in (0, 1):
    one_class_apart[labels == label] -= one_class_apart[labels == label].mean((0, 1))
one_class_apart = one_class_apart.round(6)

print("// SPDX-License-Identifier: Apache-2.0\n// Made by tests/oracle/leace.py with concept-erasure 0.2.4.\n#pragma once\n\n#include <cstdint>\n#include <vector>\n")
print("namespace loralens::expected {\n")
print("struct LeaceCase {\n  std::vector<double> x;           // 12 clips × 5 positions × 4\n"
      "  std::vector<int64_t> labels;     // 12\n  int64_t classes, rank;\n  std::vector<double> projection;  // 4×4\n"
      "  std::vector<double> erased;      // the first clip's positions, 5×4\n};")
print("inline const std::vector<LeaceCase> leace_cases = {")
for states, names in ((x, labels), (one_class_apart, labels), (x, labels // 2 % 2)):
    flat = torch.tensor(states.reshape(-1, width))
    one_hot = torch.nn.functional.one_hot(torch.tensor(numpy.repeat(names, positions))).double()
    eraser = LeaceFitter.fit(flat, one_hot).eraser
    rank = int(torch.linalg.matrix_rank(eraser.proj_left @ eraser.proj_right, tol=1e-8))
    print(f"    {{{braces(states)},\n     {{{', '.join(map(str, names))}}}, {names.max() + 1}, {rank}, {braces(eraser.P)},\n"
          f"     {braces(eraser(flat[:positions]))}}},")
print("};\n\n}  // namespace loralens::expected")
