"""What the tables of an analysed run should hold, from the functions of analysis_reference.

A Case is a run with the clips and models of each fold. `paper` and `strict` give {analysis: Rows}.
"""
import collections
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
from safetensors.torch import load_file


@dataclasses.dataclass
class Fold:
    number: int
    models: dict  # by role
    quick: dict  # adapted and frozen in float32, for the many passes of erasure
    parts: dict[str, list[Clip]]  # test, sample (for gradients, spectra, alignment, embedding); strict: fit (training)


class Case:
    """A run, analysed into `out`, and its models in Python. base: the cached encoder's name."""

    def __init__(self, run: pathlib.Path, out: pathlib.Path, corpus: pathlib.Path, untrained: pathlib.Path, base: str,
                 paper: bool, lists: dict[str, list[str]]):
        self.run, self.out, self.corpus, self.untrained, self.base, self.paper = run, out, corpus, untrained, base, paper
        self.dtype = torch.float32 if paper else torch.float64  # 1,500 positions a clip cost too much in float64
        config = json.loads((run / "fold-00" / "config.json").read_text())
        self.classes = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
        self.padded = config["loralens"]["input"] == "padded"
        self.layers = config["encoder_layers"]
        self.extractor = reference.extractor_of(base)
        with open(corpus, newline="") as file:
            self.table = list(csv.DictReader(file))
        self.parts = {0: lists} if paper else self.strict_parts(lists)

    def strict_parts(self, lists: dict[str, list[str]]) -> dict[int, dict[str, list[str]]]:
        """By fold: the listed clips in its test part, and its training part."""
        with open(self.run / "folds.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        parts = {}
        for fold in sorted({int(row["fold"]) for row in rows}):
            held = {part: {row["id"] for row in rows if int(row["fold"]) == fold and row["part"] == part}
                    for part in ("train", "test")}
            parts[fold] = {name: [path for path in paths if path in held["test"]] for name, paths in lists.items()}
            parts[fold]["fit"] = sorted(held["train"])
        return parts

    def array(self, analysis: str, name: str) -> numpy.ndarray:
        with numpy.load(self.out / "arrays" / f"{analysis}.npz") as file:
            return file[name].astype(numpy.float64)

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
            found.append(Fold(number, models, quick, {part: [self.clip(path) for path in paths]
                                                      for part, paths in parts.items()}))
        return found

    def frames(self, clip: Clip, recording: Recording) -> int:
        """How many of a clip's rows are looked at."""
        return len(recording.normed) if self.paper else clip.speech

    @functools.cache
    def mean_parts(self, fold: int, role: str) -> dict:
        """{(layer, part): D}: what each part adds to the stream, mean over the positions of all training clips."""
        sums, count = collections.Counter(), 0
        for recording in self.recordings(fold, "fit", role):
            frames = self.frames(recording.clip, recording)
            count += frames
            for layer, (attention, mlp) in enumerate(zip(recording.attention, recording.mlp)):
                for part, value in (("attention", attention), ("mlp", mlp), ("layer", attention + mlp)):
                    sums[layer, part] = sums[layer, part] + value[:frames].sum(0)
        return {place: total / count for place, total in sums.items()}

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
    return means.rows() | means.differences("adapted", "frozen").rows()


# ---- logit lens ---------------------------------------------------------------------------------------------------

def logit_lens(case: Case) -> Rows:
    means, read = ClipMeans(), {}  # {(role, layer): [(fold, label, logits)]}
    for fold in case.folds:
        for role in ("adapted",) if case.paper else ("adapted", "frozen"):
            for recording in case.recordings(fold.number, "test", role):
                for layer in range(0 if case.paper else -1, case.layers):
                    logits = oracle.lens_logits(fold.models[role], recording.residuals[layer + 1], norm=not case.paper)
                    add_lens(case, means, fold.number, recording, role, layer, logits)
                    read.setdefault((role, layer), []).append((fold.number, recording.clip.label, logits))
    return means.rows() | ({} if case.paper else uar_rows(read) | quantile_rows(case, read))


def add_lens(case: Case, means: ClipMeans, fold: int, recording: Recording, role: str, layer: int, logits) -> None:
    clip, final = recording.clip, recording.logits
    unsure = oracle.undecided(logits)
    values = {"kl": (oracle.kl(final, logits), 0),
              "overlap": (logits.argmax() == final.argmax(), unsure or oracle.undecided(final))}
    if case.paper:
        shares = oracle.softmax(logits.astype(numpy.float32))
        values["underflow"] = (bool((shares == 0).any()), 0)
    else:
        values |= {"accuracy": (logits.argmax() == clip.label, unsure), "entropy": (oracle.entropy(logits), 0)}
    for metric, (value, slack) in values.items():
        means.add(fold, clip.number, value, slack, model=role, layer=text(layer), metric=metric)
    for name, value in zip(case.classes, logits):
        means.add(fold, clip.number, value, model=role, layer=text(layer), metric="logit", class_name=name)


def uar_rows(read: dict) -> Rows:
    rows = {}
    for (role, layer), found in read.items():
        folds = sorted({fold for fold, *_ in found})
        for name in ["", *folds] if len(folds) > 1 else folds:
            part = [(label, logits) for fold, label, logits in found if name in ("", fold)]
            labels = [label for label, _ in part]
            rarest = min(labels.count(label) for label in set(labels))
            unsure = sum(oracle.undecided(logits) for _, logits in part)
            value = oracle.uar(labels, [logits.argmax() for _, logits in part])
            rows[Key(model=role, layer=text(layer), fold=text(name), metric="uar")] = Expected(
                value, unsure / rarest / len(set(labels)), n=len(part))
    return rows


def quantile_rows(case: Case, read: dict) -> Rows:
    """Of each class's logit over the clips whose true class (the component) is this, all folds."""
    rows = {}
    for (role, layer), found in read.items():
        for true, component in enumerate(case.classes):
            logits = numpy.array([logits for _, label, logits in found if label == true])
            for percent in (10, 25, 50, 75, 90):
                for name, value in zip(case.classes, numpy.quantile(logits, percent / 100, axis=0)):
                    rows[Key(model=role, layer=text(layer), component=component, metric=f"logit_q{percent}",
                             class_name=name)] = Expected(float(value), n=len(logits))
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


def erased(case: Case, fold: Fold, role: str, part: str, replaced: dict) -> Answers:
    """Answers of the model with something put in place of parts: as logits_from takes it."""
    logits, labels = [], []
    first = min(layer for layer, _ in replaced)
    for recording in case.recordings(fold.number, part, role):
        logits.append(oracle.logits_from(fold.quick[role], first, recording.residuals[first], replaced))
        labels.append(recording.clip.label)
    return Answers(logits, labels)


def whole(case: Case, fold: Fold, role: str, part: str) -> Answers:
    recordings = case.recordings(fold.number, part, role)
    return Answers([r.logits for r in recordings], [r.clip.label for r in recordings])


def zeros(case: Case, fold: Fold, role: str, places: list[tuple[int, str]]) -> dict:
    """Erasure of these (layer, part): nothing is added to the stream."""
    width = fold.models["frozen"].config.d_model
    return {place: numpy.zeros(width) for place in places}


def means_of(case: Case, fold: Fold, role: str, places: list[tuple[int, str]]) -> dict:
    """Mean ablation: what these add to the stream, on average over the positions of the fold's training clips."""
    return {place: case.mean_parts(fold.number, role)[place] for place in places}


def erasure(case: Case) -> Rows:
    means = ClipMeans()
    for fold in case.folds:
        for role in ("adapted",) if case.paper else ("adapted", "frozen"):
            before = whole(case, fold, role, "test")
            add_scores(means, fold, before, model=role, component="none")
            for variant, source in (("", zeros),) if case.paper else (("", zeros), ("mean-ablation", means_of)):
                def answers(*places):
                    replaced = source(case, fold, role, places)
                    return erased(case, fold, role, "test", replaced) if places else before

                for layer, component in itertools.product(range(case.layers),
                                                          ("layer",) if case.paper else ("layer", "attention", "mlp")):
                    for metric, values, slacks in drops(before, answers((layer, component))):
                        add_values(means, fold, values, slacks, model=role, variant=variant, layer=text(layer),
                                   component=component, metric=metric)
                for k in range(case.layers + 1):
                    key = {"model": role, "variant": variant, "layer": text(k)}
                    first = answers(*((layer, "layer") for layer in range(k)))
                    add_scores(means, fold, first, component="first-k", **key)
                    if not case.paper:
                        last = answers(*((layer, "layer") for layer in range(case.layers - k, case.layers)))
                        add_scores(means, fold, last, component="last-k", **key)
    return means.rows() | means.differences("adapted", "frozen").rows()


def add_scores(means: ClipMeans, fold: Fold, answers: Answers, **key) -> None:
    for metric, (values, slacks) in answers.scores().items():
        add_values(means, fold, values, slacks, metric=metric, **key)


def add_values(means: ClipMeans, fold: Fold, values, slacks, **key) -> None:
    for clip, value, slack in zip(fold.parts["test"], values, slacks):
        means.add(fold.number, clip.number, value, slack, **key)


# ---- spectra ------------------------------------------------------------------------------------------------------

def stacked(case: Case, fold: Fold, role: str, of) -> numpy.ndarray:
    """of(recording) of all clips, their frames one clip below the other."""
    return numpy.concatenate([of(recording)[:case.frames(recording.clip, recording)]
                              for recording in case.recordings(fold.number, "sample", role, gradients=True)])


COMPONENTS = {"A": lambda place: lambda recording: recording.down[place],
              "B": lambda place: lambda recording: recording.up[place],
              "A-gradient": lambda place: lambda recording: recording.gradients["down", *place],
              "B-gradient": lambda place: lambda recording: recording.gradients["up", *place]}


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
    for fold in case.folds:
        places = list(oracle.adapters(fold.models["adapted"]))
        for role, place in itertools.product(("adapted", "untrained"), places):
            def add(variant: str, component: str, x: numpy.ndarray, image: numpy.ndarray | None = None) -> None:
                spectra.add(fold.number, oracle.singular_values(x, image), model=role, variant=variant, layer=place[0],
                            module=place[1], component=component)

            a, b, scale = oracle.matrices(oracle.adapters(fold.models[role])[place])
            x = {name: stacked(case, fold, role, of(place)) for name, of in COMPONENTS.items()}
            add("", "A", x["A"])
            add("", "B", x["A"], b)
            add("", "A-gradient", x["A-gradient"])
            add("", "B-gradient", x["B-gradient"])
            if case.paper:
                continue
            add("centred", "A", x["A"] - x["A"].mean(0))
            add("centred", "B", x["A"] - x["A"].mean(0), b)
            add("centred", "A-gradient", x["A-gradient"] - x["A-gradient"].mean(0))
            add("centred", "B-gradient", x["B-gradient"] - x["B-gradient"].mean(0))
            other_a, other_b = oracle.balanced(a, b, 1)
            enters = stacked(case, fold, role, lambda recording: recording.x[place])
            add("balanced", "A", enters, other_a)
            add("balanced", "A-gradient", x["B-gradient"], other_b.T)
            if role == "adapted":
                random_a, random_b = (case.array("spectrum", f"random-{name}/{place[1]}/{place[0]}") for name in "AB")
                add("random-A", "A", enters, random_a)
                add("random-A", "B", enters @ random_a.T, b)
                add("random-B", "B", x["A"], random_b)
                add("random-B", "A-gradient", x["B-gradient"], random_b.T)
        if not case.paper:
            add_weight_spectra(fold, spectra)
        spectra.end_fold(fold.number)
    return spectra


PAIRS = ((1, 16), (1, 64), (4, 16), (4, 64))


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
            for i, j in PAIRS:
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
            model = "adapted" if component.endswith("-trained") else "untrained"
            rows[Key(model=model, fold="0", layer=text(layer), module=module, component=component, metric="cka")] = Expected(
                oracle.biased_cka(k, l), n=len(k))
    return rows


def strict_alignment(case: Case) -> Rows:
    """Each fold's clips are one minibatch, so that its debiased CKA is that of all of them."""
    means = FoldMeans()
    for fold in case.folds:
        def pooled(role: str, of) -> numpy.ndarray:
            """clips × dim: the mean of of(recording) over the clip's own frames."""
            return numpy.stack([of(recording)[:case.frames(recording.clip, recording)].mean(0)
                                for recording in case.recordings(fold.number, "sample", role, gradients=True)])

        for role in ("adapted", "untrained"):
            for (layer, module), linear in oracle.adapters(fold.models[role]).items():
                place = layer, module
                key = {"model": role, "layer": text(layer), "module": module, "metric": "cka"}
                x = {name: pooled(role, of(place)) for name, of in COMPONENTS.items()}
                enters = pooled(role, lambda recording: recording.x[place])
                a, b = oracle.balanced(*oracle.matrices(linear)[:2], 1)
                for variant, component, first, second in (
                        ("", "forward", x["A"], x["B"]), ("", "gradient", x["A-gradient"], x["B-gradient"]),
                        ("balanced", "forward", enters @ a.T, x["B"]),
                        ("balanced", "gradient", x["B-gradient"] @ b, x["B-gradient"])):
                    means.add(fold.number, oracle.debiased_cka(first, second), variant=variant, component=component, **key)
        for layer in range(-1, case.layers):
            streams = [pooled(role, lambda recording: recording.residuals[layer + 1]) for role in ("adapted", "frozen")]
            means.add(fold.number, oracle.debiased_cka(*streams), model="adapted-frozen", layer=text(layer),
                      component="residual", metric="cka")
    return means.rows()


# ---- gradients ----------------------------------------------------------------------------------------------------

def gradients(case: Case) -> Rows:
    means = ClipMeans()
    for fold, role in itertools.product(case.folds, ("adapted", "frozen", "untrained")):
        for recording in case.recordings(fold.number, "sample", role, gradients=True):
            error = oracle.softmax(recording.logits) - numpy.eye(len(case.classes))[recording.clip.label]
            norms = {}  # of each curve: {layer: norm}
            for (kind, layer, *module), value in recording.gradients.items():
                if kind == "residual":
                    value = value[:case.frames(recording.clip, recording)]
                    norms.setdefault(("activations", ""), {})[layer - 1] = numpy.linalg.norm(value)
                elif kind in "AB":
                    norms.setdefault((kind, *module), {})[layer] = numpy.linalg.norm(value)
            for (component, module), curve in norms.items():
                key = {"model": role, "component": component, "module": module}
                number = recording.clip.number
                for layer, norm in curve.items():
                    means.add(fold.number, number, norm, layer=text(layer), metric="norm", **key)
                    means.add(fold.number, number, norm / numpy.linalg.norm(error), layer=text(layer),
                              metric="norm_over_error", **key)
                means.add(fold.number, number, numpy.log10(curve[max(curve)] / curve[min(curve)]),
                          metric="log10_last_over_first", **key)
    return means.rows()


# ---- embedding ----------------------------------------------------------------------------------------------------

def embedding(case: Case) -> Rows:
    means = FoldMeans()
    for fold in case.folds:
        for role in ("adapted", "frozen", "untrained"):
            recordings = case.recordings(fold.number, "sample", role, gradients=True)

            def add(variant: str, layer: int, of, module: str = "", component: str = "residual") -> None:
                x = numpy.stack([of(recording)[:recording.clip.speech].mean(0) for recording in recordings])
                x = x if variant else oracle.standardised(x)
                for name, labels in (("emotion", [recording.clip.label for recording in recordings]),
                                     ("speaker", [recording.clip.speaker for recording in recordings])):
                    for metric, (value, slack) in oracle.separation(x, labels, name).items():
                        means.add(fold.number, value, slack, model=role, variant=variant, layer=text(layer), module=module,
                                  component=component, metric=metric)

            for layer in range(case.layers) if role != "untrained" else ():
                add("", layer, lambda recording: recording.residuals[layer + 1])
            for (layer, module), linear in oracle.adapters(fold.models[role]).items():
                if module == "v_proj":
                    a = oracle.balanced(*oracle.matrices(linear)[:2], 1)[0]
                    add("", layer, lambda recording: recording.down[layer, module], module, "A")
                    add("balanced", layer, lambda recording: recording.x[layer, module] @ a.T, module, "A")
    return means.rows()


# ---- dynamics -----------------------------------------------------------------------------------------------------

def dynamics(case: Case) -> Rows:
    """What the training wrote down (watch.csv), and what its start (initial.safetensors) says of step 0."""
    means = FoldMeans()
    for fold in case.folds:
        folder = case.run / f"fold-{fold.number:02}"
        with open(folder / "watch.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        start = load_file(folder / "initial.safetensors")
        at_logits = {row["step"]: float(row["value"]) for row in rows if row["component"] == "logits"}
        for row in rows:
            key = {name: row[name] for name in ("step", "layer", "module", "component")} | {"model": "adapted"}
            value, metric = float(row["value"]), row["metric"]
            if row["step"] == "0" and row["module"]:
                known = oracle.start_of(start, int(row["layer"]), row["module"], row["component"]).get(metric)
                assert known is None or abs(value - known) <= 1e-5 * abs(known), (row, known)
            means.add(fold.number, value, metric=metric, **key)
            if metric == "gradient_norm" and row["component"] != "logits":
                means.add(fold.number, value / at_logits[row["step"]], metric="relative_gradient", **key)
    rows = means.rows()
    return rows if case.paper else {key: value for key, value in rows.items() if not key.fold}


# ---- all of it ----------------------------------------------------------------------------------------------------

def expected(case: Case) -> dict[str, tuple[Rows, list]]:
    """{analysis: (rows, [(whether a key is one that is not compared, why)])}."""
    def variant(*names):
        return lambda key: key.variant in names

    def words(name):
        return lambda key: name in key.variant

    drawn = "B is drawn anew and not in arrays"
    lens, ablation, spectra, alignment, gradient = [], [], [], [], []
    if case.paper:
        spectra = [(variant("dropout"), "the masks of dropout are random")]
        alignment = [(variant("float32"), "rounding noise")]
    else:
        lens = [(variant("tuned"), "the fitted map is not in arrays")]
        ablation = [(variant("resample-ablation"), "which positions were drawn is not in arrays")]
        alignment = [(words("random-B"), drawn), (words("frames"), "which frames were drawn is not in arrays")]
        gradient = [(variant("random-cotangent"), "the direction at the logits is random")]
    return {"contribution": (contribution(case), []),
            "logit-lens": (logit_lens(case), lens),
            "erasure": (erasure(case), ablation),
            "spectrum": (spectrum(case).means.rows(), spectra),
            "alignment": (paper_alignment(case) if case.paper else strict_alignment(case), alignment),
            "gradients": ({} if case.paper else gradients(case), gradient),
            "embedding": ({} if case.paper else embedding(case), []),
            "dynamics": (dynamics(case), [])}
