"""Growth of this program's cost with clips, their length, the model, the rank, the number of analyses, threads.

`bench/run growth -o FILE` measures; `.venv-bench/bin/python bench/growth.py FILE SVG` draws the figure."""
import json
import pathlib
import sys

import speech
from measure import Place, loralens, profiled
from rows import Line, Row
from training import BATCH, clips_for_training, epoch_seconds, lora_flags, random_model, train

MODELS = {"small": (768, 12), "medium": (1024, 24), "large": (1280, 32)}  # width, layers; random weights
ANALYSES = ("contribution", "logit-lens", "gradients", "spectrum", "alignment", "erasure", "embedding")


def growth_row(place: Place) -> Row:
    some = 2 if place.quick else None  # number of points of each curve; None: all

    def step(seconds: float, *flags, model="base", threads: int | None = None) -> float:
        """Seconds of a training step with batches of 8 clips."""
        clips = BATCH if place.quick else 3 * BATCH
        profile = train(place, speech.equal_clips(place, clips + 1, seconds), clips, *lora_flags("auto", "speech"), "--batch", BATCH, *flags,
                        model=model, threads=threads)
        return epoch_seconds(profile) / profile.calls("optimiser")

    def epoch(clips: int) -> float:
        return epoch_seconds(train(place, clips_for_training(place), clips, *lora_flags("auto", "speech")))

    def model_of(name: str):
        return random_model(place, *MODELS[name]) if name in MODELS else name

    def analyse(count: int) -> float:
        run = place.work / "growth-run"
        table = speech.equal_clips(place, 40, 4.8)
        if not run.exists():
            loralens(place, "train", "--model", "base", *speech.one_fold(table, 16, 24), "-o", run, *lora_flags("auto", "speech"))
        return profiled(place, "analyze", run, "--only", ",".join(ANALYSES[:count]), "-o", place.work / "growth-analysis",
                        "--force").finished.seconds

    curves = {
        "epoch, by clips": {f"{n}": lambda n=n: epoch(n) for n in (10, 20, 39, 80, 159)},
        "step, by seconds of a clip": {f"{s}": lambda s=s: step(s) for s in (1, 2, 4, 8, 16, 29.5)},
        "step, by model": {name: lambda name=name: step(4.8, model=model_of(name)) for name in ("tiny.en", "base", *MODELS)},
        "step, by rank": {f"{rank}": lambda rank=rank: step(4.8, "--rank", rank) for rank in (4, 8, 32, 128)},
        "strict suite of 24 clips, by number of analyses": {f"{n}": lambda n=n: analyse(n) for n in range(1, len(ANALYSES) + 1)},
        "step, by threads": {f"{n}": lambda n=n: step(4.8, threads=n) for n in (1, 2)},
    }
    curves = {what: dict(list(points.items())[:some]) for what, points in curves.items()}
    sides = {f"{what}: {at}": lambda work=work: {"seconds": work()} for what, points in curves.items() for at, work in points.items()}
    return Row("growth", "how the cost grows with clips, length, model, rank, analyses, threads (only if named)", sides,
               lambda m: [Line(name, m[name]["seconds"], "s") for name in sides], repeats=1, named_only=True)


def rows(place: Place) -> list[Row]:
    return [growth_row(place)]


def figure(lines: list[dict]) -> dict:
    """A Vega-Lite figure of the lines of the row `growth`: a panel for each curve."""
    values = []
    for line in lines:
        curve, at = line["work"].split(": ")
        what, by = curve.split(", by ")
        values.append({"what": what, "by": by, "at": at, "seconds": line["ours"]})

    def panel(by: str) -> dict:
        shown = [value for value in values if value["by"] == by]
        numeric = by != "model"
        shown = [value | {"at": float(value["at"]) if numeric else value["at"]} for value in shown]
        scale = {"type": "log"} if by in ("clips", "seconds of a clip", "rank") else {}
        x = {"field": "at", "type": "quantitative" if numeric else "nominal", "title": by, "sort": None}
        return {"data": {"values": shown}, "title": shown[0]["what"], "width": 180, "height": 140, "mark": {"type": "line", "point": True},
                "encoding": {"x": x | ({"scale": scale} if scale else {}),
                             "y": {"field": "seconds", "type": "quantitative", "title": "seconds",
                                   "scale": {"type": "log"} if by in ("clips", "seconds of a clip", "model") else {"zero": True}}}}

    return {"$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "concat": [panel(by) for by in dict.fromkeys(value["by"] for value in values)], "columns": 3}


if __name__ == "__main__":
    import vl_convert  # from the build's Python packages

    report = json.loads(pathlib.Path(sys.argv[1]).read_text())
    pathlib.Path(sys.argv[2]).write_text(vl_convert.vegalite_to_svg(figure(report["rows"]["growth"]["lines"])))
