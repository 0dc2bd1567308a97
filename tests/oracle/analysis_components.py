"""Expected table of the analysis components: weights of PEFT's layers changed by NumPy's singular value decomposition."""
import contextlib

import analysis_models as whisper
import analysis_reference as oracle
import numpy
import reference
import torch
from analysis_answers import Answers
from analysis_case import Case, Fold
from analysis_patching import recovered
from analysis_rows import ClipMeans, FoldMeans, Rows, text

LAMBDAS = (0, 0.5, 1.5, 2)
LEADING, TOP, COSINE = 8, 10, 0.5


class Place:
    """The update of one linear layer, and the adapted weight, as singular components."""

    def __init__(self, linear):
        a, b, scale = whisper.matrices(linear)
        self.weight, self.change = whisper.float64(linear.base_layer.weight), scale * b @ a
        self.u, sigma, self.v = numpy.linalg.svd(self.change, full_matrices=False)
        self.sigma = sigma[sigma > 1e-6 * sigma[0]]
        base = numpy.linalg.svd(self.weight, full_matrices=False)[0]
        self.left, self.values, self.right = numpy.linalg.svd(self.weight + self.change, full_matrices=False)
        nearest = abs(base.T @ self.left).max(0)
        self.intruders = [i for i in range(TOP) if nearest[i] < COSINE]
        self.ordinary, free = [], [i for i in range(len(self.values)) if nearest[i] >= COSINE]
        for intruder in self.intruders:
            self.ordinary.append(min(free, key=lambda i: abs(self.values[i] - self.values[intruder])))
            free.remove(self.ordinary[-1])

    def with_factors(self, factors: dict[int, float]) -> numpy.ndarray:
        """ΔW with these components of it (from 0) multiplied by a factor."""
        return self.change + sum((factor - 1) * self.sigma[i] * numpy.outer(self.u[:, i], self.v[i])
                                 for i, factor in factors.items() if i < len(self.sigma))

    def of_whole(self, numbers: list[int], factor: float) -> numpy.ndarray:
        """ΔW with which these components of W + ΔW are multiplied by a factor."""
        return self.change + sum((factor - 1) * self.values[i] * numpy.outer(self.left[:, i], self.right[i])
                                 for i in numbers)


@contextlib.contextmanager
def changed(model, changes: dict):
    """The adapters have the scale 0, and their base weights these changes added: {(layer, module): out×in}."""
    linears = whisper.adapters(model)
    before = {at: (linear.base_layer.weight.detach().clone(), linear.scaling["default"])
              for at, linear in linears.items()}
    with torch.no_grad():
        for at, linear in linears.items():
            linear.base_layer.weight += torch.as_tensor(changes[at], dtype=linear.base_layer.weight.dtype)
            linear.scaling["default"] = 0.0
        yield
        for at, linear in linears.items():
            linear.base_layer.weight.copy_(before[at][0])
            linear.scaling["default"] = before[at][1]


def edits(most: int, intruders: bool):
    """Yields (key, function that gives a place's ΔW)."""
    kept = [0, *(2**n for n in range(most.bit_length()) if 2**n < most), most]
    for k in kept:
        yield {"component": "truncate", "layer": text(k)}, lambda p, k=k: p.with_factors(
            {i: 0 for i in range(k, len(p.sigma))})
    for factor in (1, *LAMBDAS):
        yield {"component": "scale", "variant": f"lambda-{factor}"}, lambda p, f=factor: f * p.change
    for i in range(min(most, LEADING)):
        yield {"component": "keep", "layer": text(i + 1)}, lambda p, i=i: p.with_factors(
            {j: 0 for j in range(len(p.sigma)) if j != i})
        for factor in LAMBDAS:
            yield ({"component": "scale", "layer": text(i + 1), "variant": f"lambda-{factor}"},
                   lambda p, i=i, f=factor: p.with_factors({i: f}))
    for factor in LAMBDAS if intruders else ():
        for name in ("intruders", "ordinary"):
            yield ({"component": name, "variant": f"lambda-{factor}"},
                   lambda p, name=name, f=factor: p.of_whole(getattr(p, name), f))


