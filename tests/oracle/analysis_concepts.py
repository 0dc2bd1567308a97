"""Concepts of clips that probes read and erasers remove: their values in the table of a case."""
import collections

from analysis_case import Case, Fold

COLUMNS = {"speaker": "speaker", "gender": "gender", "text": "text"}


def values_of(case: Case, concept: str) -> dict[int, str]:
    """{clip number: value}, of the clips that have one. Texts that one speaker alone says do not count."""
    if concept == "emotion":
        return {number: row["label"] for number, row in enumerate(case.table)}
    speakers = collections.defaultdict(set)
    for row in case.table:
        speakers[row[COLUMNS[concept]]].add(row["speaker"])
    return {number: value for number, row in enumerate(case.table)
            if (value := row[COLUMNS[concept]]) and (concept != "text" or len(speakers[value]) > 1)}


def mean_states(case: Case, fold: Fold, part: str, role: str, layer: int) -> dict:
    """{clip number: D}: the state after the layer, averaged over the clip's own positions."""
    return {recording.clip.number: recording.residuals[layer + 1][:case.frames(recording.clip, recording)].mean(0)
            for recording in case.recordings(fold.number, part, role)}
