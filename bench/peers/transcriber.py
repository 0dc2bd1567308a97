"""transformers' greedy transcripts of clips in batches of 8, in float32: seconds per clip, or tokens and margins."""
import torch
from models import answer, arguments, extractor_of, read, seconds_of
from transcripts import transcripts, whole_model

BATCH = 8

given = arguments()
model, extractor = whole_model(given["model"]), extractor_of(given["model"])


def features(paths: list[str]) -> torch.Tensor:
    return torch.cat([extractor(read(path), sampling_rate=16000, return_tensors="pt").input_features for path in paths])


batches = [given["paths"][i:i + BATCH] for i in range(0, len(given["paths"]), BATCH)]
if given["task"] == "time":
    with torch.no_grad():
        model.generate(features(batches[0][:1]))  # warm-up
        seconds = [seconds_of(lambda mel=features(batch): model.generate(mel)) for batch in batches]
    answer(seconds=sum(seconds) / len(given["paths"]))
else:
    found = [one for batch in batches for one in transcripts(model, features(batch))]
    answer(transcripts=[{"tokens": one.tokens, "margins": one.margins} for one in found])
