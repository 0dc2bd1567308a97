"""Shared by the oracles: generated speech, the cached models, and transformers' encoder on inputs of any length."""
import contextlib
import os
import pathlib

import numpy
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForAudioClassification

RATE = 16000
TAIL = RATE // 2  # samples of silence after a clip that is not padded to 30 s
SHARED = pathlib.Path(__file__).resolve().parents[2].parent / "shared"  # real recordings, if this folder exists


def speech(seconds: float, seed: int) -> numpy.ndarray:
    """A speech-like signal: syllables of voiced harmonics with vibrato and two moving formants, noise, pauses."""
    random = numpy.random.default_rng(seed)
    count = int(seconds * RATE)
    time = numpy.arange(count) / RATE
    pitch = random.uniform(90, 220) * (1 + 0.03 * numpy.sin(2 * numpy.pi * 5.5 * time) - 0.1 * time / seconds)
    phase = 2 * numpy.pi * numpy.cumsum(pitch) / RATE
    syllable = (time * 4).astype(int)  # four per second
    number = int(seconds * 4) + 1
    voiced, hissed = random.random(number) < 0.75, random.random(number) < 0.25
    formants = random.uniform((300, 900), (900, 2800), (number, 2))[syllable]
    voice = numpy.zeros(count)
    for harmonic in range(1, 30):
        distance = (harmonic * pitch[:, None] - formants) / (120, 250)
        voice += (1 / (1 + distance**2)).sum(1) / harmonic**0.5 * numpy.sin(harmonic * phase)
    envelope = numpy.sin(numpy.pi * (time * 4 % 1)) ** 0.7
    noise = random.normal(size=count)
    signal = 0.1 * envelope * (voice * voiced[syllable] + 0.3 * noise * hissed[syllable]) + 1e-3 * noise
    return signal.astype(numpy.float32)


def recording() -> list[numpy.ndarray]:
    """A list with one recorded clip if ../shared has it, else an empty list."""
    path = SHARED / "audio" / "emodb-16k-mono.wav"
    return [read_recording(path)] if path.exists() else []


def read_recording(path: pathlib.Path) -> numpy.ndarray:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    if rate != RATE or samples.ndim != 1:
        raise SystemExit(f"{path}: not 16 kHz mono")
    return samples


def model_folder(name: str) -> pathlib.Path:
    """The folder of openai/whisper-NAME in the cache of loralens."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = cache / "loralens" / "models" / f"openai--whisper-{name}"
    if not (folder / "model.safetensors").exists():
        raise SystemExit(f"{folder / 'model.safetensors'} is missing; ./run-tests puts it there")
    return folder


def classification_model(name: str, **options) -> WhisperForAudioClassification:
    """The cached encoder in float32 with a random head, in evaluation mode. options: of WhisperConfig."""
    folder = model_folder(name)
    config = WhisperConfig.from_pretrained(folder, attn_implementation="eager", **options)
    model = WhisperForAudioClassification(config).eval()
    put_encoder(model, name)
    generator = torch.Generator().manual_seed(1)
    for linear in (model.projector, model.classifier):
        torch.nn.init.normal_(linear.weight, std=linear.in_features**-0.5, generator=generator)
        torch.nn.init.normal_(linear.bias, std=0.1, generator=generator)
    if config.use_weighted_layer_sum:
        torch.nn.init.normal_(model.layer_weights, generator=generator)
    return model


def put_encoder(model: WhisperForAudioClassification, name: str) -> None:
    """Loads all weights of the encoder from the cached checkpoint."""
    prefix = "model.encoder."
    tensors = load_file(model_folder(name) / "model.safetensors")
    model.encoder.load_state_dict({key.removeprefix(prefix): value.float() for key, value in tensors.items()
                                   if key.startswith(prefix)})


def head_of(model: WhisperForAudioClassification) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if not name.startswith("encoder.")}


def features(extractor: WhisperFeatureExtractor, samples: numpy.ndarray, padded: bool = False) -> torch.Tensor:
    """Log-mel (1, mels, frames) padded to 30 s, or of the clip, TAIL and zeros up to a whole encoder position."""
    if not padded:
        samples = numpy.pad(samples, (0, TAIL))
        samples = numpy.pad(samples, (0, -len(samples) % 320))
    options = {} if padded else {"padding": False, "truncation": False}
    return torch.from_numpy(numpy.asarray(extractor(samples, sampling_rate=RATE, **options).input_features[0]))[None]


def extractor_of(name: str) -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor.from_pretrained(model_folder(name))


@contextlib.contextmanager
def input_length(model: WhisperForAudioClassification, frames: int):
    """Makes transformers' encoder, which accepts only 3,000 frames, accept this number; it uses the first positions."""
    encoder = model.encoder
    before = encoder.config.max_source_positions
    encoder.config.max_source_positions = encoder.embed_positions.num_embeddings = frames // 2
    try:
        yield
    finally:
        encoder.config.max_source_positions = encoder.embed_positions.num_embeddings = before


def run(model, mel: torch.Tensor, **options):
    """The output of a classification model, or a PeftModel around one, for one clip. mel: (1, mels, frames)."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    with input_length(inner, mel.shape[-1]):
        return model(input_features=mel, **options)


def save(tensors: dict, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.as_tensor(value).detach().contiguous() for name, value in tensors.items()}, path)
