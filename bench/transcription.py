"""Row of `transcribe` against transformers: time, and equal tokens on recorded speech."""
import json

import speech
from measure import Place, peer, profiled
from rows import Line, Row, compared

SURE = 1e-3  # a smaller margin between the two best tokens can be decided by rounding


def clips(place: Place, count: int) -> list[str]:
    """Paths of `count` clips, spread evenly over all clips at hand."""
    paths = [row["path"] for row in speech.clips_at_hand(place)]
    return [paths[i * len(paths) // count] for i in range(min(count, len(paths)))]


def transcribed(place: Place, model: str, paths: list[str]):
    """The profile of `transcribe` in float32, whose lines are in finished.out."""
    return profiled(place, "transcribe", model, "-", "--precision", "fp32", text="\n".join(paths) + "\n")


def agreement(ours: list[list[int]], theirs: list[dict]) -> dict:
    """How many transcripts are equal, and how many are equal up to the first step whose margin is below SURE."""
    equal = agreeing = unsure = 0
    for tokens, other in zip(ours, theirs, strict=True):
        sure = next((i for i, margin in enumerate(other["margins"]) if margin < SURE), len(other["margins"]))
        unsure += sure < len(other["margins"])
        whole = tokens == other["tokens"]
        equal += whole
        agreeing += whole if sure == len(other["margins"]) else tokens[:sure] == other["tokens"][:sure]
    clips = len(ours)
    return {"equal": 100 * equal / clips, "agreeing": 100 * agreeing / clips, "unsure": unsure, "clips": clips}


def rows(place: Place) -> list[Row]:
    timed, compared_clips = (2, 4) if place.quick else (64, 208)
    models = ("tiny.en", "base")
    once = {}

    def ours(model: str) -> dict:
        profile = transcribed(place, model, clips(place, timed))
        return {"seconds": profile.seconds("stem", "inference", "decoder") / timed,
                "decoder": profile.seconds("decoder") / timed}

    def theirs(model: str) -> dict:
        return peer(place, "transcriber", model=model, paths=clips(place, timed), task="time")

    def equal_tokens(model: str) -> dict:
        if model not in once:
            paths = clips(place, compared_clips)
            found = [json.loads(line)["tokens"] for line in transcribed(place, model, paths).finished.out.splitlines()]
            other = peer(place, "transcriber", model=model, paths=paths, task="tokens")
            once[model] = agreement(found, other["transcripts"])
        return once[model]

    def lines(m: dict) -> list[Line]:
        found = []
        for model in models:
            a, b, tokens = m[f"ours {model}"], m[f"transformers {model}"], m[f"tokens {model}"]
            found += [
                compared(f"transcribe, {model}, fp32, {timed} clips", 1e3 * a["seconds"], 1e3 * b["seconds"], "ms",
                         "transformers' generate, batches of 8", 1.0,
                         note=f"a clip, without decoding audio; ours in the decoder {1e3 * a['decoder']:.0f} ms"),
                Line(f"tokens equal to transformers', {model}", tokens["agreeing"], "%", ratio=tokens["agreeing"],
                     target=100,
                     note=f"{tokens['clips']:.0f} clips, {place.speech or 'EMO-DB + RAVDESS'}, up to the first step "
                          f"with a margin below {SURE}, which {tokens['unsure']:.0f} have; "
                          f"whole transcripts: {tokens['equal']:.1f} %"),
            ]
        return found

    def sides() -> dict:
        found = {}
        for model in models:
            found[f"ours {model}"] = lambda model=model: ours(model)
            found[f"transformers {model}"] = lambda model=model: theirs(model)
            found[f"tokens {model}"] = lambda model=model: equal_tokens(model)
        return found

    return [Row("transcribe", "transcripts against transformers: time, and equal tokens", sides(), lines,
                prepare=lambda: clips(place, timed))]
