"""The models of a run in transformers and PEFT, observed by PyTorch hooks, one clip at a time."""
import dataclasses
import pathlib

import numpy
import reference
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperForAudioClassification

MODULES = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


def base_model(config: WhisperConfig, base: str) -> WhisperForAudioClassification:
    model = WhisperForAudioClassification(config).eval()
    reference.put_encoder(model, base)
    return model


def config_of(folder: pathlib.Path) -> WhisperConfig:
    return WhisperConfig.from_pretrained(folder, attn_implementation="sdpa")


def adapted_model(folder: pathlib.Path, base: str, config: WhisperConfig, dtype: torch.dtype) -> PeftModel:
    """The model of a PEFT folder, read by PEFT; only A and B of the adapters require gradients."""
    model = PeftModel.from_pretrained(base_model(config, base), folder).eval().to(dtype)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    return model


def frozen_model(folder: pathlib.Path, base: str, config: WhisperConfig, dtype: torch.dtype):
    """The base encoder without adapters, with the head of the folder."""
    model = base_model(config, base)
    prefix = "base_model.model."
    saved = load_file(folder / "adapter_model.safetensors")
    tensors = {name.removeprefix(prefix): value for name, value in saved.items() if "lora_" not in name}
    assert {"projector.weight", "projector.bias", "classifier.weight", "classifier.bias"} == set(tensors), set(tensors)
    assert not model.load_state_dict(tensors, strict=False).unexpected_keys
    return model.to(dtype).requires_grad_(False)


def write_untrained(folder: pathlib.Path, like: pathlib.Path, base: str, seed: int) -> None:
    """Writes a PEFT folder of an adapter with the shapes of `like`; A, B and head are N(0, 0.02), biases 0."""
    config = LoraConfig.from_pretrained(like)
    config.inference_mode = False
    plain = base_model(config_of(like), base)
    plain.name_or_path = config.base_model_name_or_path  # otherwise PEFT overwrites it, with a warning
    model = get_peft_model(plain, config)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if "lora_" in name or name.endswith("modules_to_save.default.weight"):
            torch.nn.init.normal_(parameter, std=0.02, generator=generator)
        elif name.endswith("modules_to_save.default.bias"):
            torch.nn.init.zeros_(parameter)
    model.save_pretrained(folder, save_embedding_layers=False)  # the default, "auto", accesses the network


def inner(model) -> WhisperForAudioClassification:
    return model.get_base_model() if isinstance(model, PeftModel) else model


def adapters(model) -> dict:
    """{(layer, module): PEFT's LoRA layer}."""
    found = {}
    for number, layer in enumerate(inner(model).encoder.layers):
        for module in MODULES:
            linear = getattr(layer, module, None) or getattr(layer.self_attn, module, None)
            if hasattr(linear, "lora_A"):
                found[number, module] = linear
    return found


def matrices(linear) -> tuple[numpy.ndarray, numpy.ndarray, float]:
    """A (R×in), B (out×R) and the scale of a LoRA layer of PEFT."""
    return (float64(linear.lora_A["default"].weight), float64(linear.lora_B["default"].weight),
            float(linear.scaling["default"]))


def float64(tensor: torch.Tensor) -> numpy.ndarray:
    return tensor.detach().to(torch.float64).numpy()


@dataclasses.dataclass
class Clip:
    """One clip: its log-mel, label and speaker."""
    number: int  # row in the table, from 0
    id: str
    label: int
    speaker: str
    mel: torch.Tensor
    speech: int  # number of positions of the clip itself, from the first; the others are tail or padding


class Recording:
    """Activations, and on request gradients, of one clip in one model, recorded by hooks. Arrays are T×width, float64.

    residuals: N+1, the input of each layer and the output of the last; attention, mlp: N, their outputs; x, down, up:
    x, A x and B A x, unscaled, by (layer, module); with gradients also `gradients` of the cross-entropy with the clip's
    label, by ("residual", l), ("down", l, module), ("up", l, module), and for A and B by ("A", l, module), ("B", ...).
    """

    def __init__(self, model, clip: Clip, gradients: bool = False):
        seen, hooks = {}, []
        encoder = inner(model).encoder
        parameters = {}

        def keep(key):
            def hook(module, inputs, output):
                seen[key] = output[0] if isinstance(output, tuple) else output
            return hook

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
        self.x = {key[1:]: value for key, value in arrays.items() if key[0] == "x"}
        self.down = {key[1:]: value for key, value in arrays.items() if key[0] == "down"}
        self.up = {place: self.down[place] @ matrices(linear)[1].T for place, linear in adapters(model).items()}
        for place, value in self.up.items():  # float32 would not be of rank R
            assert abs(value - arrays["up", *place]).max() <= 1e-5 * abs(value).max(), place

    def check(self) -> None:
        """Asserts that h + a + m is the residual stream that enters the next layer."""
        for number, (attention, mlp) in enumerate(zip(self.attention, self.mlp)):
            difference = self.residuals[number] + attention + mlp - self.residuals[number + 1]
            assert abs(difference).max() < 1e-4 * abs(self.residuals[number + 1]).max(), number


def logits_from(model, layer: int, stream: numpy.ndarray, without: dict | None = None) -> numpy.ndarray:
    """Class logits of a forward pass that starts at `layer` with this residual stream (T×D).

    without: {(layer, "layer" | "attention" | "mlp"): T×D or D}: values that replace the output of these parts.
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


def lens_logits(model, stream: numpy.ndarray, norm: bool) -> numpy.ndarray:
    """Logits of the logit lens: the head on the mean over all frames of the residual stream, normed or not."""
    model = inner(model)
    with torch.no_grad():
        x = torch.as_tensor(stream).to(next(model.parameters()).dtype)
        if norm:
            x = model.encoder.layer_norm(x)
        pooled = x.double().mean(0)
        projected = model.projector.weight.double() @ pooled + model.projector.bias.double()
        return float64(model.classifier.weight.double() @ projected + model.classifier.bias.double())
