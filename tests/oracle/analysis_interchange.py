"""Expected table of the analysis interchange: exchanges in the subspaces that the program found (arrays)."""
import collections

import analysis_models as whisper
import analysis_reference as oracle
import numpy
from analysis_case import Case, Fold
from analysis_rows import ClipMeans, Rows, text


def group_of(case: Case, clip) -> tuple[str, str]:
    return clip.speaker, case.table[clip.number]["text"]


def sources(case: Case, fold: Fold, recordings: list) -> dict[int, object]:
    """{base: recording of its source}: among right answers of one speaker and text, the i-th clip takes the i-th of the
    clips with another emotion."""
    assert not any(oracle.undecided(recording.logits) for recording in recordings)
    groups = collections.defaultdict(list)
    for recording in sorted(recordings, key=lambda one: one.clip.number):
        if recording.logits.argmax() == recording.clip.label:
            groups[group_of(case, recording.clip)].append(recording)
    found = {}
    for members in groups.values():
        for i, base in enumerate(members):
            others = [one for one in members if one.clip.label != base.clip.label]
            if others:
                found[base.clip.number] = others[i % len(others)]
    return found


def interchange(case: Case) -> Rows:
    means = ClipMeans(case.speakers)
    for fold in case.folds:
        model, recordings = fold.models["adapted"], case.recordings(fold.number, "test", "adapted")
        partner = sources(case, fold, recordings)
        bases = [recording for recording in recordings if recording.clip.number in partner]

        def mean(recording, layer):
            return recording.residuals[layer + 1][:case.frames(recording.clip, recording)].mean(0)

        for layer in range(case.layers):
            name = f"adapted/layer-{layer}/fold-{fold.number:02}"
            basis = case.array("interchange", name) if bases else None
            for base in bases:
                source = partner[base.clip.number]
                change = mean(source, layer) - mean(base, layer)
                for component, added in (("none", 0 * change), ("whole-mean", change),
                                         ("subspace", basis @ (basis.T @ change))):
                    logits = whisper.logits_from(model, layer + 1, base.residuals[layer + 1] + added)
                    key = {"model": "adapted", "layer": text(layer), "component": component}
                    target = source.clip.label
                    means.add(fold.number, base.clip.number, float(logits.argmax() == target),
                              float(oracle.undecided(logits)), metric="follows", **key)
                    means.add(fold.number, base.clip.number, oracle.softmax(logits)[target], metric="probability",
                              **key)
    return means.rows()
