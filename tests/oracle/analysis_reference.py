"""The analyses of an adapted model, once more: transformers and PEFT with plain hooks, NumPy in float64, SciPy.

Each function gives Rows: what tables/<analysis>.csv should hold. `paper` functions do what the published code does.
"""
import dataclasses
import math
import pathlib
from collections import defaultdict

import numpy
import reference
import scipy.stats
import sklearn.metrics
import sklearn.neighbors
import sklearn.preprocessing
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperForAudioClassification

MODULES = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


# ---- models -------------------------------------------------------------------------------------------------------

def base_model(config: WhisperConfig, base: str) -> WhisperForAudioClassification:
    model = WhisperForAudioClassification(config).eval()
    reference.put_encoder(model, base)
    return model


def config_of(folder: pathlib.Path) -> WhisperConfig:
    return WhisperConfig.from_pretrained(folder, attn_implementation="sdpa")


def adapted_model(folder: pathlib.Path, base: str, config: WhisperConfig, dtype: torch.dtype) -> PeftModel:
    """The folder as PEFT reads it; adapters' matrices and the encoder's residuals can have gradients."""
    model = PeftModel.from_pretrained(base_model(config, base), folder).eval().to(dtype)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    return model


def frozen_model(folder: pathlib.Path, base: str, config: WhisperConfig, dtype: torch.dtype):
    """The base encoder, without adapters, under the folder's head."""
    model = base_model(config, base)
    prefix = "base_model.model."
    tensors = {name.removeprefix(prefix): value for name, value in load_file(folder / "adapter_model.safetensors").items()
               if "lora_" not in name}
    assert {"projector.weight", "projector.bias", "classifier.weight", "classifier.bias"} == set(tensors), set(tensors)
    assert not model.load_state_dict(tensors, strict=False).unexpected_keys
    return model.to(dtype).requires_grad_(False)


def write_untrained(folder: pathlib.Path, like: pathlib.Path, base: str, seed: int) -> None:
    """A PEFT folder of an adapter of the same shape as `like` whose A, B and head are N(0, 0.02), biases 0."""
    config = LoraConfig.from_pretrained(like)
    config.inference_mode = False
    model = get_peft_model(base_model(config_of(like), base), config)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if "lora_" in name or name.endswith("modules_to_save.default.weight"):
            torch.nn.init.normal_(parameter, std=0.02, generator=generator)
        elif name.endswith("modules_to_save.default.bias"):
            torch.nn.init.zeros_(parameter)
    model.save_pretrained(folder)


def inner(model) -> WhisperForAudioClassification:
    return model.get_base_model() if isinstance(model, PeftModel) else model


def adapters(model) -> dict:
    """PEFT's layers by (layer, module)."""
    found = {}
    for number, layer in enumerate(inner(model).encoder.layers):
        for module in MODULES:
            linear = getattr(layer, module, None) or getattr(layer.self_attn, module, None)
            if hasattr(linear, "lora_A"):
                found[number, module] = linear
    return found


def matrices(linear) -> tuple[numpy.ndarray, numpy.ndarray, float]:
    """A (R×in), B (out×R) and the scale of one of PEFT's layers."""
    return (float64(linear.lora_A["default"].weight), float64(linear.lora_B["default"].weight),
            float(linear.scaling["default"]))


def float64(tensor: torch.Tensor) -> numpy.ndarray:
    return tensor.detach().to(torch.float64).numpy()


# ---- passes -------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Clip:
    """One clip: what the encoder reads, and what is known of it."""
    number: int  # in the table
    id: str
    label: int
    speaker: str
    mel: torch.Tensor
    speech: int  # its own positions, from the first; the rest is tail or padding


