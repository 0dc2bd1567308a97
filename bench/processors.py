"""Row of processors without AVX-512: lower levels of this machine's processor beside its own level."""
import dataclasses

import speech
from encoder import frozen_run
from measure import Place, kernel, loralens
from rows import Line, Row
from training import lora_flags

# The kernels of LibTorch, oneDNN and MKL for a processor with AVX2 alone.
LIBRARIES = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
KERNELS = {"product": "product-fp32/1920/512/2048/", "attention, T = 240": "attention-fp32/8/240/",
           "attention, T = 1,500": "attention-fp32/8/1500/"}


def at_level(place: Place, level: str) -> Place:
    return dataclasses.replace(place, variables=LIBRARIES | {"LORALENS_PROCESSOR": level})


def inputs(place: Place) -> tuple:
    """Number of training clips, their table with one test clip, the table of clips to predict, and the model for it."""
    train, predict = (4, 2) if place.quick else (40, 40)
    clips = speech.equal_clips(place, predict, 4.8)
    return train, speech.joined(place, train + 1), clips, frozen_run(place, "frozen-processors", clips, min(predict - 1, 8))


def commands(place: Place, precision: str) -> dict:
    """Processor time, in seconds, of an epoch and of a prediction with one thread, from start to end of the command."""
    train, table, clips, run = inputs(place)
    epoch = loralens(place, "train", "--model", "base", *speech.one_fold(table, train, 1), "-o", place.work / "processors", "--force",
                     *lora_flags(precision, "speech"), "--batch", 8, "--threads", 1, threads=1)
    paths = [row["path"] for row in speech.read_table(clips)]
    predicted = loralens(place, "predict", run, "-", "--precision", precision, "--threads", 1, threads=1, text="\n".join(paths) + "\n")
    return {"train": epoch.processor, "predict": predicted.processor, "clips": train, "predicted": len(paths)}


def kernels(place: Place) -> dict:
    """Operations a second of processor time, with one thread, in GFLOP/s."""
    found = {}
    for name, pattern in KERNELS.items():
        (entry,) = kernel(place, f"^{pattern}").values()
        found[name] = entry["flops"] * entry["real_time"] / entry["cpu_time"] / 1e9
    return found


def row(place: Place) -> Row:
    def lines(m: dict) -> list[Line]:
        libraries = m["generic, fp32"]
        sides = {"fp32": m["fp32"], "level avx2, fp32": m["avx2, fp32"], "best precision": m["auto"]}
        found = []
        for key, work in (("train", f"epoch, {libraries['clips']:.0f} clips of IEMOCAP's lengths"),
                          ("predict", f"prediction, {libraries['predicted']:.0f} clips of 4.8 s")):
            for name, side in sides.items():
                found.append(Line(f"{work}, {name}, processor time", side[key], "s", "LibTorch's AVX2, fp32", libraries[key],
                                  libraries[key] / side[key]))
        for name in KERNELS:
            for level in ("fp32", "level avx2, fp32"):
                rate = sides[level][name]
                found.append(Line(f"{name}, {level}, one thread", rate, "GFLOP/s", "LibTorch's AVX2", libraries[name],
                                  rate / libraries[name]))
        return found

    def side(where: Place) -> dict:
        return commands(where, "fp32") | kernels(where)

    return Row("processor", "this processor's level and LORALENS_PROCESSOR=avx2 beside LibTorch's kernels for AVX2",
               {"fp32": lambda: side(place), "avx2, fp32": lambda: side(at_level(place, "avx2")),
                "generic, fp32": lambda: side(at_level(place, "generic")), "auto": lambda: commands(place, "auto")},
               lines, prepare=lambda: inputs(place))


def rows(place: Place) -> list[Row]:
    return [row(place)]
