"""Expected table and arrays of the analysis ablation: adapters switched off layer by layer in PEFT."""
import contextlib
import itertools

import analysis_intervals as intervals
import analysis_models as whisper
import analysis_reference as oracle
import numpy
import torch
from analysis_answers import Answers
from analysis_case import Case, Fold
from analysis_rows import ClipMeans, Expected, Key, Rows, text
from safetensors.torch import load_file


@contextlib.contextmanager
def only_layers(model, layers: tuple[int, ...]):
    """The adapters of other layers get the scale 0."""
    linears = [linear for (layer, _), linear in whisper.adapters(model).items() if layer not in layers]
    scales = [linear.scaling["default"] for linear in linears]
    for linear in linears:
        linear.scaling["default"] = 0.0
    yield
    for linear, scale in zip(linears, scales):
        linear.scaling["default"] = scale


@contextlib.contextmanager
def replaced(model, layer: int, side: str, tensors: dict):
    """A or B of one layer has these tensors: {(layer, module): tensor}."""
    weights = {place: getattr(linear, f"lora_{side}")["default"].weight
               for place, linear in whisper.adapters(model).items() if place[0] == layer}
    before = {place: weight.detach().clone() for place, weight in weights.items()}
    for source in (tensors, before):
        with torch.no_grad():
            for place, weight in weights.items():
                weight.copy_(source[place])
        if source is tensors:
            yield


def initial(case: Case, fold: Fold, side: str) -> dict:
    """The factors before the training, from the file in the fold's folder."""
    saved = load_file(case.run / f"fold-{fold.number:02}" / "initial.safetensors")
    found = {}
    for layer, module in whisper.adapters(fold.models["adapted"]):
        inside = module if module.startswith("fc") else f"self_attn.{module}"
        found[layer, module] = saved[f"encoder.layers.{layer}.{inside}.lora_{side}.weight"]
    return found


def trained(fold: Fold, side: str) -> dict:
    return {place: getattr(linear, f"lora_{side}")["default"].weight.detach()
            for place, linear in whisper.adapters(fold.models["adapted"]).items()}


def layers_of(case: Case) -> list[int]:
    return sorted({layer for layer, _ in whisper.adapters(case.folds[0].models["adapted"])})


def sets_of(layers: list[int]) -> list[tuple[int, ...]]:
    """All sets, in the order of the array: set i holds the layer j of the list if bit j of i is set."""
    return [tuple(layer for j, layer in enumerate(layers) if i >> j & 1) for i in range(2 ** len(layers))]


def names_of(case: Case, layers: list[int]):
    """Yields (component, layer or k, set)."""
    for layer in layers:
        yield "only", layer, (layer,)
        yield "all-but", layer, tuple(other for other in layers if other != layer)
    for k in range(case.layers + 1):
        yield "first-k", k, tuple(layer for layer in layers if layer < k)
        yield "last-k", k, tuple(layer for layer in layers if layer >= case.layers - k)


def passes(case: Case) -> dict[tuple, list]:
    """{set: [(fold, recording, logits)]} for all test clips."""
    layers = layers_of(case)
    found = {one: [] for one in sets_of(layers)}
    for fold in case.folds:
        model = fold.models["adapted"]
        for recording in case.recordings(fold.number, "test", "adapted"):
            for one in found:
                with only_layers(model, one):
                    logits = whisper.logits_from(model, layers[0], recording.residuals[layers[0]])
                found[one].append((fold, recording, logits))
    return found


def add_replacements(case: Case, answers: Answers) -> None:
    for number, fold in enumerate(case.folds):
        model, other = fold.models["adapted"], case.folds[(number + 1) % len(case.folds)]
        for side, layer in itertools.product("AB", layers_of(case)):
            for source, tensors in (("start", initial(case, fold, side)), ("swap", trained(other, side))):
                for recording in case.recordings(fold.number, "test", "adapted"):
                    with replaced(model, layer, side, tensors):
                        logits = whisper.logits_from(model, layer, recording.residuals[layer])
                    answers.add(fold, recording, logits, model="adapted", layer=text(layer),
                                component=f"{side}-{source}")