class Recording:
    """One clip through one model, seen by hooks. Arrays are T×width, float64.

    residuals: N+1, the input of each layer and the output of the last; attention, mlp: N, what these add; x, down, up:
    x, A x and B A x, unscaled, by (layer, module); with gradients also `gradients` of the cross-entropy with the clip's
    label: ("residual", l), ("down", l, module), ("up", l, module), and of the matrices ("A", l, module), ("B", l, module).
    """

    def __init__(self, model, clip: Clip, gradients: bool = False):
        seen, hooks = {}, []
        encoder = inner(model).encoder
        parameters = {}

        def keep(key):
            return lambda module, inputs, output: seen.__setitem__(key, output[0] if isinstance(output, tuple) else output)

        def enter(key):
            def hook(module, inputs):
                seen[key] = inputs[0].detach().requires_grad_() if key == ("residual", 0) and gradients else inputs[0]
                return (seen[key], *inputs[1:])
            return hook

        for number, layer in enumerate(encoder.layers):
            hooks.append(layer.register_forward_pre_hook(enter(("residual", number))))
            hooks.append(layer.self_attn.register_forward_hook(keep(("attention", number))))
            hooks.append(layer.fc2.register_forward_hook(keep(("mlp", number))))
        hooks.append(encoder.layer_norm.register_forward_pre_hook(enter(("residual", len(encoder.layers)))))
        hooks.append(encoder.layer_norm.register_forward_hook(keep(("normed",))))
        for place, linear in adapters(model).items():
            hooks.append(linear.lora_A["default"].register_forward_pre_hook(enter(("x", *place))))
            hooks.append(linear.lora_A["default"].register_forward_hook(keep(("down", *place))))
            hooks.append(linear.lora_B["default"].register_forward_hook(keep(("up", *place))))
            parameters["A", *place] = linear.lora_A["default"].weight
            parameters["B", *place] = linear.lora_B["default"].weight
        dtype = next(model.parameters()).dtype
        with torch.set_grad_enabled(gradients):
            logits = reference.run(model, clip.mel.to(dtype)).logits
        for hook in hooks:
            hook.remove()

        self.gradients = {}
        if gradients:
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor([clip.label]))
            wanted = {key: value for key, value in seen.items() if key[0] in ("residual", "down", "up")} | parameters
            values = torch.autograd.grad(loss, list(wanted.values()))
            self.gradients = {key: float64(value.squeeze(0) if value.dim() == 3 else value)
                              for key, value in zip(wanted, values)}
        arrays = {key: float64(value[0]) for key, value in seen.items()}
        layers = len(encoder.layers)
        self.clip = clip
        self.logits = float64(logits[0])
        self.normed = arrays["normed",]
        self.residuals = [arrays["residual", number] for number in range(layers + 1)]
        self.attention = [arrays["attention", number] for number in range(layers)]
        self.mlp = [arrays["mlp", number] for number in range(layers)]
        self.x, self.down = ({key[1:]: value for key, value in arrays.items() if key[0] == site} for site in ("x", "down"))
        self.up = {place: self.down[place] @ matrices(linear)[1].T for place, linear in adapters(model).items()}
        for place, value in self.up.items():  # of rank R to the last digit, which float32 is not
            assert abs(value - arrays["up", *place]).max() <= 1e-5 * abs(value).max(), place

    def check(self) -> None:
        """The parts add up to the stream: h + a + m is the next residual."""
        for number, (attention, mlp) in enumerate(zip(self.attention, self.mlp)):
            difference = self.residuals[number] + attention + mlp - self.residuals[number + 1]
            assert abs(difference).max() < 1e-4 * abs(self.residuals[number + 1]).max(), number


def logits_from(model, layer: int, stream: numpy.ndarray, without: dict | None = None) -> numpy.ndarray:
    """Class logits if the residual stream that enters `layer` were this (T×D).

    without: {(layer, "layer" | "attention" | "mlp"): T×D or D, to be added to the stream in place of what that adds}.
    """
    model = inner(model)
    dtype = next(model.parameters()).dtype
    without, hooks = {key: torch.as_tensor(value, dtype=dtype) for key, value in (without or {}).items()}, []
    for (number, part), value in without.items():
        place = model.encoder.layers[number]
        if part == "attention":
            hooks.append(place.self_attn.register_forward_hook(
                lambda module, inputs, output, value=value: (value.expand_as(output[0]), *output[1:])))
        elif part == "mlp":
            hooks.append(place.fc2.register_forward_hook(
                lambda module, inputs, output, value=value: value.expand_as(output)))
    with torch.no_grad():
        x = torch.as_tensor(stream, dtype=dtype)[None]
        for number, module in enumerate(model.encoder.layers[layer:], layer):
            x = x + without[number, "layer"] if (number, "layer") in without else module(x, None)
        logits = model.classifier(model.projector(model.encoder.layer_norm(x)).mean(1))
    for hook in hooks:
        hook.remove()
    return float64(logits[0])


