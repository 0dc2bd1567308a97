"""Expected table of the analysis patching."""
import collections

import analysis_intervals as intervals
import analysis_models as whisper
import numpy
from analysis_answers import Answers
from analysis_case import Case, Fold
from analysis_models import Recording
from analysis_rows import Expected, Key, Rows, text


def patched_logits(case: Case, fold: Fold, source: Recording, target: Recording, role: str):
    """Yields (component, layer, logits) of the model `role` when it gets the values of the recording `source`."""
    model = fold.models[role]
    for layer in range(-1, case.layers):
        yield "residual", layer, whisper.logits_from(model, layer + 1, source.residuals[layer + 1])
    for layer in range(case.layers):
        for component, values in (("attention", source.attention), ("mlp", source.mlp)):
            yield component, layer, whisper.logits_from(model, layer, target.residuals[layer],
                                                        {(layer, component): values[layer]})


def patching(case: Case) -> Rows:
    answers, shares = Answers(case), collections.defaultdict(list)  # shares: [(speaker, moved, gain)]
    for fold in case.folds:
        for adapted, frozen in zip(*(case.recordings(fold.number, "test", role) for role in ("adapted", "frozen"))):
            high, low = (answers.add(fold, recording, recording.logits, model=role, component="none")
                         for role, recording in (("adapted", adapted), ("frozen", frozen)))
            for direction, source, target, role in (("adapted-into-frozen", adapted, frozen, "frozen"),
                                                    ("frozen-into-adapted", frozen, adapted, "adapted")):
                for component, layer, logits in patched_logits(case, fold, source, target, role):
                    key = {"model": "adapted", "variant": direction, "layer": text(layer), "component": component}
                    value = answers.add(fold, adapted, logits, **key)
                    moved = value - low if role == "frozen" else high - value
                    shares[tuple(key.items())].append((adapted.clip.speaker, moved, high - low))
    return answers.rows() | recovered(case, shares)


def recovered(case: Case, shares: dict) -> Rows:
    """Ratios of sums over all clips, with a jackknife over speakers; none where the gain has no interval or one that
    contains 0."""
    rows = {}
    for items, found in shares.items():
        speakers = sorted({speaker for speaker, *_ in found})

        def sums(left_out=None):
            kept = [(moved, gain) for speaker, moved, gain in found if speaker != left_out]
            return numpy.sum(kept, axis=0)

        without = [sums(speaker) for speaker in speakers]
        of_gain = intervals.pooled(sums()[1], [gain for _, gain in without])
        if of_gain is None or of_gain.low <= 0 <= of_gain.high:
            continue
        ratio = sums()[0] / sums()[1]
        fold = "" if len(case.folds) > 1 else text(case.folds[0].number)
        rows[Key(**dict(items), fold=fold, metric="recovered")] = Expected(ratio, n=len(found)).over_all(
            intervals.pooled(ratio, [moved / gain for moved, gain in without]), "pooled")
    return rows