def share(layers: list[int], layer: int, value) -> float:
    """The mean over all orders of the layers of what this one adds to value(set)."""
    added = []
    for order in itertools.permutations(layers):
        before = order[:order.index(layer)]
        added.append(value(tuple(sorted((*before, layer)))) - value(tuple(sorted(before))))
    return float(numpy.mean(added))


def share_rows(case: Case, found: dict) -> Rows:
    layers = layers_of(case)
    means, rows = ClipMeans(case.speakers), {}
    log_p = {one: [oracle.log_softmax(logits)[recording.clip.label] for _, recording, logits in passed]
             for one, passed in found.items()}
    whole, nothing = tuple(layers), ()
    functions = {"": lambda value: value(whole) - value(nothing)} | {
        text(layer): lambda value, layer=layer: share(layers, layer, value) for layer in layers}
    clips = found[nothing]
    for name, function in functions.items():
        for i, (fold, recording, _) in enumerate(clips):
            means.add(fold.number, recording.clip.number, function(lambda one: log_p[one][i]), model="adapted",
                      layer=name, component="shapley", metric="log_probability")
        rows |= uar_share_rows(found, name, function)
    return means.rows() | rows


def uar_share_rows(found: dict, layer: str, function) -> Rows:
    rows = {}
    clips = found[()]
    labels = numpy.array([recording.clip.label for _, recording, _ in clips])
    speakers = numpy.array([recording.clip.speaker for _, recording, _ in clips])
    folds = numpy.array([fold.number for fold, *_ in clips])
    predicted = {one: numpy.array([logits.argmax() for *_, logits in passed]) for one, passed in found.items()}
    unsure = sum(oracle.undecided(logits) for passed in found.values() for *_, logits in passed)

    def value(kept) -> float:
        return function(lambda one: oracle.uar(labels[kept], predicted[one][kept]))

    for name in ["", *sorted(set(folds))]:
        kept = numpy.full(len(folds), True) if name == "" else folds == name
        row = Expected(value(kept), float(unsure), n=int(kept.sum()))
        if name == "":
            names = sorted(set(speakers))
            complete = all(set(labels[speakers != one]) == set(labels) for one in names)
            gain = layer == ""  # shares, sums of more than two UARs, have no interval
            without = [value(speakers != one) for one in names] if complete and gain else []
            row = row.over_all(intervals.pooled(row.value, without), "pooled")
        rows[Key(model="adapted", layer=layer, component="shapley", metric="uar", fold=text(name))] = row
    return rows


def ablation(case: Case) -> Rows:
    found, answers = passes(case), Answers(case)
    for component, layer, one in names_of(case, layers_of(case)):
        for fold, recording, logits in found[one]:
            answers.add(fold, recording, logits, model="adapted", layer=text(layer), component=component)
    add_replacements(case, answers)
    check_arrays(case, found)
    return answers.rows() | share_rows(case, found)


def check_arrays(case: Case, found: dict) -> None:
    """Asserts that ablation.npz holds the sets and, for each fold, their values."""
    sets = case.array("ablation", "sets")
    assert [tuple(numpy.flatnonzero(row)) for row in sets] == list(found), sets
    for column, passed in enumerate(found.values()):
        for row, fold in enumerate(case.folds):
            part = [(recording.clip.label, logits) for other, recording, logits in passed if other is fold]
            labels, logits = zip(*part)
            wanted = {"log_probability": numpy.mean([oracle.log_softmax(one)[label] for label, one in part]),
                      "uar": oracle.uar(labels, [one.argmax() for one in logits])}
            for name, value in wanted.items():
                got = case.array("ablation", name)[row, column]
                unsure = any(map(oracle.undecided, logits)) and name == "uar"
                assert unsure or abs(got - value) < 1e-4, (name, row, column, got, value)
