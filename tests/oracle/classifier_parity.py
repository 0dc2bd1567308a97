"""Oracle of the classifier: logits of transformers' WhisperForAudioClassification, without and with PEFT adapters.

    python classifier_parity.py FOLDER

Writes FOLDER/classifier.safetensors: for clip i `i.samples` (n); for a head H (`last`, `weighted`: a weighted layer
sum; `base`: with the base model) its tensors `H/projector.weight`, ..., and `H.logits` and `H.padded_logits` (clips x
C); for an adapter case `CASE.logits`, and the folder that PEFT saves in FOLDER/peft/CASE.
"""
import pathlib
import sys

import adapters
import reference
import torch


def all_logits(model, inputs: list[torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([reference.run(model, mel).logits for mel in inputs])


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    clips = [reference.speech(seconds, 20 + i) for i, seconds in enumerate((1.1, 4.4, 2.3, 0.6))]
    clips += reference.recording()
    tensors = {f"{i}.samples": samples for i, samples in enumerate(clips)}
    extractor = reference.extractor_of("tiny.en")  # that of base is the same
    inputs = [reference.features(extractor, samples) for samples in clips]

    for head, name, options in (("last", "tiny.en", {"num_labels": 4}),
                                ("weighted", "tiny.en", {"num_labels": 7, "use_weighted_layer_sum": True}),
                                ("base", "base", {"num_labels": 4, "classifier_proj_size": 64})):
        model = reference.classification_model(name, **options)
        tensors |= {f"{head}/{key}": value for key, value in reference.head_of(model).items()}
        tensors[f"{head}.logits"] = all_logits(model, inputs)
        if name == "tiny.en":
            padded = [reference.features(extractor, samples, padded=True) for samples in clips[:2]]
            tensors[f"{head}.padded_logits"] = all_logits(model, padded)

    for case in adapters.CASES:
        model = adapters.adapted_model(case)
        tensors[f"{case}.logits"] = all_logits(model, inputs)
        adapters.save(model, case, folder / "peft" / case)
    reference.save(tensors, folder / "classifier.safetensors")


if __name__ == "__main__":
    main()
