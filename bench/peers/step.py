"""Seconds of a training step of transformers + PEFT with the settings of Trainer: autocast, clipping, fused AdamW."""
import contextlib
import statistics

import torch
from models import answer, arguments, classifier, numbers, padded_features, seconds_of
from peft import IA3Config, LoraConfig, PeftConfig, VeraConfig, get_peft_model


def config(method: str) -> PeftConfig:
    """Adapters of v_proj in all layers, as loralens has with --preset paper; of (IA)³ the usual ones."""
    head = {"modules_to_save": ["projector", "classifier"]}
    if method == "vera":
        return VeraConfig(r=256, vera_dropout=0.1, target_modules=["v_proj"], **head)
    if method == "ia3":
        return IA3Config(target_modules=["k_proj", "v_proj", "fc2"], feedforward_modules=["fc2"], **head)
    own = {"dora": {"use_dora": True}, "pissa": {"init_lora_weights": "pissa"}}
    return LoraConfig(r=32, lora_alpha=64, lora_dropout=0.1, target_modules=["v_proj"], **own.get(method, {}), **head)


given = arguments()
method = given["method"]
model = classifier()
if method == "frozen":
    model.encoder.requires_grad_(False)
elif method != "full":
    model = get_peft_model(model, config(method))
if method == "lora-fa":
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            parameter.requires_grad_(False)
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimiser = torch.optim.AdamW(trained, lr=5e-5, weight_decay=0.0, fused=True)
batch = given["batch"]
features, labels = padded_features(given["paths"][:batch]), numbers(given["labels"])[:batch]


def autocast():
    return torch.autocast("cpu", torch.bfloat16) if given["precision"] == "bf16" else contextlib.nullcontext()


def step() -> None:
    model.train()
    with autocast():
        loss = model(input_features=features, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimiser.step()
    optimiser.zero_grad()


def evaluate() -> None:
    model.eval()
    with torch.no_grad(), autocast():
        model(input_features=features)


step()  # warm-up
times = [seconds_of(step) for _ in range(given["steps"])]
evaluations = [seconds_of(evaluate) for _ in range(given["steps"] if method == "frozen" else 0)]
answer(seconds=statistics.median(times), evaluation=statistics.median(evaluations or [0]), batch=batch, steps=given["steps"])
