"""PEFT adapters around transformers' classification model, with random A and B."""
import torch
from peft import LoraConfig, PeftModel, get_peft_model

import reference

# One case for each way of PEFT to choose the adapted modules and their rank and scale.
CASES = {
    "plain": {"target_modules": ["v_proj"], "r": 32, "lora_alpha": 64},
    "rslora": {"target_modules": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"], "r": 8, "lora_alpha": 4,
               "use_rslora": True},
    "patterns": {"target_modules": ["v_proj", "fc1", "self_attn.out_proj"], "exclude_modules": ["3.fc1"], "r": 6,
                 "lora_alpha": 9, "layers_to_transform": [1, 3], "rank_pattern": {"v_proj": 12, r"1\.fc1": 3},
                 "alpha_pattern": {r"layers\.3\.self_attn\..*": 2.5}},
    "expression": {"target_modules": r".*layers\.[02]\.(self_attn\.(q|v)_proj|fc2)", "r": 4, "lora_alpha": 8},
}


def adapted_model(case: str, **options) -> PeftModel:
    """tiny.en with the case's adapters (A and B random) and a head that PEFT saves. options: of its config."""
    model = reference.classification_model("tiny.en", num_labels=4, **options)
    config = LoraConfig(**CASES[case], lora_dropout=0.0, modules_to_save=["projector", "classifier"])
    model = get_peft_model(model, config).eval()
    generator = torch.Generator().manual_seed(2)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    return model
