"""What the tables of an analysed run should hold, from the functions of analysis_reference.

A Case is a run with the clips and models of each fold. `paper` and `strict` give {analysis: Rows}.
"""
import copy
import csv
import dataclasses
import functools
import itertools
import json
import pathlib

import analysis_reference as oracle
import numpy
import reference
import torch
from analysis_reference import Clip, ClipMeans, Expected, FoldMeans, Key, Recording, Rows


@dataclasses.dataclass
class Fold:
    number: int
    models: dict  # by role
    quick: dict  # adapted and frozen in float32, for the many passes of erasure
    parts: dict[str, list[Clip]]  # test; fit and development (strict), sample (paper)


class Case:
    """A run, analysed into `out`, and its models in Python. base: the cached encoder's name."""

    def __init__(self, run: pathlib.Path, out: pathlib.Path, corpus: pathlib.Path, untrained: pathlib.Path, base: str,
                 dtype: torch.dtype, lists: dict[str, list[str]] | None = None):
        self.run, self.out, self.corpus, self.untrained, self.base, self.dtype = run, out, corpus, untrained, base, dtype
        self.paper = lists is not None
        config = json.loads((run / "fold-00" / "config.json").read_text())
        self.classes = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
        self.padded = config["loralens"]["input"] == "padded"
        self.extractor = reference.extractor_of(base)
        with open(corpus, newline="") as file:
            self.table = list(csv.DictReader(file))
        self.parts = self.read_parts(lists)
        self.layers = config["encoder_layers"]

    def read_parts(self, lists) -> dict[int, dict[str, list[str]]]:
        if lists:
            return {0: lists}
        names = {"train": "fit", "development": "development", "test": "test"}
        parts = {}
        with open(self.run / "folds.csv", newline="") as file:
            for row in csv.DictReader(file):
                fold = parts.setdefault(int(row["fold"]), {part: [] for part in names.values()})
                fold[names[row["part"]]].append(row["id"])
        return parts

    @functools.cache
    def clip(self, identity: str) -> Clip:
        number = [row["path"] for row in self.table].index(identity)
        row = self.table[number]
        samples = reference.read_recording(self.corpus.parent / row["path"])
        return Clip(number, identity, self.classes.index(row["label"]), row["speaker"],
                    reference.features(self.extractor, samples, self.padded), -(-len(samples) // 320))

    @functools.cached_property
    def folds(self) -> list[Fold]:
        found = []
        for number, parts in self.parts.items():
            folder = self.run / f"fold-{number:02}"
            config = oracle.config_of(folder)
            common = (self.base, config, self.dtype)
            models = {"adapted": oracle.adapted_model(folder, *common),
                      "frozen": oracle.frozen_model(folder, *common),
                      "untrained": oracle.adapted_model(self.untrained, *common)}
            quick = {role: copy.deepcopy(models[role]).float() for role in ("adapted", "frozen")}
            found.append(Fold(number, models, quick, {part: list(map(self.clip, ids)) for part, ids in parts.items()}))
        return found

    def frames(self, clip: Clip, recording: Recording) -> int:
        """How many of a clip's rows are looked at."""
        return len(recording.normed) if self.paper else clip.speech

    @functools.cache
    def recordings(self, fold: int, part: str, role: str, gradients: bool = False) -> list[Recording]:
        fold = next(f for f in self.folds if f.number == fold)
        return [Recording(fold.models[role], clip, gradients) for clip in fold.parts[part]]


def text(value) -> str:
    return str(value)


# ---- contribution -------------------------------------------------------------------------------------------------

def contribution(case: Case) -> Rows:
    means = ClipMeans()
    for fold in case.folds:
        for role in ("adapted", "frozen"):
            for recording in case.recordings(fold.number, "test", role):
                recording.check()
                frames = case.frames(recording.clip, recording)
                for layer, component, metric, value in oracle.contributions(recording, frames):
                    means.add(fold.number, recording.clip.number, value, model=role, layer=text(layer),
                              component=component, metric=metric)
    return means.rows() | pooled(means.differences("adapted", "frozen").rows())


def pooled(rows: Rows) -> Rows:
    """Of rows with folds and over all folds, the latter (or those of the only fold)."""
    return {key: value for key, value in rows.items() if not key.fold} or rows


# ---- logit lens ---------------------------------------------------------------------------------------------------

def logit_lens(case: Case) -> Rows:
    means, predictions = ClipMeans(), {}
    for fold in case.folds:
        for role in ("adapted", "frozen"):
            for recording in case.recordings(fold.number, "test", role):
                for layer in range(-1, case.layers):
                    logits = oracle.lens_logits(fold.models[role], recording.residuals[layer + 1], norm=not case.paper)
                    add_lens(case, means, fold.number, recording, role, layer, logits)
                    predictions.setdefault((role, layer), []).append((fold.number, recording.clip.label, logits))
    return means.rows() | uar_rows(predictions)


def add_lens(case: Case, means: ClipMeans, fold: int, recording: Recording, role: str, layer: int, logits) -> None:
    clip, final = recording.clip, recording.logits
    unsure = oracle.undecided(logits)
    values = {"kl": (oracle.kl(final, logits), 0),
              "overlap": (logits.argmax() == final.argmax(), unsure or oracle.undecided(final)),
              "accuracy": (logits.argmax() == clip.label, unsure),
              "entropy": (oracle.entropy(logits), 0)}
    for metric, (value, slack) in values.items():
        means.add(fold, clip.number, value, slack, model=role, layer=text(layer), metric=metric)
    for name, value in zip(case.classes, logits):
        means.add(fold, clip.number, value, model=role, layer=text(layer), metric="logit", class_name=name)


def uar_rows(predictions: dict) -> Rows:
    """predictions: {(role, layer): [(fold, label, logits)]}."""
    rows = {}
    for (role, layer), found in predictions.items():
        folds = sorted({fold for fold, *_ in found})
        for name in ["", *folds] if len(folds) > 1 else folds:
            part = [(label, logits) for fold, label, logits in found if name in ("", fold)]
            labels = [label for label, _ in part]
            rarest = min(labels.count(label) for label in set(labels))
            unsure = sum(oracle.undecided(logits) for _, logits in part)
            value = oracle.uar(labels, [logits.argmax() for _, logits in part])
            rows[Key(model=role, layer=text(layer), fold=text(name), metric="uar")] = Expected(
                value, unsure / rarest / len(set(labels)))
    return rows


# ---- erasure ------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Answers:
    """A model's logits on clips, as the published scores see them."""
    logits: list[numpy.ndarray]
    labels: list[int]

    def scores(self) -> dict[str, tuple[list[float], list[bool]]]:
        """Per clip accuracy, loss (nats) and confidence (the largest probability), and whether rounding may flip it."""
        logs = [oracle.log_softmax(logits) for logits in self.logits]
        unsure = [oracle.undecided(logits) for logits in self.logits]
        sure = [False] * len(unsure)
        return {"accuracy": ([float(log.argmax() == label) for log, label in zip(logs, self.labels)], unsure),
                "loss": ([-log[label] for log, label in zip(logs, self.labels)], sure),
                "confidence": ([float(numpy.exp(log.max())) for log in logs], sure)}


def drops(whole: Answers, erased: Answers):
    """(metric, values per clip, slack per clip) of an erasure."""
    before, after = whole.scores(), erased.scores()
    accuracy = numpy.subtract(before["accuracy"][0], after["accuracy"][0])
    slack = numpy.add(before["accuracy"][1], after["accuracy"][1], dtype=float)
    loss = numpy.subtract(after["loss"][0], before["loss"][0])
    confidence = numpy.subtract(before["confidence"][0], after["confidence"][0])
    nothing = numpy.zeros(len(slack))
    yield "accuracy_drop", accuracy, slack
    yield "loss_increase", loss, nothing
    yield "confidence_drop", confidence, nothing
    yield "score", accuracy + 0.5 * confidence - 0.1 * loss, slack


def erased(case: Case, fold: Fold, role: str, part: str, without) -> Answers:
    """Answers of the model with something put in place of parts: without(recording) as in logits_from."""
    logits, labels = [], []
    for recording in case.recordings(fold.number, part, role):
        replaced = without(recording)
        first = min(layer for layer, _ in replaced)
        logits.append(oracle.logits_from(fold.quick[role], first, recording.residuals[first], replaced))
        labels.append(recording.clip.label)
    return Answers(logits, labels)


def whole(case: Case, fold: Fold, role: str, part: str) -> Answers:
    recordings = case.recordings(fold.number, part, role)
    return Answers([r.logits for r in recordings], [r.clip.label for r in recordings])


def zeros(case: Case, *places) -> dict:
    """Erasure of these (layer, part): nothing is added to the stream."""
    width = case.folds[0].models["frozen"].config.d_model
    return {place: numpy.zeros(width) for place in places}


def erasure(case: Case) -> Rows:
    means = ClipMeans()
    components = ("layer",) if case.paper else ("layer", "attention", "mlp")
    for fold in case.folds:
        numbers = [clip.number for clip in fold.parts["test"]]
        for role in ("adapted", "frozen"):
            before = whole(case, fold, role, "test")
            for layer in range(case.layers):
                for component in components:
                    after = erased(case, fold, role, "test", lambda _: zeros(case, (layer, component)))
                    add_drops(means, fold, numbers, before, after, model=role, layer=text(layer), component=component)
            add_progressive(case, means, fold, role, "first-k", lambda k: range(k))
            if not case.paper:
                add_progressive(case, means, fold, role, "last-k", lambda k: range(case.layers - k, case.layers))
    return means.rows()


def add_drops(means: ClipMeans, fold: Fold, numbers, before: Answers, after: Answers, **key) -> None:
    for metric, values, slacks in drops(before, after):
        for number, value, slack in zip(numbers, values, slacks):
            means.add(fold.number, number, value, slack, metric=metric, **key)


def add_progressive(case: Case, means: ClipMeans, fold: Fold, role: str, component: str, layers) -> None:
    for k in range(case.layers + 1):
        places = [(layer, "layer") for layer in layers(k)]
        answers = whole(case, fold, role, "test")
        if places:
            answers = erased(case, fold, role, "test", lambda _: zeros(case, *places))
        for metric, (values, unsure) in answers.scores().items():
            for clip, value, slack in zip(fold.parts["test"], values, unsure):
                means.add(fold.number, clip.number, value, slack, model=role, layer=text(k), component=component,
                          metric=metric)


# ---- spectra ------------------------------------------------------------------------------------------------------

def stacked(case: Case, fold: Fold, part: str, role: str, component: str, layer: int, module: str) -> numpy.ndarray:
    """All clips' frames of A x, B A x or of the loss's gradient there, one clip below the other."""
    gradients = component.endswith("-gradient")
    site = {"A": "down", "B": "up"}[component[0]]
    frames = []
    for recording in case.recordings(fold.number, part, role, gradients=True):
        values = recording.gradients[site, layer, module] if gradients else getattr(recording, site)[layer, module]
        frames.append(values[:case.frames(recording.clip, recording)])
    return numpy.concatenate(frames)


COMPONENTS = ("A", "B", "A-gradient", "B-gradient")


class Spectra:
    """Rows of spectra, with the means over layers, and the singular values that arrays/spectrum.npz should hold."""

    def __init__(self):
        self.means, self.arrays = FoldMeans(), {}

    def add(self, fold: int, values: numpy.ndarray, *, layer: int, **key) -> None:
        for metric, (value, slack) in oracle.spectrum_measures(values).items():
            self.means.add(fold, value, slack, layer=text(layer), metric=metric, **key)
        self.arrays[fold, layer, Key(**key)] = values

    def end_fold(self, fold: int) -> None:
        curves = {}
        for key, values in self.means.values.items():
            if key.layer and fold in values:
                curves.setdefault(key.curve(), []).append(values[fold])
        for key, values in curves.items():
            self.means.values[key][fold] = tuple(numpy.mean(values, axis=0))


def spectrum(case: Case) -> Spectra:
    spectra = Spectra()
    part = "sample" if case.paper else "test"
    for fold in case.folds:
        for role, component, (layer, module) in itertools.product(("adapted", "untrained"), COMPONENTS,
                                                                  oracle.adapters(fold.models["adapted"])):
            x = stacked(case, fold, part, role, component, layer, module)
            for variant in ("",) if case.paper else ("", "centred"):
                spectra.add(fold.number, oracle.singular_values(x - x.mean(0) if variant else x), model=role,
                            variant=variant, layer=layer, module=module, component=component)
        if not case.paper:
            add_weight_spectra(fold, spectra)
        spectra.end_fold(fold.number)
    return spectra


PAIRS = (1, 2, 4, 8, 16, 32)


def add_weight_spectra(fold: Fold, spectra: Spectra) -> None:
    untrained = oracle.adapters(fold.models["untrained"])
    for (layer, module), linear in oracle.adapters(fold.models["adapted"]).items():
        a, b, scale = oracle.matrices(linear)
        weight, change = oracle.float64(linear.base_layer.weight), scale * b @ a
        other_a, other_b, other_scale = oracle.matrices(untrained[layer, module])
        for model, component, matrix in (("adapted", "delta-weight", change), ("frozen", "weight", weight),
                                         ("adapted", "adapted-weight", weight + change),
                                         ("untrained", "delta-weight", other_scale * other_b @ other_a)):
            values = oracle.singular_values(matrix)
            values = values[:len(a)] if component == "delta-weight" else values  # the rest is rounding
            spectra.add(fold.number, values, model=model, layer=layer, module=module, component=component)
        place = {"model": "adapted", "layer": text(layer), "module": module}
        value, slack = oracle.intruders(weight, weight + change)
        spectra.means.add(fold.number, value, slack, component="adapted-weight", metric="intruders", **place)
        for component, ours, theirs in (("output-directions", change, weight), ("input-directions", change.T, weight.T)):
            u, v = (numpy.linalg.svd(matrix, full_matrices=False)[0] for matrix in (ours, theirs))
            for i, j in itertools.product(PAIRS, PAIRS):
                if i <= len(a) and j < v.shape[1]:
                    for metric, value in (("overlap", oracle.overlap(u[:, :i], v[:, :j])),
                                          ("chance", max(i, j) / len(v))):
                        spectra.means.add(fold.number, value, component=component, variant=f"top-{i}-in-{j}",
                                          metric=metric, **place)


# ---- alignment ----------------------------------------------------------------------------------------------------

def flattened(case: Case, role: str, kind: str, layer: int, module: str) -> numpy.ndarray:
    """clips × (frames·dim) of a site ("down", "up"), or of the loss's gradient there ("down-gradient")."""
    fold, (site, _, gradient) = case.folds[0], kind.partition("-")
    return numpy.stack([(r.gradients[site, layer, module] if gradient else getattr(r, site)[layer, module]).ravel()
                        for r in case.recordings(fold.number, "sample", role, gradients=True)])


def paper_alignment(case: Case) -> Rows:
    rows = {}
    for layer, module in oracle.adapters(case.folds[0].models["adapted"]):
        def kernels(function, role, kind):
            return function(flattened(case, role, kind, layer, module))

        linear, rbf = oracle.linear_kernel, oracle.rbf_kernel
        pairs = {"forward-trained": (kernels(linear, "adapted", "down"), kernels(linear, "untrained", "down")),
                 "forward-untrained": (kernels(rbf, "adapted", "up"), kernels(rbf, "untrained", "up")),
                 "gradient-trained": (kernels(rbf, "adapted", "up-gradient"), kernels(rbf, "adapted", "down-gradient")),
                 "gradient-untrained": (kernels(rbf, "untrained", "up-gradient"),
                                        kernels(rbf, "untrained", "down-gradient"))}
        for component, (k, l) in pairs.items():
            rows[Key(fold="0", layer=text(layer), module=module, component=component, metric="cka")] = Expected(
                oracle.biased_cka(k, l))
    return rows


# ---- all of it ----------------------------------------------------------------------------------------------------

def expected(case: Case) -> dict[str, tuple[Rows, list]]:
    """{analysis: (rows, [(whether a key is one that is not compared, why)])}."""
    return {"contribution": (contribution(case), []),
            "logit-lens": (logit_lens(case), []),
            "erasure": (erasure(case), []),
            "spectrum": (spectrum(case).means.rows(), []),
            "alignment": (paper_alignment(case) if case.paper else {}, [])}
