"""Oracle of training: gradients and steps of torch's AdamW on transformers' model, one clip at a time.

    python training_parity.py FOLDER

Writes FOLDER/training.safetensors: for clip i `i.mel` and in `labels` its class; and for each case (`lora`: rsLoRA on
every linear layer; `lora-fa`: the same with A frozen; `weighted`: LoRA on v_proj under a weighted layer sum; `dora`,
`pissa`, `vera`, `ia3`: the cases of adapters.py; `full`: every weight; `bitfit`: the encoder's biases),
`CASE/start/NAME`, `CASE/gradient/NAME` of the mean loss over all clips, `CASE/end/NAME` after some optimiser steps, and
`CASE/loss`, the loss before each step. `CASE/start` also holds the constant tensors of the method.
"""
import pathlib
import sys

import adapters
import reference
import torch
from transformers import get_linear_schedule_with_warmup

STEPS = {"lora": 20, "lora-fa": 20, "weighted": 20, "dora": 20, "pissa": 20, "vera": 20, "ia3": 20, "full": 2,
         "bitfit": 20}
LABELS = [2, 0, 3, 1]


def model_of(case: str):
    if case in ("lora", "lora-fa"):
        model = adapters.adapted_model("rslora")
        for name, parameter in model.named_parameters():
            if case == "lora-fa" and "lora_A" in name:
                parameter.requires_grad_(False)
        return model
    if case in adapters.CASES:
        return adapters.adapted_model(case)
    if case == "weighted":
        model = adapters.adapted_model("plain", use_weighted_layer_sum=True)
        model.get_base_model().layer_weights.requires_grad_()
        return model
    model = reference.classification_model("tiny.en", num_labels=4)
    for name, parameter in model.named_parameters():
        of_method = name.endswith(".bias") if case == "bitfit" else "embed_positions" not in name
        parameter.requires_grad_(of_method or not name.startswith("encoder."))
    return model


def plain(name: str) -> str:
    """A name without the prefixes and infixes of PEFT."""
    for part in ("base_model.model.", "base_model.", ".modules_to_save.default", ".default"):
        name = name.replace(part, "")
    return name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def trained(model) -> dict[str, torch.nn.Parameter]:
    """The trained parameters, by their plain names."""
    return {plain(name): parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def constants(case: str, model) -> dict[str, torch.Tensor]:
    """The tensors of the method that are not trained: A of LoRA-FA, the start of PiSSA, the projections of VeRA."""
    if case == "lora-fa":
        return {plain(name): tensor for name, tensor in model.named_parameters() if "lora_A" in name}
    if case == "pissa":
        return {plain(name).removesuffix("weight") + "start": tensor
                for name, tensor in adapters.start_of(model).items()}
    if case == "vera":
        return {name: getattr(model.base_model, name)["default"] for name in ("vera_A", "vera_B")}
    return {}


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
        tensors |= {f"{case}/start/{name}": tensor.detach().clone() for name, tensor in constants(case, model).items()}
        matrices = [p for p in parameters.values() if sum(size > 1 for size in p.shape) > 1]
        vectors = [p for p in parameters.values() if sum(size > 1 for size in p.shape) <= 1]
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
