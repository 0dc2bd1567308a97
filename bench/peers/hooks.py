"""Ablation and patching as plain hooks on transformers and PEFT: each changed model is a whole pass of each clip."""
import contextlib
import itertools
import pathlib

import torch
from models import answer, arguments, numbers, padded_features, read, seconds_of
from published import adapted_model, adapters, config_of, frozen_model, inner
from reference import extractor_of, features, run

given = arguments()
folder = pathlib.Path(given["adapter"])
config = config_of(folder)
trained, plain = (make(folder, "base", config, torch.float32) for make in (adapted_model, frozen_model))
paths, labels = given["paths"], numbers(given["labels"])
if given["padded"]:
    clips = [mel[None] for mel in padded_features(paths)]
else:
    extractor = extractor_of("base")
    clips = [features(extractor, read(path)) for path in paths]
loras = adapters(trained)  # {(layer, module): layer of PEFT}
layers = sorted({layer for layer, _ in loras})


def log_probability(model, mel: torch.Tensor, label: torch.Tensor) -> float:
    return run(model, mel).logits.log_softmax(-1)[0, label].item()


@contextlib.contextmanager
def only(switched_on: set[int]):
    """The adapters of these layers alone."""
    scales = {place: lora.scaling["default"] for place, lora in loras.items()}
    for (layer, _), lora in loras.items():
        if layer not in switched_on:
            lora.scaling["default"] = 0.0
    yield
    for place, lora in loras.items():
        lora.scaling["default"] = scales[place]


def sites(model) -> dict:
    """The modules whose outputs are patched: each layer, its attention, the end of its MLP; and the embedding's sum."""
    found = {}
    for number, layer in enumerate(inner(model).encoder.layers):
        found |= {("residual", number): layer, ("attention", number): layer.self_attn, ("mlp", number): layer.fc2}
    return found


def tensor_of(output):
    return output[0] if isinstance(output, tuple) else output


def record(model, mel: torch.Tensor, label: torch.Tensor) -> dict:
    kept, hooks = {}, []
    for site, module in sites(model).items():
        hooks.append(module.register_forward_hook(lambda m, i, o, site=site: kept.__setitem__(site, tensor_of(o))))
    first = inner(model).encoder.layers[0]
    hooks.append(first.register_forward_pre_hook(lambda m, i: kept.__setitem__(("residual", -1), i[0])))
    log_probability(model, mel, label)
    for hook in hooks:
        hook.remove()
    return kept


def patched(model, site, value, mel: torch.Tensor, label: torch.Tensor) -> float:
    if site == ("residual", -1):
        hook = inner(model).encoder.layers[0].register_forward_pre_hook(lambda m, i: (value, *i[1:]))
    else:
        hook = sites(model)[site].register_forward_hook(
            lambda m, i, o: (value, *o[1:]) if isinstance(o, tuple) else value)
    found = log_probability(model, mel, label)
    hook.remove()
    return found


@torch.no_grad()
def ablation() -> None:
    for count in range(len(layers) + 1):
        for chosen in itertools.combinations(layers, count):
            with only(set(chosen)):
                for mel, label in zip(clips, labels):
                    log_probability(trained, mel, label)


@torch.no_grad()
def patching() -> None:
    for mel, label in zip(clips, labels):
        of_trained, of_plain = record(trained, mel, label), record(plain, mel, label)
        for model, values in ((plain, of_trained), (trained, of_plain)):
            for site, value in values.items():
                patched(model, site, value, mel, label)


answer(ablation=seconds_of(ablation), patching=seconds_of(patching))
