"""Concepts of clips that probes read and erasers remove: their values in the table of a case."""
import collections
import dataclasses
import math

from analysis_case import Case, Fold
from analysis_rows import Expected, Rows

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


def over_all_folds(case: Case, rows: Rows) -> Rows:
    """The rows, with those over all folds of each concept that one of several folds alone has: they are of its clips."""
    folds, found = collections.defaultdict(set), {}
    for key in rows:
        folds[key.component].add(key.fold)
    for key, row in rows.items():
        if not key.fold or len(case.folds) == 1 or len(folds[key.component]) > 1:
            found[key] = row
            continue
        whole = dataclasses.replace(key, fold="")
        if row.estimand is None:  # one number for each fold
            found[key], found[whole] = row, Expected(row.value, row.slack, absent=True, n=1, estimand="fold-mean")
        else:
            found[key] = dataclasses.replace(row, estimand="", absent=True, low=math.nan, high=math.nan)
            found[whole] = row
    return found
