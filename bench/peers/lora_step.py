"""Seconds of a training step of transformers + PEFT with the settings of Trainer: autocast, clipping, fused AdamW."""
import contextlib
import statistics

import torch
from models import answer, arguments, classifier, numbers, padded_features, seconds_of
from peft import LoraConfig, get_peft_model

given = arguments()
model = classifier()
if given["frozen"]:
    model.encoder.requires_grad_(False)
else:
    model = get_peft_model(model, LoraConfig(r=32, lora_alpha=64, lora_dropout=0.1, target_modules=["v_proj"],
                                             modules_to_save=["projector", "classifier"]))
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
evaluations = [seconds_of(evaluate) for _ in range(given["steps"] if given["frozen"] else 0)]
answer(seconds=statistics.median(times), evaluation=statistics.median(evaluations or [0]), batch=batch, steps=given["steps"])
