"""Oracle of multinomial logistic regression: scikit-learn.

    python logistic.py > ../../src/statistics/test_numbers_logistic.h
"""
import textwrap

import numpy
from sklearn.linear_model import LogisticRegression


def braces(values) -> str:
    text = ", ".join(repr(float(v)) for v in numpy.ravel(values))
    return "{\n" + textwrap.fill(text + "}", 110, initial_indent="    ", subsequent_indent="    ")


random = numpy.random.default_rng(5)
n, width, classes = 30, 4, 3
x = random.normal(size=(n, width)).round(3)
y = (x[:, 0] + x[:, 1] + random.normal(size=n) > 0).astype(int) + (x[:, 2] + random.normal(size=n) > 0.5)
weights = random.uniform(0.5, 2, n).round(3)

print("// SPDX-License-Identifier: Apache-2.0\n// Made by tests/oracle/logistic.py with scikit-learn.\n#pragma once\n\n#include <cstdint>\n#include <vector>\n")
print("namespace loralens::expected {\n")
print(f"inline const std::vector<double> logistic_x = {braces(x)};  // 30×4")
print(f"inline const std::vector<int64_t> logistic_labels = {{{', '.join(map(str, y))}}};")
print(f"inline const std::vector<double> logistic_weights = {braces(weights)};\n")
print("struct LogisticCase {\n  double l2;\n  bool weighted;\n  std::vector<double> weight, bias, first_probabilities;\n};")
print("inline const std::vector<LogisticCase> logistic_cases = {")
for l2, weighted in ((1.0, False), (0.01, False), (0.1, True)):
    s = weights if weighted else numpy.ones(n)
    model = LogisticRegression(C=1 / (l2 * s.sum()), tol=1e-12, max_iter=100000, solver="newton-cg").fit(x, y, s)
    print(f"    {{{l2}, {str(weighted).lower()}, {braces(model.coef_)}, {braces(model.intercept_)},\n"
          f"     {braces(model.predict_proba(x[:5]))}}},")
print("};\n\n}  // namespace loralens::expected")
