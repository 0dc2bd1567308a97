"""Reference implementation of the formulas of the analyses in NumPy (float64), SciPy and scikit-learn.

Results that rounding can change by a step (a count, a rank) are (value, slack): slack is the largest error from it.
"""
import math

import numpy
import sklearn.manifold
import sklearn.metrics
import sklearn.neighbors
import sklearn.preprocessing

MARGIN = 1e-4  # two logits or energy shares that differ by less may be ranked either way


# ---- classification scores ----------------------------------------------------------------------------------------

def log_softmax(logits: numpy.ndarray) -> numpy.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(-1, keepdims=True))


def softmax(logits: numpy.ndarray) -> numpy.ndarray:
    shares = numpy.exp(logits - logits.max())
    return shares / shares.sum()


def undecided(logits: numpy.ndarray) -> bool:
    ranked = numpy.sort(logits)
    return ranked[-1] - ranked[-2] < MARGIN


def kl(first: numpy.ndarray, second: numpy.ndarray) -> float:
    """KL(softmax(first) || softmax(second)), nats."""
    first, second = log_softmax(first), log_softmax(second)
    return float((numpy.exp(first) * (first - second)).sum())


def entropy(logits: numpy.ndarray) -> float:
    logs = log_softmax(logits)
    return float(-(numpy.exp(logs) * logs).sum())


def uar(labels, predicted) -> float:
    labels, predicted = numpy.asarray(labels), numpy.asarray(predicted)
    return float(numpy.mean([(predicted[labels == label] == label).mean() for label in sorted(set(labels))]))


# ---- contribution -------------------------------------------------------------------------------------------------

def contributions(recording, frames: int):
    """Yields (layer, component, metric, mean over the first `frames` frames) for a Recording: norms relative to the
    residual stream that enters the layer, and cosines with it."""
    for layer, (attention, mlp) in enumerate(zip(recording.attention, recording.mlp)):
        stream = recording.residuals[layer][:frames]
        norm = numpy.linalg.norm(stream, axis=1)
        for component, part in (("attention", attention), ("mlp", mlp), ("layer", attention + mlp)):
            part = part[:frames]
            size = numpy.linalg.norm(part, axis=1)
            cosine = (part * stream).sum(1) / numpy.maximum(size * norm, 1e-12)
            yield layer, component, "relative_norm", (size / numpy.maximum(norm, 1e-6)).mean()
            yield layer, component, "cosine", cosine.mean()


# ---- spectra ------------------------------------------------------------------------------------------------------

def singular_values(x: numpy.ndarray, image: numpy.ndarray | None = None) -> numpy.ndarray:
    """Singular values of x (n×d), or of x imageᵀ, descending."""
    x = numpy.linalg.qr(x, mode="r") if len(x) > x.shape[1] else x
    return numpy.linalg.svd(x if image is None else x @ image.T, compute_uv=False)


def spectrum_measures(values: numpy.ndarray) -> dict[str, tuple[float, float]]:
    """{metric: (value, slack)} for these singular values."""
    energy = values**2
    share = numpy.cumsum(energy) / energy.sum()
    count = int((share < 0.9).sum()) + 1
    slack = 1 if min(abs(share[count - 1] - 0.9), abs(share[count - 2] - 0.9) if count > 1 else 1) < MARGIN else 0
    weights = values / values.sum()
    weights = weights[weights > 0]
    return {"sv90": (count, slack),
            "effective_rank": (float(numpy.exp(-(weights * numpy.log(weights)).sum())), 0),
            "stable_rank": (float(energy.sum() / energy[0]), 0),
            "participation_ratio": (float(energy.sum() ** 2 / (energy**2).sum()), 0)}


