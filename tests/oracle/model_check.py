"""Reads model folders that the C++ test WritesFoldersForPeft wrote, with transformers and PEFT, and compares logits.

    python model_check.py FOLDER

Reads the models FOLDER/written/CASE, their logits in FOLDER/written/CASE.safetensors, and the clips in
FOLDER/classifier.safetensors.
"""
import pathlib
import sys

import reference
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperForAudioClassification


def read_model(folder: pathlib.Path):
    if (folder / "model.safetensors").exists():
        model, found = WhisperForAudioClassification.from_pretrained(folder, output_loading_info=True)
        assert not any(found.values()), found
        return model.eval()
    model = WhisperForAudioClassification(WhisperConfig.from_pretrained(folder)).eval()
    reference.put_encoder(model, "tiny.en")
    if (folder / "head.safetensors").exists():
        tensors = load_file(folder / "head.safetensors")
        found = model.load_state_dict(tensors, strict=False)
        assert tensors and not found.unexpected_keys, found
    if (folder / "adapter_config.json").exists():
        model = PeftModel.from_pretrained(model, folder).eval()
        saved = len(load_file(folder / "adapter_model.safetensors"))
        kinds = ("lora_", "ia3_l", "vera_lambda", "modules_to_save")
        attached = sum(any(kind in name for kind in kinds) for name, _ in model.named_parameters())
        attached += 2 * hasattr(model.base_model, "vera_A")  # the shared projections
        assert attached == saved, f"{folder}: {saved} tensors, PEFT has {attached}"
    return model


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    clips = load_file(folder / "classifier.safetensors")
    extractor = reference.extractor_of("tiny.en")
    inputs = []
    while f"{len(inputs)}.samples" in clips:
        inputs.append(reference.features(extractor, clips[f"{len(inputs)}.samples"].numpy()))
    cases = sorted(path for path in (folder / "written").iterdir() if path.is_dir())
    assert len(cases) == 13, cases
    for case in cases:
        model = read_model(case)
        inner = model.get_base_model() if isinstance(model, PeftModel) else model
        assert [inner.config.id2label[i] for i in range(3)] == ["anger", "joy", "none"]
        with torch.no_grad():
            logits = torch.cat([reference.run(model, mel).logits for mel in inputs])
        worst = (logits - load_file(f"{case}.safetensors")["logits"]).abs().max().item()
        print(f"{case.name}: largest difference of logits: {worst:.2e}")
        assert worst <= 1e-4, case


if __name__ == "__main__":
    main()
