"""Shared by notebook.py and careful.py: the models, the measures, and the arithmetic of SVD and CKA."""
import pathlib
import sys
import tempfile

import numpy
import torch
from models import arguments, numbers, padded_features

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "oracle"))
from analysis_models import adapted_model, adapters, config_of, frozen_model, inner, write_untrained  # noqa: E402,F401


class Given:
    """The run's adapted model, an untrained one of the same shapes, and the measured clips: padded features, labels."""

    def __init__(self):
        given = arguments()
        self.folder = folder = pathlib.Path(given["adapter"])
        self.clips, self.erased, self.passed = given["clips"], given["erased"], given["passed"]
        self.trained = adapted_model(folder, "base", config_of(folder), torch.float32)
        with tempfile.TemporaryDirectory() as untrained:
            write_untrained(pathlib.Path(untrained), folder, "base", 1)
            self.untrained = adapted_model(pathlib.Path(untrained), "base", config_of(folder), torch.float32)
        self.features = padded_features(given["paths"][:self.passed])
        self.labels = numbers(given["labels"])[:self.passed]

    def frozen(self):
        """A separate model: the base encoder without adapters, with the run's head."""
        return frozen_model(self.folder, "base", config_of(self.folder), torch.float32)

    def whole(self, seconds: dict) -> dict:
        """Extrapolates seconds from the measured clips to all clips; SVD and CKA were measured in full."""
        factors = {"erasure": self.erased / self.passed, "progressive": self.erased / self.passed, "svd": 1, "cka": 1}
        whole = {name: value * factors.get(name, self.clips / self.passed) for name, value in seconds.items()}
        return whole | {"seconds": sum(whole.values())}


def contribution_of(h: torch.Tensor, a: torch.Tensor, m: torch.Tensor) -> list[torch.Tensor]:
    """For each frame the norms of a, m and a + m divided by that of h, and their cosines with h. h, a, m: (B, T, D)"""
    size = h.norm(dim=-1).clamp_min(1e-6)
    return [part.norm(dim=-1) / size for part in (a, m, a + m)] + [
        torch.nn.functional.cosine_similarity(part, h, dim=-1) for part in (a, m, a + m)]


def lens_of(head, states: list[torch.Tensor]) -> list[tuple]:
    """For each layer's output KL(final ‖ layer) of each clip, and whether its argmax agrees. states: (B, T, D) each"""
    logits = [head.classifier(head.projector(state).mean(1)) for state in states]
    final = logits[-1].softmax(-1)
    return [((final * (final.log() - layer.softmax(-1).log())).sum(-1), layer.argmax(-1) == logits[-1].argmax(-1)) for layer in logits]


def scores_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Accuracy, loss and confidence of each clip: 3×B."""
    p = logits.softmax(-1)
    return torch.stack([(logits.argmax(-1) == labels).float(), torch.nn.functional.cross_entropy(logits, labels, reduction="none"),
                        p.max(-1).values])


def centred(k: numpy.ndarray) -> numpy.ndarray:
    return k - k.mean(0) - k.mean(1)[:, None] + k.mean()


def cka(k: numpy.ndarray, l: numpy.ndarray) -> float:
    k, l = centred(k), centred(l)
    return float((k * l).sum() / max(numpy.linalg.norm(k) * numpy.linalg.norm(l), 1e-30))


def rbf(gram: numpy.ndarray, features: int) -> numpy.ndarray:
    squares = numpy.diag(gram)[:, None] + numpy.diag(gram)[None] - 2 * gram
    return numpy.exp(-squares / features)


def components_for_90(values: numpy.ndarray) -> int:
    energy = numpy.cumsum(values**2)
    return int((energy < 0.9 * energy[-1]).sum()) + 1