# ---- rows ---------------------------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Key:
    model: str = ""
    variant: str = ""
    fold: str = ""
    layer: str = ""
    module: str = ""
    component: str = ""
    metric: str = ""
    class_name: str = ""
    step: str = ""

    def curve(self) -> "Key":
        return dataclasses.replace(self, layer="")


@dataclasses.dataclass
class Expected:
    value: float
    slack: float = 0  # by how much it may be off, since a count may flip where its margin is below rounding
    low: float = math.nan
    high: float = math.nan
    n: int | None = None  # None: not compared


Rows = dict[Key, Expected]
MARGIN = 1e-4  # of two logits, or of a share of energy: below, either side may come out on top


class ClipMeans:
    """Means over clips: of all, and of each fold where there are several."""

    def __init__(self):
        self.values = defaultdict(list)  # key without fold: (fold, clip, value, slack)

    def add(self, fold: int, clip: int, value: float, slack: float = 0, **key) -> None:
        self.values[Key(**key)].append((fold, clip, float(value), slack))

    def rows(self) -> Rows:
        rows = {}
        for key, values in self.values.items():
            folds = sorted({fold for fold, *_ in values})
            for name in ["", *folds] if len(folds) > 1 else [folds[0] if len(folds) == 1 else ""]:
                part = [v for v in values if name == "" or v[0] == name]
                rows[dataclasses.replace(key, fold=str(name))] = Expected(
                    numpy.mean([v[2] for v in part]), sum(v[3] for v in part) / len(part), n=len(part))
        return rows

    def differences(self, first: str, second: str) -> "ClipMeans":
        """Of the same clips under two models, as model first-second."""
        found = ClipMeans()
        for key, values in self.values.items():
            other = self.values.get(dataclasses.replace(key, model=second))
            if key.model == first and other:
                assert [v[:2] for v in values] == [v[:2] for v in other]
                found.values[dataclasses.replace(key, model=f"{first}-{second}")] = [
                    (*a[:2], a[2] - b[2], a[3] + b[3]) for a, b in zip(values, other)]
        return found


class FoldMeans:
    """A number of each fold, and their mean with its t interval."""

    def __init__(self):
        self.values = defaultdict(dict)

    def add(self, fold: int, value: float, slack: float = 0, **key) -> None:
        self.values[Key(**key)][fold] = (float(value), slack)

    def rows(self) -> Rows:
        rows = {}
        for key, values in self.values.items():
            for fold, (value, slack) in values.items():
                rows[dataclasses.replace(key, fold=str(fold))] = Expected(value, slack)
            if len(values) > 1:
                numbers = [value for value, _ in values.values()]
                mean, count = numpy.mean(numbers), len(numbers)
                half = scipy.stats.t.ppf(0.975, count - 1) * numpy.std(numbers, ddof=1) / math.sqrt(count)
                rows[key] = Expected(mean, sum(slack for _, slack in values.values()) / count, mean - half, mean + half,
                                     count)
        return rows


# ---- what classification gives ------------------------------------------------------------------------------------

def log_softmax(logits: numpy.ndarray) -> numpy.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(-1, keepdims=True))


def softmax(logits: numpy.ndarray) -> numpy.ndarray:
    shares = numpy.exp(logits - logits.max())
    return shares / shares.sum()


def undecided(logits: numpy.ndarray) -> bool:
    ranked = numpy.sort(logits)
    return ranked[-1] - ranked[-2] < MARGIN