def balanced(a: numpy.ndarray, b: numpy.ndarray, scale: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(A, B) of the same update in the balanced gauge: scale·BA = UΣVᵀ, A = √Σ Vᵀ, B = U √Σ."""
    rank = len(a)
    u, s, v = numpy.linalg.svd(scale * b @ a, full_matrices=False)
    root = numpy.sqrt(s[:rank])
    return root[:, None] * v[:rank], u[:, :rank] * root


def like(random: numpy.ndarray, trained: numpy.ndarray) -> numpy.ndarray:
    """The random matrix, scaled to the Frobenius norm of the trained one."""
    return random * numpy.linalg.norm(trained) / numpy.linalg.norm(random)


def overlap(u: numpy.ndarray, v: numpy.ndarray) -> float:
    """Mean squared cosine of the principal angles between the spans of orthonormal columns."""
    return float(numpy.linalg.norm(u.T @ v) ** 2 / min(u.shape[1], v.shape[1]))


def intruders(weight: numpy.ndarray, adapted: numpy.ndarray, directions: int = 10, cosine: float = 0.5) -> tuple:
    """Number of leading left singular vectors of the adapted weight without a similar one of the weight; and slack."""
    leading = numpy.linalg.svd(adapted, full_matrices=False)[0][:, :directions]
    nearest = abs(leading.T @ numpy.linalg.svd(weight, full_matrices=False)[0]).max(1)
    return int((nearest < cosine).sum()), int((abs(nearest - cosine) < MARGIN).sum())


# ---- CKA ----------------------------------------------------------------------------------------------------------

def linear_kernel(x: numpy.ndarray) -> numpy.ndarray:
    return x @ x.T


def rbf_kernel(x: numpy.ndarray) -> numpy.ndarray:
    """exp(-d²/features) - 1. Centring makes it equal to exp(-d²/features); subtracting 1 keeps small d² exact."""
    squares = numpy.array([[((p - q) ** 2).sum() for q in x] for p in x])
    return numpy.expm1(-squares / x.shape[1])


def biased_cka(k: numpy.ndarray, l: numpy.ndarray) -> float:
    def centred(m):
        return m - m.mean(0) - m.mean(1)[:, None] + m.mean()

    k, l = centred(k), centred(l)
    return float((k * l).sum() / math.sqrt((k * k).sum() * (l * l).sum()))


def unbiased_hsic(k: numpy.ndarray, l: numpy.ndarray) -> float:
    """The unbiased HSIC1 of Song et al., 2012; k, l: n×n kernels, n >= 4."""
    n = len(k)
    k, l = k - numpy.diag(numpy.diag(k)), l - numpy.diag(numpy.diag(l))
    one = numpy.ones(n)
    return float((numpy.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
                  - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3)))


def debiased_cka(x: numpy.ndarray, y: numpy.ndarray) -> float:
    """Debiased linear CKA; samples are rows. NaN for fewer than 4 samples."""
    if len(x) < 4:
        return math.nan
    k, l = linear_kernel(x), linear_kernel(y)
    return unbiased_hsic(k, l) / math.sqrt(unbiased_hsic(k, k) * unbiased_hsic(l, l))


def left_out(statistic, groups, *arrays) -> tuple[float, list[float]]:
    """statistic(*arrays), and its values without the rows of each group in turn, for the jackknife."""
    groups = numpy.asarray(groups)
    parts = (groups != group for group in sorted(set(groups)))
    return statistic(*arrays), [statistic(*(array[part] for array in arrays)) for part in parts]


def strength(clips: list[numpy.ndarray], directions: numpy.ndarray, values: numpy.ndarray) -> tuple[float, float]:
    """Alignment of directions (k×d rows, with singular values) with the covariance of the clips' positions (T×d each),
    clips weighted equally: its ratio to that of random directions, and its share of the largest possible excess."""
    mean = numpy.mean([clip.mean(0) for clip in clips], axis=0)
    covariance = sum((clip - mean).T @ (clip - mean) / len(clip) for clip in clips) / len(clips)
    chance = values.sum() * numpy.trace(covariance) / len(mean)
    ratio = sum(s * w @ covariance @ w for s, w in zip(values, directions)) / chance
    largest = values @ numpy.linalg.eigvalsh(covariance)[::-1][:len(values)] / chance
    return float(ratio), float((ratio - 1) / (largest - 1))


# ---- embedding ----------------------------------------------------------------------------------------------------

FEWEST_FOR_TSNE = 30


def standardised(x: numpy.ndarray) -> numpy.ndarray:
    return sklearn.preprocessing.StandardScaler().fit_transform(x)


def silhouette(x: numpy.ndarray, labels: numpy.ndarray) -> float:
    return float(sklearn.metrics.silhouette_score(x, labels)) if len(set(labels)) > 1 else math.nan


def r_precision(x: numpy.ndarray, labels: numpy.ndarray) -> float:
    """Mean share of each point's n - 1 nearest neighbours that have its label, n points having that label; over the
    points whose label another point has. NaN without such points."""
    return float(numpy.mean([share for share, _ in neighbour_shares(x, labels)] or math.nan))


def ties(x: numpy.ndarray, labels: numpy.ndarray) -> float:
    """The largest error of an R-precision from rounding, which may change which point is the last neighbour."""
    return float(numpy.mean([slack for _, slack in neighbour_shares(x, labels)]))


def neighbour_shares(x: numpy.ndarray, labels: numpy.ndarray):
    """Yields (share of the n - 1 nearest neighbours with the label of a point, error from rounding)."""
    distances = sklearn.metrics.pairwise_distances(x)
    for i, label in enumerate(labels):
        others = [j for j in numpy.argsort(distances[i], kind="stable") if j != i]
        wanted = (labels == label).sum() - 1
        if wanted:
            near = distances[i][others]
            close = wanted < len(near) and near[wanted] - near[wanted - 1] < MARGIN * near[wanted]
            yield (labels[others[:wanted]] == label).mean(), close / wanted


def chance_r_precision(labels: numpy.ndarray) -> float:
    sizes = numpy.unique(labels, return_counts=True)[1]
    sizes = sizes[sizes > 1]
    return float((sizes * (sizes - 1)).sum() / (sizes.sum() * (len(labels) - 1)))


def divergence_of(x: numpy.ndarray, perplexity: float, plane: numpy.ndarray) -> float:
    """KL divergence (nats) of t-SNE coordinates (n×2) from the similarities of the points x, over pairs of nearest
    points, as in scikit-learn's TSNE."""
    nearest = sklearn.neighbors.NearestNeighbors(n_neighbors=min(len(x) - 1, int(3 * perplexity + 1))).fit(x)
    squares = nearest.kneighbors_graph(mode="distance")
    squares.data **= 2
    near = sklearn.manifold._t_sne._joint_probabilities_nn(squares, perplexity, 0).toarray()
    kernel = 1 / (1 + sklearn.metrics.pairwise_distances(plane, metric="sqeuclidean"))
    numpy.fill_diagonal(kernel, 0)
    other = kernel / kernel.sum()
    return float((near[near > 0] * numpy.log(near[near > 0] / other[near > 0])).sum())


# ---- dynamics -----------------------------------------------------------------------------------------------------

def start_of(tensors: dict, layer: int, module: str, component: str) -> dict[str, float]:
    """{metric: value} of an adapter before its first step, where B = 0."""
    place = f"encoder.layers.{layer}." + ("" if module.startswith("fc") else "self_attn.") + module
    a, b = (tensors[f"{place}.lora_{name}.weight"].astype(numpy.float64) for name in "AB")
    assert not b.any()
    if component == "A":
        measures = spectrum_measures(singular_values(a))
        return {"norm": float(numpy.linalg.norm(a)), "gradient_norm": 0.0, "sv90": measures["sv90"][0],
                "effective_rank": measures["effective_rank"][0]}
    return {"norm": 0.0}
