"""Measures two builds of this program side by side, in turns, to see whether a change made it slower.

    .venv-test/bin/python bench/two_builds.py BEFORE AFTER [REPEATS]

BEFORE and AFTER are programs (build/release/loralens of two checkouts); both must read the runs that BEFORE trains.
Prints the median seconds of each and BEFORE / AFTER: above 1, AFTER is faster.
"""
import dataclasses
import pathlib
import statistics
import sys

import catalogue
import speech
from measure import Place, loralens, profiled
from training import clips_for_training, epoch_seconds, lora_flags


def works(place: Place, run: pathlib.Path) -> dict:
    """{task: a measurement of a build at this place, in seconds}."""
    table = clips_for_training(place)

    def epoch(precision: str, source: str, clips: int):
        def measure(build: Place) -> float:
            return epoch_seconds(profiled(build, "train", "--model", "base", *speech.one_fold(table, clips, 1), "-o", place.work / "epoch",
                                          "--force", *lora_flags(precision, source)))
        return measure

    def suite(build: Place) -> float:
        return loralens(build, "analyze", run, "--protocol", "paper", "--only", "contribution,logit-lens,erasure,spectrum,alignment",
                        "--precision", "bf16", "--threads", place.threads, "-o", place.work / "suite", "--force").seconds

    return {"epoch at speech length, fp32": epoch("fp32", "speech", 40), "epoch at speech length, bf16": epoch("bf16", "speech", 80),
            "epoch padded, fp32": epoch("fp32", "padded", 4), "epoch padded, bf16": epoch("bf16", "padded", 6),
            "paper suite, padded, bf16": suite, "--version": lambda build: loralens(build, "--version").seconds,
            "first prediction": lambda build: loralens(build, "predict", run, speech.read_table(table)[0]["path"]).seconds}


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    programs = [pathlib.Path(word).resolve() for word in sys.argv[1:3]]
    repeats = int(sys.argv[3]) if len(sys.argv) == 4 else 7
    with catalogue.place(None, quick=False) as place:
        builds = [dataclasses.replace(place, program=program) for program in programs]
        run = place.work / "run"
        loralens(builds[0], "train", "--model", "base", *speech.one_fold(clips_for_training(place), 4, 4), "-o", run,
                 *lora_flags("bf16", "padded"))
        for task, measure in works(place, run).items():
            before, after = [], []
            for _ in range(repeats):
                before.append(measure(builds[0]))
                after.append(measure(builds[1]))
            a, b = statistics.median(before), statistics.median(after)
            print(f"{task:32} {a:8.3f} s {b:8.3f} s {a / b:6.3f}", flush=True)


if __name__ == "__main__":
    main()