def kl(first: numpy.ndarray, second: numpy.ndarray) -> float:
    """KL(softmax(first) || softmax(second)), nats."""
    first, second = log_softmax(first), log_softmax(second)
    return float((numpy.exp(first) * (first - second)).sum())


def entropy(logits: numpy.ndarray) -> float:
    logs = log_softmax(logits)
    return float(-(numpy.exp(logs) * logs).sum())


def uar(labels, predicted) -> float:
    labels, predicted = numpy.asarray(labels), numpy.asarray(predicted)
    return float(numpy.mean([(predicted[labels == label] == label).mean() for label in sorted(set(labels))]))


# ---- contribution -------------------------------------------------------------------------------------------------

def contributions(recording: Recording, frames: int):
    """(layer, component, metric, mean over the first `frames` frames): relative norms and cosines with the stream."""
    for layer, (attention, mlp) in enumerate(zip(recording.attention, recording.mlp)):
        stream = recording.residuals[layer][:frames]
        norm = numpy.linalg.norm(stream, axis=1)
        for component, part in (("attention", attention), ("mlp", mlp), ("layer", attention + mlp)):
            part = part[:frames]
            size = numpy.linalg.norm(part, axis=1)
            cosine = (part * stream).sum(1) / numpy.maximum(size * norm, 1e-12)
            yield layer, component, "relative_norm", (size / numpy.maximum(norm, 1e-6)).mean()
            yield layer, component, "cosine", cosine.mean()


# ---- logit lens ---------------------------------------------------------------------------------------------------

def lens_logits(model, stream: numpy.ndarray, norm: bool) -> numpy.ndarray:
    """The head on the mean over all frames of the (normed) stream."""
    model = inner(model)
    with torch.no_grad():
        x = torch.as_tensor(stream).to(next(model.parameters()).dtype)
        if norm:
            x = model.encoder.layer_norm(x)
        pooled = x.double().mean(0)
        projected = model.projector.weight.double() @ pooled + model.projector.bias.double()
        return float64(model.classifier.weight.double() @ projected + model.classifier.bias.double())


# ---- spectra ------------------------------------------------------------------------------------------------------

def singular_values(x: numpy.ndarray, image: numpy.ndarray | None = None) -> numpy.ndarray:
    """Of x (n×d), or of x imageᵀ, descending."""
    x = numpy.linalg.qr(x, mode="r") if len(x) > x.shape[1] else x
    return numpy.linalg.svd(x if image is None else x @ image.T, compute_uv=False)


def spectrum_measures(values: numpy.ndarray) -> dict[str, tuple[float, float]]:
    """{metric: (value, slack)} of singular values."""
    energy = values**2
    share = numpy.cumsum(energy) / energy.sum()
    count = int((share < 0.9).sum()) + 1
    slack = 1 if min(abs(share[count - 1] - 0.9), abs(share[count - 2] - 0.9) if count > 1 else 1) < MARGIN else 0
    weights = values / values.sum()
    weights = weights[weights > 0]
    return {"sv90": (count, slack),
            "effective_rank": (float(numpy.exp(-(weights * numpy.log(weights)).sum())), 0),
            "stable_rank": (float(energy.sum() / energy[0]), 0),
            "participation_ratio": (float(energy.sum() ** 2 / (energy**2).sum()), 0)}


def balanced(a: numpy.ndarray, b: numpy.ndarray, scale: float) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(A, B) of the same update in the balanced gauge: scale·BA = UΣVᵀ, A = √Σ Vᵀ, B = U √Σ."""
    rank = len(a)
    u, s, v = numpy.linalg.svd(scale * b @ a, full_matrices=False)
    root = numpy.sqrt(s[:rank])
    return root[:, None] * v[:rank], u[:, :rank] * root


def overlap(u: numpy.ndarray, v: numpy.ndarray) -> float:
    """Mean squared cosine of the principal angles between the spans of orthonormal columns."""
    return float(numpy.linalg.norm(u.T @ v) ** 2 / min(u.shape[1], v.shape[1]))


def intruders(weight: numpy.ndarray, adapted: numpy.ndarray, directions: int = 10, cosine: float = 0.5) -> tuple:
    """How many leading left singular vectors of the adapted weight none of the weight's is near; and the slack."""
    leading = numpy.linalg.svd(adapted, full_matrices=False)[0][:, :directions]
    nearest = abs(leading.T @ numpy.linalg.svd(weight, full_matrices=False)[0]).max(1)
    return int((nearest < cosine).sum()), int((abs(nearest - cosine) < MARGIN).sum())


