"""Oracle of the log-mel features: transformers' WhisperFeatureExtractor.

    python log_mel_parity.py FOLDER

Writes FOLDER/log_mel.safetensors: for clip i `i.samples` (n), and for 80 and 128 mels `i.M.padded` (M x 3000: cut or
padded to 30 s) and `i.M.unpadded` (M x floor(n / 160)).
"""
import pathlib
import sys

import reference
from transformers import WhisperFeatureExtractor


def main() -> None:
    clips = [reference.speech(seconds, seed) for seed, seconds in enumerate((0.3, 1.27, 3.333, 7.9, 31.2))]
    clips += [reference.speech(2, 5) * 3e-3, reference.speech(2, 6) * 3] + reference.recording()
    tensors = {}
    for i, samples in enumerate(clips):
        tensors[f"{i}.samples"] = samples
        for mels in (80, 128):
            extractor = WhisperFeatureExtractor(feature_size=mels)
            for name, options in (("padded", {}), ("unpadded", {"padding": False, "truncation": False})):
                features = extractor(samples, sampling_rate=reference.RATE, **options).input_features[0]
                tensors[f"{i}.{mels}.{name}"] = features
    reference.save(tensors, pathlib.Path(sys.argv[1]) / "log_mel.safetensors")


if __name__ == "__main__":
    main()
