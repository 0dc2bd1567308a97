"""Oracle of t-SNE, silhouette and neighbourhood purity: scikit-learn.

    python tsne.py > ../../src/statistics/tsne/test_numbers_tsne.h
"""
import numpy
from sklearn.manifold import TSNE, _t_sne
from sklearn.metrics import pairwise_distances, silhouette_samples, silhouette_score
from sklearn.neighbors import NearestNeighbors

from analysis_reference import divergence_of
from metrics import braces

MASK = 2**64 - 1


class Random:
    """SplitMix64, with the same numbers as src/base/random.h."""

    def __init__(self, seed: int):
        self.state = seed

    def uniform(self, low: float, high: float) -> float:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        x = self.state
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        return low + (high - low) * ((x ^ (x >> 31)) >> 11) * 2.0**-53


def test_points(n: int, d: int, clusters: int, spread: float, seed: int):
    """The same points as test_points of src/statistics/test_points.h."""
    random = Random(seed)
    centres = [random.uniform(-spread, spread) for _ in range(clusters * d)]
    x = [[centres[i % clusters * d + j] + random.uniform(-1, 1) for j in range(d)] for i in range(n)]
    return numpy.array(x), numpy.arange(n) % clusters


def test_start(n: int, seed: int):
    random = Random(seed)
    return numpy.array([random.uniform(-1e-4, 1e-4) for _ in range(2 * n)]).reshape(n, 2)


def purity(x, labels, k: int) -> float:
    nearest = NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False)  # without the point
    return float((labels[nearest] == labels[:, None]).mean())


def show_planes() -> None:
    print("""// Settings of test_points; perplexity; and what TSNE reaches from principal components and from test_start(n, 100 + k),
// k = 0..29: medians of the divergence and of the purity of 10 neighbours in the plane.
struct Planes {
  int64_t n, d, clusters;
  double spread;
  uint64_t seed;
  double perplexity, divergence, purity;
};
""")
    print("inline const std::vector<Planes> planes = {")
    for n, d, clusters, spread, seed, perplexity in ((120, 16, 4, 1.5, 6, 30), (90, 8, 3, 2.5, 7, 20),
                                                     (40, 500, 4, 0.3, 2, 30), (400, 16, 8, 0.7, 3, 30)):
        x, labels = test_points(n, d, clusters, spread, seed)
        divergences, purities = [], []
        for start in ["pca"] + [test_start(n, 100 + k) for k in range(30)]:
            plane = TSNE(perplexity=perplexity, init=start, random_state=42).fit_transform(x)
            purities.append(purity(plane, labels, 10))
            divergences.append(divergence_of(x, perplexity, plane))  # kl_divergence_ is approximate
        print(f"    {{{n}, {d}, {clusters}, {spread}, {seed}, {perplexity}, {numpy.median(divergences):.6f}, "
              f"{numpy.median(purities):.4f}}},")
    print("};\n")


def show_early() -> None:
    """Coordinates after 10 iterations: they are comparable only before small differences grow."""
    x, _ = test_points(12, 6, 2, 1.5, 8)
    similarities = _t_sne._joint_probabilities(pairwise_distances(x, squared=True), 4, 0)
    plane, _, _ = _t_sne._gradient_descent(_t_sne._kl_divergence, test_start(12, 8), 0, 10, n_iter_check=50,
                                           momentum=0.5, learning_rate=50, args=[12 * similarities, 1, 12, 2])
    print("// test_points(12, 6, 2, 1.5, 8) with perplexity 4 after 10 iterations from test_start(12, 8); 12×2.")
    print(f"inline const std::vector<double> early = {{\n    {braces(plane)[1:]};\n".replace("\n      ", "\n    "))


def show_separations() -> None:
    print("""// test_points(60, 6, 4, 0.8, 5), the last point alone with its label 4; groups i % 7 / 2.
struct Separations {
  double silhouette, purity;                             // of all points, k = 10
  std::vector<double> without_silhouette, without_purity;  // without each group
  std::vector<double> samples;                           // silhouettes
};
""")
    x, labels = test_points(60, 6, 4, 0.8, 5)
    labels[-1] = 4
    groups = numpy.arange(60) % 7 // 2
    without = [groups != g for g in range(4)]
    print("inline const Separations separations = {")
    print(f"    {float(silhouette_score(x, labels))!r}, {purity(x, labels, 10)!r},")
    print(f"    {braces([silhouette_score(x[left], labels[left]) for left in without])},")
    print(f"    {braces([purity(x[left], labels[left], 10) for left in without])},")
    print(f"    {braces(silhouette_samples(x, labels))}}};\n")


def main() -> None:
    print("// SPDX-License-Identifier: Apache-2.0\n// Made by tests/oracle/tsne.py with scikit-learn.\n#pragma once\n")
    print("#include <cstdint>\n#include <vector>\n\nnamespace loralens::expected {\n")
    show_planes()
    show_early()
    show_separations()
    print("}  // namespace loralens::expected")


if __name__ == "__main__":
    main()
