"""Seconds per clip of CTranslate2's Whisper encoder on batches of equally long clips."""
import os
import statistics

import ctranslate2
import numpy
from models import RATE, answer, arguments, extractor_of, read, seconds_of

given = arguments()
model = ctranslate2.models.Whisper(given["model"], device="cpu", compute_type=given["compute_type"],
                                   intra_threads=int(os.environ["OMP_NUM_THREADS"]))
extractor = extractor_of("base")
features = numpy.stack([extractor(read(path), sampling_rate=RATE, padding=False, truncation=False).input_features[0]
                        for path in given["paths"]])
batch = numpy.ascontiguousarray(features, dtype=numpy.float32)


def encode() -> None:
    numpy.array(model.encode(ctranslate2.StorageView.from_array(batch), to_cpu=True))


encode()  # warm-up
answer(seconds=statistics.median(seconds_of(encode) for _ in range(given["batches"])) / len(batch))
