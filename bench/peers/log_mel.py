"""Seconds of Whisper's log-mel features of one clip, at its own length and padded to 30 s, by three libraries."""
import functools
import statistics

import asrfront
import librosa
import numpy
import torch
from models import RATE, answer, arguments, extractor_of, read, seconds_of

given = arguments()
torch.set_num_threads(1)
samples = read(given["path"])
extractor = extractor_of("base")


def by_transformers(padded: bool) -> numpy.ndarray:
    options = {} if padded else {"padding": False, "truncation": False}
    return extractor(samples, sampling_rate=RATE, **options).input_features[0]


def by_asrfront(padded: bool) -> numpy.ndarray:
    return asrfront.whisper.log_mel(samples, pad_or_trim=padded)


def by_librosa(padded: bool) -> numpy.ndarray:
    clip = librosa.util.fix_length(samples, size=30 * RATE) if padded else samples
    power = librosa.feature.melspectrogram(y=clip, sr=RATE, n_fft=400, hop_length=160, n_mels=80, pad_mode="reflect")[:, :-1]
    log = numpy.log10(numpy.maximum(power, 1e-10))
    return (numpy.maximum(log, log.max() - 8) + 4) / 4


times = {}
for padded in (False, True):
    expected = by_transformers(padded)
    for name, work in (("transformers", by_transformers), ("asrfront", by_asrfront), ("librosa", by_librosa)):
        difference = abs(work(padded) - expected).max()
        if difference > 1e-2:  # a check that all compute the same features
            raise SystemExit(f"{name}: features differ by {difference} from transformers'")
        seconds = statistics.median(seconds_of(functools.partial(work, padded)) for _ in range(given["calls"]))
        times[f"{name} {'padded' if padded else 'own'}"] = seconds
answer(**times)
