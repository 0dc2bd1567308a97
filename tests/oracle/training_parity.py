"""Oracle of training: gradients and steps of torch's AdamW on transformers' model, one clip at a time.

    python training_parity.py FOLDER

Writes FOLDER/training.safetensors: for clip i `i.mel` and in `labels` its class; and for each case (`lora`: rsLoRA on
every linear layer; `weighted`: LoRA on v_proj under a weighted layer sum; `full`: every weight), `CASE/start/NAME`,
`CASE/gradient/NAME` of the mean loss over all clips, `CASE/end/NAME` after some optimiser steps, and `CASE/loss`, the
loss before each step.
"""
import pathlib
import sys

import adapters
import reference
import torch
from transformers import get_linear_schedule_with_warmup

STEPS = {"lora": 20, "weighted": 20, "full": 2}
LABELS = [2, 0, 3, 1]


def model_of(case: str):
    if case == "lora":
        return adapters.adapted_model("rslora")
    if case == "weighted":
        model = adapters.adapted_model("plain", use_weighted_layer_sum=True)
        model.get_base_model().layer_weights.requires_grad_()
        return model
    model = reference.classification_model("tiny.en", num_labels=4)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("embed_positions" not in name)
    return model


def trained(model) -> dict[str, torch.nn.Parameter]:
    """The trained parameters, by their names without the prefixes and infixes of PEFT."""
    def plain(name: str) -> str:
        return name.replace("base_model.model.", "").replace(".modules_to_save.default", "").replace(".default", "")

    return {plain(name): parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def backward(model, inputs: list[torch.Tensor]) -> torch.Tensor:
    """Adds the gradients of the mean loss over the clips to the parameters; returns that loss."""
    loss = torch.zeros(())
    for mel, label in zip(inputs, LABELS):
        part = torch.nn.functional.cross_entropy(reference.run(model, mel).logits, torch.tensor([label])) / len(inputs)
        part.backward()
        loss += part.detach()
    return loss


def main() -> None:
    extractor = reference.extractor_of("tiny.en")
    inputs = [reference.features(extractor, reference.speech(seconds, 30 + i))
              for i, seconds in enumerate((0.4, 1.1, 0.7, 0.9))]
    tensors = {f"{i}.mel": mel[0] for i, mel in enumerate(inputs)}
    tensors["labels"] = torch.tensor(LABELS)
    for case, steps in STEPS.items():
        model = model_of(case)
        parameters = trained(model)

        def keep(kind: str, value=lambda parameter: parameter) -> None:
            for name, parameter in parameters.items():
                tensors[f"{case}/{kind}/{name}"] = value(parameter).detach().clone()

        keep("start")
        matrices = [p for p in parameters.values() if p.dim() > 1]
        vectors = [p for p in parameters.values() if p.dim() <= 1]
        optimiser = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01},
                                       {"params": vectors, "weight_decay": 0.0}], lr=1e-3)
        schedule = get_linear_schedule_with_warmup(optimiser, 0, steps)
        losses = []
        for step in range(steps):
            losses.append(backward(model, inputs))
            if step == 0:
                keep("gradient", lambda parameter: parameter.grad)
            torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
        keep("end")
        tensors[f"{case}/loss"] = torch.stack(losses)
    reference.save(tensors, pathlib.Path(sys.argv[1]) / "training.safetensors")


if __name__ == "__main__":
    main()