def gradients(model, recording) -> dict:
    """The loss's gradient by the weight of each adapted layer, as out×in."""
    weights = {at: linear.base_layer.weight for at, linear in whisper.adapters(model).items()}
    for weight in weights.values():
        weight.requires_grad_()
    dtype = next(model.parameters()).dtype
    logits = reference.run(model, recording.clip.mel.to(dtype)).logits
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([recording.clip.label]))
    found = dict(zip(weights, map(whisper.float64, torch.autograd.grad(loss, list(weights.values())))))
    for weight in weights.values():
        weight.requires_grad_(False)
    return found


def add_sensitivities(means: ClipMeans, fold: Fold, recording, places: dict) -> None:
    removed = numpy.zeros(min(LEADING, max(len(p.sigma) for p in places.values())))
    for (layer, module), gradient in gradients(fold.models["adapted"], recording).items():
        place = places[layer, module]
        found = [sigma * place.u[:, i] @ gradient @ place.v[i] for i, sigma in enumerate(place.sigma)]
        key = {"model": "adapted", "layer": text(layer), "module": module, "component": "update",
               "metric": "sensitivity"}
        for i, value in enumerate(found[:LEADING]):
            removed[i] += value
            means.add(fold.number, recording.clip.number, value, variant=f"component-{i + 1}", **key)
        means.add(fold.number, recording.clip.number, (place.change * gradient).sum(), **key)
    for i, value in enumerate(removed):
        means.add(fold.number, recording.clip.number, value, model="adapted", variant="lambda-0", layer=text(i + 1),
                  component="scale", metric="first_order")


def add_weights(weights: FoldMeans, fold: Fold, places: dict) -> None:
    for (layer, module), place in places.items():
        for i, sigma in enumerate(place.sigma[:LEADING]):
            weights.add(fold.number, sigma, model="adapted", variant=f"component-{i + 1}", layer=text(layer),
                        module=module, component="update", metric="sigma")
    weights.add(fold.number, sum(len(p.intruders) for p in places.values()), model="adapted", component="intruders",
                metric="count")
    for name in ("intruders", "ordinary"):
        weights.add(fold.number, sum((p.values[getattr(p, name)] ** 2).sum() for p in places.values()),
                    model="adapted", component=name, metric="squared_sigma")


def components(case: Case) -> Rows:
    answers, means, weights = Answers(case), ClipMeans(case.speakers), FoldMeans()
    shares = {}  # {items of the key: [(speaker, moved, gain)]}
    for fold in case.folds:
        model = fold.models["adapted"]
        places = {at: Place(linear) for at, linear in whisper.adapters(model).items()}
        add_weights(weights, fold, places)
        first = min(layer for layer, _ in places)
        some = any(p.intruders for p in places.values())
        most = max(len(p.sigma) for p in places.values())
        for recording in case.recordings(fold.number, "test", "adapted"):
            plain = answers.add(fold, recording, recording.logits, model="adapted", component="none")
            values, number = {}, recording.clip.number
            for key, change in edits(most, some):
                with changed(model, {at: change(place) for at, place in places.items()}):
                    logits = whisper.logits_from(model, first, recording.residuals[first])
                value = answers.add(fold, recording, logits, model="adapted", **key)
                nothing = key.get("variant") == "lambda-1" or key.get("layer") == text(most)
                means.add(fold.number, number, value - plain, 2e-6 if nothing else 0, model="adapted", metric="change",
                          **key)
                values[tuple(key.items())] = value
                if key["component"] == "ordinary":
                    partner = tuple({**key, "component": "intruders"}.items())
                    means.add(fold.number, number, values[partner] - value, 1e-5, model="adapted",
                              component="intruders-ordinary", variant=key["variant"], metric="change")
            base = values[("component", "truncate"), ("layer", "0")]
            for items, value in values.items():
                if items[0][1] in ("truncate", "keep"):
                    shares.setdefault((("model", "adapted"), *items), []).append(
                        (recording.clip.speaker, value - base, plain - base))
            add_sensitivities(means, fold, recording, places)
    return answers.rows() | means.rows() | weights.rows() | recovered(case, shares)
