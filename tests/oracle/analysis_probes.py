"""Expected table of the analysis probes, by scikit-learn. The penalties are the program's (arrays/probes.npz), since the
clips that choose them are drawn at random; so are the permutations of the controls, whose rows are not compared."""
import collections
import dataclasses
import warnings

import analysis_intervals as intervals
import analysis_reference as oracle
import numpy
from analysis_answers import uar_rows
from analysis_case import Case, Fold
from analysis_concepts import mean_states, over_all_folds, values_of
from analysis_rows import Expected, FoldMeans, Key, Rows, text
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROLES = ("adapted", "frozen")


def logits_of(fitted: dict, labels: dict, scored: dict, penalty: float) -> dict:
    """{clip: logits by class} of a regression of the fitted states; classes are those of the fitted clips, sorted."""
    names = sorted({labels[clip] for clip in fitted})
    regression = LogisticRegression(C=1 / (penalty * len(fitted)), tol=1e-10, max_iter=100_000, solver="newton-cg")
    model = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(numpy.array(list(fitted.values())), [labels[clip] for clip in fitted])
    found = model.decision_function(numpy.array(list(scored.values())))
    if len(names) == 2:  # two classes have one logit, that of the second; its weights are twice as large here
        found = numpy.stack([-found / 2, found / 2], axis=1)
    return dict(zip(scored, found))


def two_classes(names: list[str]) -> float:
    """scikit-learn's regression of two classes has one weight vector w, this project's two, w/2 and -w/2: its penalty of
    ‖w‖²/2 is twice as large as that of both."""
    return 0.5 if len(names) == 2 else 1


def halves_of(case: Case, fold: Fold, speakers: dict) -> list[list[int]] | None:
    """The fitting clips of every other text, sorted, and the others; of speakers with clips in both."""
    texts = sorted({case.table[clip.number]["text"] for clip in fold.parts["fit"]})
    sides = [[clip.number for clip in fold.parts["fit"] if texts.index(case.table[clip.number]["text"]) % 2 == side]
             for side in (0, 1)]
    both = {speakers[clip] for clip in sides[0]} & {speakers[clip] for clip in sides[1]}
    return [[clip for clip in side if speakers[clip] in both] for side in sides] if len(both) > 1 else None


def probes(case: Case) -> Rows:
    rows = {}
    for concept in ("emotion", "gender", "text"):
        rows |= scored_on_test_clips(case, concept)
    return over_all_folds(case, rows | speakers_of(case))


def scored_on_test_clips(case: Case, concept: str) -> Rows:
    values, read = values_of(case, concept), collections.defaultdict(list)  # read: as the argument of uar_rows
    classes = sorted(set(values.values()))
    for fold in case.folds:
        fit = [clip.number for clip in fold.parts["fit"] if clip.number in values]
        names = sorted({values[clip] for clip in fit})
        if len(names) < 2:
            continue
        for role in ROLES:
            penalties = case.array("probes", f"penalty/{role}/{concept}")[fold.number]
            for layer in range(-1, case.layers):
                states = mean_states(case, fold, "fit", role, layer)
                test = {clip: state for clip, state in mean_states(case, fold, "test", role, layer).items()
                        if values.get(clip) in names}
                found = logits_of({clip: states[clip] for clip in fit}, values, test,
                                  penalties[layer + 1] * two_classes(names))
                for clip, logits in found.items():
                    of_all = numpy.full(len(classes), -1e3)
                    of_all[[classes.index(name) for name in names]] = logits
                    read[role, layer].append((fold.number, classes.index(values[clip]), of_all,
                                              case.table[clip]["speaker"]))
    rows = {dataclasses.replace(key, component=concept): row for key, row in uar_rows(read).items()}
    rows |= {dataclasses.replace(key, component=concept): row for key, row in differences(read).items()}
    if concept == "gender":  # its classes are whole speakers
        rows = {key: dataclasses.replace(row, low=numpy.nan, high=numpy.nan, absent=True) for key, row in rows.items()}
    return rows


def differences(read: dict) -> Rows:
    """Rows of the UAR of the adapted minus that of the frozen model."""
    rows = {}
    for layer in sorted({layer for _, layer in read}):
        pairs = list(zip(read["adapted", layer], read["frozen", layer]))
        folds = sorted({first[0] for first, _ in pairs})
        for name in ["", *folds] if len(folds) > 1 else folds:
            part = [pair for pair in pairs if name in ("", pair[0][0])]

            def change(kept):
                return numpy.subtract(*(oracle.uar([of[1] for of in side], [of[2].argmax() for of in side])
                                        for side in zip(*kept)))

            labels = [first[1] for first, _ in part]
            rarest = min(labels.count(label) for label in set(labels))
            unsure = sum(oracle.undecided(first[2]) + oracle.undecided(second[2]) for first, second in part)
            row = Expected(change(part), unsure / rarest / len(set(labels)), n=len(part))
            if len(part) == len(pairs):
                without = [[pair for pair in part if pair[0][3] != speaker]
                           for speaker in sorted({first[3] for first, _ in part})]
                lost = any({pair[0][1] for pair in kept} != set(labels) for kept in without)
                row = row.over_all(None if lost else intervals.pooled(row.value, list(map(change, without))), "pooled")
            rows[Key(model="adapted-frozen", layer=text(layer), fold=text(name), metric="uar")] = row
    return rows


def speakers_of(case: Case) -> Rows:
    """UAR of speakers among the fitting clips, across two halves of the texts."""
    speakers, means = values_of(case, "speaker"), FoldMeans()
    for fold in case.folds:
        halves = halves_of(case, fold, speakers)
        for layer in range(-1, case.layers) if halves else ():
            scores, slacks = {}, {}
            for role in ROLES:
                states, labels, predicted, unsure = mean_states(case, fold, "fit", role, layer), [], [], 0
                for side in (0, 1):
                    names = sorted({speakers[clip] for clip in halves[side]})
                    penalty = case.array("probes", f"penalty/{role}/speaker-{side}")[fold.number, layer + 1]
                    found = logits_of({clip: states[clip] for clip in halves[side]}, speakers,
                                      {clip: states[clip] for clip in halves[1 - side]}, penalty * two_classes(names))
                    labels += [speakers[clip] for clip in found]
                    predicted += [names[logits.argmax()] for logits in found.values()]
                    unsure += sum(map(oracle.undecided, found.values()))
                rarest = min(labels.count(label) for label in set(labels))
                scores[role], slacks[role] = oracle.uar(labels, predicted), unsure / rarest / len(set(labels))
            key = {"layer": text(layer), "component": "speaker", "metric": "uar"}
            for role in ROLES:
                means.add(fold.number, scores[role], slacks[role], model=role, **key)
            means.add(fold.number, scores["adapted"] - scores["frozen"], sum(slacks.values()), model="adapted-frozen",
                      **key)
    return means.rows()
