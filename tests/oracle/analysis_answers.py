"""Expected rows of passes that are measured by the log-probability of the true class and by UAR."""
import dataclasses

import analysis_intervals as intervals
import analysis_reference as oracle
import numpy
from analysis_case import Case, Fold
from analysis_models import Recording
from analysis_rows import ClipMeans, Expected, Key, Rows, text


class Answers:
    """Collects logits of clips under keys without a metric."""

    def __init__(self, case: Case):
        self.means, self.read = ClipMeans(case.speakers), {}  # read: {items of the key: [(fold, label, logits, speaker)]}

    def add(self, fold: Fold, recording: Recording, logits: numpy.ndarray, **key) -> float:
        """Returns the log-probability of the recording's class."""
        value = oracle.log_softmax(logits)[recording.clip.label]
        self.means.add(fold.number, recording.clip.number, value, metric="log_probability", **key)
        self.read.setdefault(tuple(key.items()), []).append(
            (fold.number, recording.clip.label, logits, recording.clip.speaker))
        return value

    def rows(self) -> Rows:
        rows = self.means.rows()
        for items, found in self.read.items():
            for key, expected in uar_rows({("", ""): found}).items():
                rows[dataclasses.replace(key, **dict(items))] = expected
        return rows


def uar_rows(read: dict) -> Rows:
    rows = {}
    for (role, layer), found in read.items():
        folds = sorted({fold for fold, *_ in found})
        for name in ["", *folds] if len(folds) > 1 else folds:
            part = [of_clip for of_clip in found if name in ("", of_clip[0])]
            labels, logits = [label for _, label, *_ in part], [logits for _, _, logits, _ in part]
            rarest = min(labels.count(label) for label in set(labels))
            unsure = sum(map(oracle.undecided, logits))
            predicted = [one.argmax() for one in logits]
            row = Expected(oracle.uar(labels, predicted), unsure / rarest / len(set(labels)), n=len(part))
            if len(part) == len(found):
                row = row.over_all(intervals.of_score(oracle.uar, labels, predicted, [of[3] for of in part]), "pooled")
            rows[Key(model=role, layer=text(layer), fold=text(name), metric="uar")] = row
    return rows
