"""Shared by the peers: Whisper base in transformers, the features of clips, and the arguments on standard input."""
import json
import pathlib
import sys
import time

import numpy
import soundfile
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "oracle"))
from reference import RATE, extractor_of, model_folder, put_encoder  # noqa: E402,F401
from transformers import WhisperConfig, WhisperForAudioClassification  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.disable_progress_bar()


def arguments() -> dict:
    return json.load(sys.stdin)


def answer(**values) -> None:
    print(json.dumps(values))


def classifier(classes: int = 4) -> WhisperForAudioClassification:
    """The cached encoder in float32 with fused attention and a new random head."""
    config = WhisperConfig.from_pretrained(model_folder("base"), attn_implementation="sdpa", num_labels=classes)
    torch.manual_seed(0)
    model = WhisperForAudioClassification(config)
    put_encoder(model, "base")
    return model


def read(path: str) -> numpy.ndarray:
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != RATE or samples.ndim != 1:
        raise SystemExit(f"{path}: not 16 kHz mono")
    return samples


def padded_features(paths: list[str]) -> torch.Tensor:
    """Log-mel features padded to 30 s, B×80×3000."""
    extractor = extractor_of("base")
    return torch.from_numpy(numpy.stack([extractor(read(path), sampling_rate=RATE).input_features[0] for path in paths]))


def numbers(labels: list[str]) -> torch.Tensor:
    classes = sorted(set(labels))
    return torch.tensor([classes.index(label) for label in labels])


def seconds_of(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
