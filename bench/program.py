"""Rows of the program as a whole: start-up time, first prediction, and growth of memory with the number of clips."""
import pathlib

import speech
from encoder import frozen_run
from measure import Place, loralens
from rows import Line, Row
from training import lora_flags


def start_row(place: Place) -> Row:
    def first(precision: str = "auto") -> dict:
        table = speech.equal_clips(place, 10, 4.8)
        run = frozen_run(place, "frozen-start", table, 8)
        return {"seconds": loralens(place, "predict", run, speech.read_table(table)[0]["path"], "--precision", precision).seconds}

    def lines(m: dict) -> list[Line]:
        return [Line(name, m[name]["seconds"], "s", ratio=m[name]["seconds"], target=target, at_most=True)
                for name, target in (("loralens --version", 0.25), ("first prediction with base, model on disk", 1.0))]

    return Row("start", "time to --version and to the first prediction",
               {"loralens --version": lambda: {"seconds": loralens(place, "--version").seconds},
                "first prediction with base, model on disk": first}, lines, prepare=first, repeats=7)


def memory_row(place: Place) -> Row:
    few, many = (2, 6) if place.quick else (40, 400)

    def table() -> pathlib.Path:
        return speech.equal_clips(place, many + 8, 1.0)  # short, to take minutes only; batches are full

    def run() -> pathlib.Path:
        out = place.work / "memory-run"
        if not out.exists():
            loralens(place, "train", "--model", "base", *speech.one_fold(table(), 8, many), "-o", out, *lora_flags("bf16", "speech"))
        return out

    def analyse(count: int) -> dict:
        listed = place.work / f"memory-{count}.txt"
        listed.write_text("".join(pathlib.Path(row["path"]).name + "\n" for row in speech.read_table(table())[8:8 + count]))
        finished = loralens(place, "analyze", run(), "--clips", listed, "--precision", "bf16", "--threads", place.threads, "-o",
                            place.work / "memory-analysis", "--force")
        return {"memory": finished.memory / 1e9, "seconds": finished.seconds}

    def lines(m: dict) -> list[Line]:
        a, b = m[f"{few} clips"], m[f"{many} clips"]
        return [Line(f"strict suite, {many} clips: peak memory", b["memory"], "GB", f"ours, {few} clips", a["memory"],
                     b["memory"] / a["memory"], 1.1, at_most=True, note=f"all analyses, bf16, clips of 1 s; {b['seconds']:.0f} s and {a['seconds']:.0f} s")]

    return Row("memory", f"memory of the strict suite, {many} clips over {few}",
               {f"{few} clips": lambda: analyse(few), f"{many} clips": lambda: analyse(many)}, lines, prepare=run, repeats=1)


def rows(place: Place) -> list[Row]:
    return [start_row(place), memory_row(place)]
