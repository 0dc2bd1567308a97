"""Oracle of the encoder: hidden states of transformers' WhisperEncoder, one clip at a time.

    python encoder_parity.py FOLDER

Writes FOLDER/encoder-tiny.en.safetensors and FOLDER/encoder-base.safetensors: for input i `i.mel` (mels x frames) and
`i.states` (N+2 x positions x width): the embedding, the output of each layer, the normed output of the last.
"""
import pathlib
import sys

import reference
import torch


def hidden_states(model, mel: torch.Tensor) -> torch.Tensor:
    """Records states by hooks, since output_hidden_states lacks the last layer's output before the norm."""
    states, hooks = [], []
    for layer in model.encoder.layers:
        hooks.append(layer.register_forward_pre_hook(lambda _, inputs: states.append(inputs[0])))
    hooks.append(model.encoder.layer_norm.register_forward_pre_hook(lambda _, inputs: states.append(inputs[0])))
    with torch.no_grad():
        output = reference.run(model, mel, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    for i, state in enumerate(output.hidden_states[:-1]):
        assert torch.equal(state, states[i])
    return torch.cat([*states, output.hidden_states[-1]])


def main() -> None:
    for name, seconds in (("tiny.en", (0.4, 2.75, 2.75, 6.1)), ("base", (1.2, 3.9))):
        model, extractor = reference.classification_model(name), reference.extractor_of(name)
        clips = [reference.speech(length, 10 + i) for i, length in enumerate(seconds)] + reference.recording()
        inputs = [reference.features(extractor, samples) for samples in clips]
        if name == "tiny.en":
            inputs.append(reference.features(extractor, clips[1], padded=True))
        tensors = {}
        for i, mel in enumerate(inputs):
            tensors[f"{i}.mel"] = mel[0]
            tensors[f"{i}.states"] = hidden_states(model, mel)
        reference.save(tensors, pathlib.Path(sys.argv[1]) / f"encoder-{name}.safetensors")


if __name__ == "__main__":
    main()
