"""A tiny Whisper of random weights, as transformers and PEFT save it, and their answers for one clip."""
import copy
import json

import numpy
import torch
from peft import LoraConfig, get_peft_model
from transformers import (WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification,
                          WhisperForConditionalGeneration)

from support import noise, succeed, write_table, write_wav

CONFIG = dict(d_model=64, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=96, decoder_layers=1,
              decoder_attention_heads=2, decoder_ffn_dim=96, num_mel_bins=80, vocab_size=120, pad_token_id=1,
              bos_token_id=1, eos_token_id=2, decoder_start_token_id=3, classifier_proj_size=32, num_labels=4)
HEAD = ["projector", "classifier"]


def randomised(model, of=lambda name: True, seed=1, scale=0.1):
    """Sets the parameters that `of` chooses to normal random values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if of(name):
                parameter.copy_(torch.empty_like(parameter).normal_(std=scale, generator=generator))
    return model.eval()


def classifier(**options):
    return randomised(WhisperForAudioClassification(WhisperConfig(**CONFIG | options)),
                      lambda name: "embed_positions" not in name)


def transcriber(of):
    """WhisperForConditionalGeneration with the encoder of a classifier."""
    model = randomised(WhisperForConditionalGeneration(WhisperConfig(**CONFIG)), seed=2)
    model.model.encoder.load_state_dict(of.encoder.state_dict())
    return model


def adapted(model, seed=3, **options):
    """The model with LoRA of random values."""
    options = dict(r=4, lora_alpha=6, target_modules=["v_proj"], modules_to_save=HEAD) | options
    model = get_peft_model(copy.deepcopy(model), LoraConfig(lora_dropout=0.0, **options))
    return randomised(model, lambda name: "lora_A" in name or "lora_B" in name, seed, 0.2)


def clip_of(folder):
    samples = noise(1.3, seed=5)
    return write_wav(folder / "a.wav", samples)


def corpus_of(folder):
    rows = []
    for i in range(8):
        write_wav(folder / f"{i}.wav", noise(0.5 + 0.1 * i, seed=10 + i))
        rows.append([f"{i}.wav", ("anger", "sadness")[i % 2], f"s{i // 2}"])
    return write_table(folder / "clips.csv", rows)


def features():
    samples = numpy.rint(noise(1.3, seed=5)[:, 0] * 32767) / 32768  # as the WAV holds them
    return WhisperFeatureExtractor()(samples.astype("f4"), sampling_rate=16000, return_tensors="pt").input_features


def expected(model):
    """The probabilities of transformers for the clip, padded to 30 s."""
    with torch.no_grad():
        return torch.softmax(model(features()[..., :2 * model.config.max_source_positions]).logits[0], 0).tolist()


def predicted(folder, clip, *flags):
    line = succeed("predict", folder, clip, "--input", "padded", "--precision", "fp32", "--threads", 1, *flags)
    return list(json.loads(line)["probabilities"].values())


def material_of(folder):
    """Writes a transcriber `model`, a clip and a corpus; returns the classifier that shares its encoder."""
    model = classifier()
    transcriber(model).save_pretrained(folder / "model")
    clip_of(folder)
    corpus_of(folder)
    return model