# ---- CKA ----------------------------------------------------------------------------------------------------------

def linear_kernel(x: numpy.ndarray) -> numpy.ndarray:
    return x @ x.T


def rbf_kernel(x: numpy.ndarray) -> numpy.ndarray:
    """exp(-d²/features) - 1, which centring makes equal to that of exp(-d²/features) and keeps small d² exact."""
    squares = numpy.array([[((p - q) ** 2).sum() for q in x] for p in x])
    return numpy.expm1(-squares / x.shape[1])


def biased_cka(k: numpy.ndarray, l: numpy.ndarray) -> float:
    def centred(m):
        return m - m.mean(0) - m.mean(1)[:, None] + m.mean()

    k, l = centred(k), centred(l)
    return float((k * l).sum() / math.sqrt((k * k).sum() * (l * l).sum()))


def unbiased_hsic(k: numpy.ndarray, l: numpy.ndarray) -> float:
    """HSIC1 of Song et al., 2012; k, l: n×n kernels, n >= 4."""
    n = len(k)
    k, l = k - numpy.diag(numpy.diag(k)), l - numpy.diag(numpy.diag(l))
    one = numpy.ones(n)
    return float((numpy.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
                  - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3)))


def debiased_cka(x: numpy.ndarray, y: numpy.ndarray) -> float:
    """Linear; samples are rows."""
    k, l = linear_kernel(x), linear_kernel(y)
    return unbiased_hsic(k, l) / math.sqrt(unbiased_hsic(k, k) * unbiased_hsic(l, l))


# ---- embedding ----------------------------------------------------------------------------------------------------

NEIGHBOURS = 10


def standardised(x: numpy.ndarray) -> numpy.ndarray:
    return sklearn.preprocessing.StandardScaler().fit_transform(x)


def separation(x: numpy.ndarray, labels, name: str) -> dict[str, tuple[float, float]]:
    """{metric: (value, slack)} of points and their labels."""
    labels, count = numpy.unique(labels, return_inverse=True)[1], len(x)
    distances, numbers = sklearn.neighbors.NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(x).kneighbors()
    same = labels[numbers] == labels[:, None]
    unsure = (distances[:, -1] - distances[:, -2] < MARGIN * distances[:, -1]) & (same[:, -1] != same[:, -2])
    sizes = numpy.bincount(labels)
    return {f"silhouette_{name}": (float(sklearn.metrics.silhouette_score(x, labels)), 0),
            f"purity_{name}": (float(same[:, :-1].mean()), float(unsure.mean()) / NEIGHBOURS),
            f"purity_{name}_chance": (float((sizes * (sizes - 1)).sum() / (count * (count - 1))), 0)}


# ---- dynamics -----------------------------------------------------------------------------------------------------

def start_of(tensors: dict, layer: int, module: str, component: str) -> dict[str, float]:
    """{metric: value} that are known of an adapter before its first step."""
    place = f"encoder.layers.{layer}." + ("" if module.startswith("fc") else "self_attn.") + module
    a, b = (float64(tensors[f"{place}.lora_{name}.weight"]) for name in "AB")
    assert not b.any()
    if component == "A":
        measures = spectrum_measures(singular_values(a))
        return {"norm": float(numpy.linalg.norm(a)), "gradient_norm": 0.0, "sv90": measures["sv90"][0],
                "effective_rank": measures["effective_rank"][0]}
    return {"norm": 0.0}
