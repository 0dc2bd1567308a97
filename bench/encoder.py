"""Rows of the encoder and its log-mel input, against CTranslate2, transformers, librosa and asrfront."""
import json
import pathlib

import speech
from measure import Place, kernel, loralens, peer, profiled
from rows import Line, Row, compared

SECONDS = 4.8  # length of each clip: 240 positions
BATCH = 8


def frozen_run(place: Place, name: str, table: pathlib.Path, train: int, *flags) -> pathlib.Path:
    """Trains a head on the frozen encoder with the first `train` clips of a table; returns the model's folder."""
    run = place.work / name
    if not run.exists():
        loralens(place, "train", "--model", "base", *speech.one_fold(table, train, 1), "--method", "frozen", "--read-out",
                 "gradient", "--select", "last", "-o", run, *flags)
    return run / "fold-00"


def predicted(place: Place, run: pathlib.Path, paths: list[str], *flags):
    return profiled(place, "predict", run, "-", *flags, text="\n".join(paths) + "\n")


def labels(finished) -> list[str]:
    return [json.loads(line)["label"] for line in finished.out.splitlines()]


def throughput_row(place: Place) -> Row:
    count = 10 if place.quick else 2 + 32 * 6  # the program decodes 2 files, then 32 at a time: batches of 8

    def table() -> pathlib.Path:
        return speech.equal_clips(place, count, SECONDS)

    def prepare() -> None:
        frozen_run(place, "frozen-4.8s", table(), 8, "--tail", 0)
        at_hand = speech.write_table(place.work / "at-hand.csv", speech.clips_at_hand(place))
        frozen_run(place, "frozen-at-hand", at_hand, 40 if place.quick else len(speech.clips_at_hand(place)) - 1)

    def ours(precision: str) -> dict:
        paths = [row["path"] for row in speech.read_table(table())]
        profile = predicted(place, frozen_run(place, "frozen-4.8s", table(), 8), paths, "--precision", precision)
        return {"seconds": profile.seconds("stem", "inference") / count}

    def theirs(kind: str) -> dict:
        paths = [row["path"] for row in speech.read_table(table())][:BATCH]
        return peer(place, "ctranslate2_encoder", model=place.ctranslate2, paths=paths, compute_type=kind,
                    batches=1 if place.quick else 8)

    def equal_labels() -> dict:
        rows = speech.clips_at_hand(place)[:40 if place.quick else None]
        run = frozen_run(place, "frozen-at-hand", place.work / "at-hand.csv", 0)
        found = [labels(predicted(place, run, [row["path"] for row in rows], "--precision", precision).finished)
                 for precision in ("fp32", "bf16")]
        return {"share": 100 * sum(a == b for a, b in zip(*found)) / len(rows), "clips": len(rows)}

    def lines(m: dict) -> list[Line]:
        best = min(("fp32", "bf16"), key=lambda precision: m[precision]["seconds"])
        labelled = m["equal labels"]
        what = place.speech or "EMO-DB + RAVDESS"
        return [
            compared(f"encoder, {SECONDS} s clip in batches of {BATCH}, fp32", 1e3 * m["fp32"]["seconds"], 1e3 * m["CTranslate2 float32"]["seconds"],
                     "ms", "CTranslate2 float32", 1.0),
            compared(f"the same, best mode ({best})", 1e3 * m[best]["seconds"], 1e3 * m["CTranslate2 int8"]["seconds"], "ms",
                     "CTranslate2 int8", 1.1),
            Line("labels in bf16 equal to those in fp32", labelled["share"], "%", ratio=labelled["share"], target=99.5,
                 note=f"{labelled['clips']:.0f} clips, {what}, head trained on the frozen encoder"),
        ]

    once = {}

    def equal_labels_once() -> dict:
        if not once:
            once.update(equal_labels())
        return once

    return Row("encoder", "encoder at 4.8 s against CTranslate2, and equal labels",
               {"CTranslate2 float32": lambda: theirs("float32"), "fp32": lambda: ours("fp32"),
                "CTranslate2 int8": lambda: theirs("int8"), "bf16": lambda: ours("bf16"), "equal labels": equal_labels_once}, lines,
               prepare=prepare)


def log_mel_row(place: Place) -> Row:
    def clip() -> str:
        return speech.read_table(speech.equal_clips(place, 1, 2.6))[0]["path"]

    def ours() -> dict:
        found = kernel(place, "^log-mel", clip())
        return {"own": found["log-mel/real_time"]["seconds"], "padded": found["log-mel-padded/real_time"]["seconds"]}

    def lines(m: dict) -> list[Line]:
        ours, theirs = m["ours"], m["peers"]
        peers = {"transformers": "transformers' feature extractor", "asrfront": "asrfront 0.2.2 (C)", "librosa": "librosa's melspectrogram"}
        found = [compared("log-mel of a 2.6 s clip, one thread, each as it is called by default", 1e3 * ours["own"],
                          1e3 * theirs["transformers padded"], "ms", peers["transformers"], 15,
                          note="ours at the clip's own length, transformers' padded to 30 s; below, both alike")]
        for key, length in (("own", "its own length"), ("padded", "padded to 30 s")):
            for name, label in peers.items():
                target = 1.0 if (name, key) == ("asrfront", "own") else None
                found.append(compared(f"   {length}", 1e3 * ours[key], 1e3 * theirs[f"{name} {key}"], "ms", label, target))
        return found

    return Row("log-mel", "log-mel features against transformers, asrfront and librosa",
               {"ours": ours, "peers": lambda: peer(place, "log_mel", threads=1, path=clip(), calls=5 if place.quick else 100)},
               lines, prepare=clip, repeats=5)


def rows(place: Place) -> list[Row]:
    return [throughput_row(place), log_mel_row(place)]
