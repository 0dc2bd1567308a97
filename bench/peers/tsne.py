"""Seconds of scikit-learn's t-SNE (Barnes-Hut, default settings) at several numbers of points."""
import numpy
from models import answer, arguments, seconds_of
from sklearn.manifold import TSNE


def clusters(n: int) -> numpy.ndarray:
    """Points of ten clusters in 32 dimensions, the same as in bench/kernels.cc."""
    i, j = numpy.arange(n)[:, None], numpy.arange(32)[None]

    def wave(a):
        return numpy.fmod(abs(numpy.sin(a)) * 43758.5453, 1.0) - 0.5

    return 2 * wave(12.9898 * (i % 10) + 78.233 * j) + wave(39.3467 * i + 11.1353 * j)


found = {}
for n in arguments()["sizes"]:
    x = clusters(n)
    model = TSNE(perplexity=30, init="pca", random_state=42, n_jobs=-1)
    found[f"{n}"] = seconds_of(lambda: model.fit(x))
    found[f"{n} divergence"] = float(model.kl_divergence_)
answer(**found)
