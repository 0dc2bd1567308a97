"""PEFT adapters around transformers' classification model, with random values as after training."""
import pathlib
import tempfile

import torch
from peft import IA3Config, LoraConfig, PeftModel, VeraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import reference

EVERY = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]

# One case for each way of PEFT to choose the adapted modules and their rank and scale, and for each other method.
CASES = {
    "plain": {"target_modules": ["v_proj"], "r": 32, "lora_alpha": 64},
    "rslora": {"target_modules": EVERY, "r": 8, "lora_alpha": 4, "use_rslora": True},
    "patterns": {"target_modules": ["v_proj", "fc1", "self_attn.out_proj"], "exclude_modules": ["3.fc1"], "r": 6,
                 "lora_alpha": 9, "layers_to_transform": [1, 3], "rank_pattern": {"v_proj": 12, r"1\.fc1": 3},
                 "alpha_pattern": {r"layers\.3\.self_attn\..*": 2.5}},
    "expression": {"target_modules": r".*layers\.[02]\.(self_attn\.(q|v)_proj|fc2)", "r": 4, "lora_alpha": 8},
    "dora": {"target_modules": EVERY, "r": 8, "lora_alpha": 4, "use_dora": True, "rank_pattern": {"fc1": 3}},
    "pissa": {"target_modules": EVERY, "r": 8, "lora_alpha": 4, "init_lora_weights": "pissa"},
    "vera": {"target_modules": EVERY, "r": 64, "layers_to_transform": [1, 2, 3]},
    "ia3": {"target_modules": ["k_proj", "v_proj", "fc2"], "feedforward_modules": ["fc2"]},
    "ia3-expression": {"target_modules": r".*layers\.[02]\..*(q_proj|fc1|fc2)", "feedforward_modules": r".*fc[12]"},
}


def config_of(case: str):
    options = CASES[case] | {"modules_to_save": ["projector", "classifier"]}
    if case.startswith("ia3"):
        return IA3Config(**options)
    if case == "vera":
        return VeraConfig(**options, vera_dropout=0.0)
    return LoraConfig(**options, lora_dropout=0.0)


def adapted_model(case: str, **options) -> PeftModel:
    """tiny.en with the case's adapters, moved away from their start, and a head that PEFT saves. options: of its config.

    A model with PiSSA has the attribute `start_folder`, in which it was saved as it started.
    """
    model = reference.classification_model("tiny.en", num_labels=4, **options)
    model = get_peft_model(model, config_of(case)).eval()
    if case == "pissa":
        model.start_folder = tempfile.TemporaryDirectory()
        model.peft_config["default"].init_lora_weights = True
        model.save_pretrained(pathlib.Path(model.start_folder.name) / "start")
    generator = torch.Generator().manual_seed(2)
    for name, parameter in model.named_parameters():
        noise = torch.empty_like(parameter).normal_(std=0.05, generator=generator)
        with torch.no_grad():
            if "lora_magnitude" in name or "ia3_l" in name:
                parameter.mul_(1 + 2 * noise)
            elif "vera_lambda" in name:
                parameter.add_(6 * noise)
            elif case == "pissa" and "lora_" in name:
                parameter.add_(noise)
            elif "lora_" in name:
                parameter.copy_(noise)
    return model


def start_of(model: PeftModel) -> dict[str, torch.Tensor]:
    """A and B of a model with PiSSA at their start, by their names in the file."""
    tensors = load_file(pathlib.Path(model.start_folder.name) / "start" / "adapter_model.safetensors")
    return {name: tensor for name, tensor in tensors.items() if "lora_" in name}


def save(model: PeftModel, case: str, folder: pathlib.Path) -> None:
    """Saves the adapter. PiSSA: converted by PEFT to LoRA, with the head, which the conversion leaves out."""
    if case != "pissa":
        model.save_pretrained(folder)
        return
    with tempfile.TemporaryDirectory() as plain:
        model.save_pretrained(plain)
        head = {name: tensor for name, tensor in load_file(f"{plain}/adapter_model.safetensors").items()
                if "lora_" not in name}
    model.save_pretrained(folder, path_initial_model_for_weight_conversion=f"{model.start_folder.name}/start")
    file = folder / "adapter_model.safetensors"
    save_file({name: tensor for name, tensor in load_file(file).items() if "lora_" in name} | head, file)
