"""Expected table of the analysis erasure-of-concepts: LEACE in NumPy, by the formulas of Belrose et al. (2023), with the
shrinkage, tolerance and denominators of the package concept-erasure (tests/oracle/leace.py compares with the package)."""
import analysis_models as whisper
import analysis_reference as oracle
import numpy
from analysis_answers import Answers
from analysis_case import Case, Fold
from analysis_concepts import mean_states, over_all_folds, values_of
from analysis_probes import differences
from analysis_rows import ClipMeans, FoldMeans, Key, Rows, text

CONCEPTS = ("emotion", "speaker", "gender", "text")


def positions(case: Case, fold: Fold, layer: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """All positions of the fitting clips after a layer, and their weights, which sum to 1 for each clip."""
    states, weights = [], []
    for recording in case.recordings(fold.number, "fit", "adapted"):
        own = recording.residuals[layer + 1][:case.frames(recording.clip, recording)]
        states.append(own)
        weights.append(numpy.full(len(own), 1 / len(own)))
    return numpy.concatenate(states), numpy.concatenate(weights)


def shrunk(covariance: numpy.ndarray, samples: float) -> numpy.ndarray:
    """Bodnar, Gupta and Parolya (2014), equation for the target tr(S)/p · identity."""
    width = len(covariance)
    target = numpy.eye(width) * numpy.trace(covariance) / width
    product = numpy.trace(covariance @ target)
    off = (covariance**2).sum() * (target**2).sum() - product**2
    kept = 1 - numpy.trace(covariance) ** 2 * (target**2).sum() / samples / off
    return kept * covariance + (1 - kept) * product / (target**2).sum() * target


class Whitened:
    def __init__(self, states: numpy.ndarray, weights: numpy.ndarray):
        self.samples = weights.sum() ** 2 / (weights**2).sum()
        self.mean = numpy.average(states, axis=0, weights=weights)
        covariance = numpy.cov(states.T, aweights=weights, ddof=0)
        values, vectors = numpy.linalg.eigh(shrunk(covariance, self.samples))
        self.whiten = vectors / numpy.sqrt(values) @ vectors.T
        self.unwhiten = vectors * numpy.sqrt(values) @ vectors.T

    def eraser(self, means: dict, values: dict) -> tuple:
        """(rank, function of states) that erases the values of these clips, whose mean states are given."""
        clips = [clip for clip in means if clip in values]
        names = sorted({values[clip] for clip in clips})
        indicators = numpy.array([[values[clip] == name for name in names] for clip in clips], dtype=float)
        states = numpy.array([means[clip] for clip in clips])
        product = (states - states.mean(0)).T @ (indicators - indicators.mean(0)) / len(clips)
        left, sizes, _ = numpy.linalg.svd(self.whiten @ product * self.samples / (self.samples - 1), full_matrices=False)
        assert not (abs(sizes / 0.01 - 1) < 1e-3).any()  # else rounding would decide the rank
        kept = left[:, sizes > 0.01]
        projection = self.unwhiten @ kept @ kept.T @ self.whiten
        return kept.shape[1], lambda x: x - (x - self.mean) @ projection.T


def erasure_of_concepts(case: Case) -> Rows:
    answers, changes, ranks, places = Answers(case), ClipMeans(case.speakers), FoldMeans(), {}
    for fold in case.folds:
        recordings = case.recordings(fold.number, "test", "adapted")
        for layer in range(-1, case.layers):
            whitened, means = Whitened(*positions(case, fold, layer)), mean_states(case, fold, "fit", "adapted", layer)
            for concept in CONCEPTS:
                values = values_of(case, concept)
                if len({values[clip] for clip in means if clip in values}) < 2:
                    continue
                key = {"model": "adapted", "layer": text(layer), "component": concept}
                rank, erase = whitened.eraser(means, values)
                ranks.add(fold.number, rank, metric="rank", **key)
                for recording in recordings:
                    before = oracle.log_softmax(recording.logits)[recording.clip.label]
                    if layer < 0:
                        answers.add(fold, recording, recording.logits, model="adapted", variant="intact",
                                    component=concept)
                    logits = whisper.logits_from(fold.models["adapted"], layer + 1, erase(recording.residuals[layer + 1]))
                    value = answers.add(fold, recording, logits, **key)
                    changes.add(fold.number, recording.clip.number, value - before, variant="change",
                                metric="log_probability", **key)
                    places.setdefault((concept, layer), []).append((recording, logits, fold.number))
    return over_all_folds(case, answers.rows() | changes.rows() | ranks.rows() | uar_changes(places))


def uar_changes(places: dict) -> Rows:
    """Rows of the UAR after an erasure minus that of the whole model."""
    rows = {}
    for (concept, layer), found in places.items():
        read = {role: [(fold, recording.clip.label, logits if role == "adapted" else recording.logits,
                        recording.clip.speaker) for recording, logits, fold in found] for role in ("adapted", "frozen")}
        for key, row in differences({(role, layer): of_role for role, of_role in read.items()}).items():
            rows[Key(model="adapted", variant="change", fold=key.fold, layer=key.layer, component=concept,
                     metric="uar")] = row
    return rows
