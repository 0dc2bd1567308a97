"""Rows of training: a step, an epoch, the frozen encoder, the last layers alone, a model as large as large-v2."""
import pathlib

import operations
import speech
from measure import Place, Profile, peer, profiled
from rows import Line, Row, compared

WIDTH, LAYERS, RANK = 512, 6, 32  # Whisper base, LoRA on v_proj
EPOCHS = 20  # of a training; costs of the first epoch alone are divided by this number
BATCH = 8


def clips_for_training(place: Place) -> pathlib.Path:
    return speech.joined(place, 40 if place.quick else 160)


def lora_flags(precision: str, source: str) -> list:
    """Flags of one epoch of the published LoRA, without development part and watch.csv, like the peer."""
    return ["--preset", "paper", "--input", source, "--by-length", "true" if source == "speech" else "false",
            "--precision", precision, "--select", "last", "--watch", 0, "--epochs", 1, "--seed", 1]


def train(place: Place, table: pathlib.Path, clips: int, *flags, model: str | pathlib.Path = "base",
          threads: int | None = None) -> Profile:
    """Trains one fold on the first `clips` clips of the table and tests on the next one; returns the profile."""
    return profiled(place, "train", "--model", model, *speech.one_fold(table, clips, 1), "-o", place.work / "train", "--force", *flags,
                    threads=threads)


def epoch_seconds(profile: Profile) -> float:
    """Seconds of an average epoch of a training of EPOCHS epochs, computed from a run of one epoch."""
    return profile.seconds("forward", "backward", "optimiser") + profile.seconds("wait", "stem") / EPOCHS


def step_peer(place: Place, precision: str, method: str = "lora") -> dict:
    rows = speech.read_table(clips_for_training(place))[:BATCH]
    return peer(place, "step", paths=[row["path"] for row in rows], labels=[row["label"] for row in rows],
                precision=precision, batch=1 if place.quick else BATCH, steps=1 if place.quick else 2, method=method)


def steps(place: Place, precision: str, *flags) -> dict:
    """Seconds per step on clips padded to 30 s, as the peer's are."""
    clips, batch = (2, 1) if place.quick else (3 * BATCH, BATCH)
    profile = train(place, clips_for_training(place), clips, *lora_flags(precision, "padded"), "--batch", batch, *flags)
    return {"seconds": epoch_seconds(profile) / profile.calls("optimiser"), "memory": profile.finished.memory}


def epoch(place: Place, precision: str) -> dict:
    """Seconds of an epoch on clips at their own length, and its share of the peak rate."""
    table = clips_for_training(place)
    clips = 16 if place.quick else 159
    profile = train(place, table, clips, *lora_flags(precision, "speech"), "--batch", BATCH)
    lengths = [operations.positions(seconds) for seconds in speech.seconds_of(table)[:clips]]
    needed = operations.step(lengths, WIDTH, LAYERS, RANK)
    counted = profile.operations("forward", "backward")
    if abs(counted / needed - 1) > 1e-3:
        raise SystemExit(f"bench: the program counts {counted:.6g} operations where the formula says {needed:.6g}")
    rate = needed / profile.seconds("forward", "backward", "optimiser")
    return {"seconds": epoch_seconds(profile), "clips": clips, "peak": profile.peak / 1e9, "rate": rate / 1e9,
            "share": 100 * rate / profile.peak, "memory": profile.finished.memory}


def lora_row(place: Place, precision: str, targets: tuple[float, float, float]) -> Row:
    def lines(m: dict) -> list[Line]:
        theirs, ours, at_length = m["transformers + PEFT"], m["padded"], m["speech"]
        whole = theirs["seconds"] / theirs["batch"] * at_length["clips"]
        clips = f"{at_length['clips']:.0f} clips of IEMOCAP's lengths {place.speech}".strip()
        return [
            compared(f"training step, padded, {precision}", ours["seconds"], theirs["seconds"], "s", "transformers + PEFT", targets[0]),
            compared(f"epoch, {clips}, {precision}", at_length["seconds"], whole, "s", "transformers + PEFT, padded", targets[1],
                     note=f"peer extrapolated from {theirs['steps']:.0f} steps; its decoding and features not counted"),
            Line(f"share of the matrix-multiply peak in these steps, {precision}", at_length["share"], "%",
                 ratio=at_length["share"], target=targets[2],
                 note=f"{at_length['rate']:.0f} of {at_length['peak']:.0f} GFLOP/s; needed operations only (bench/operations.py)"),
            compared(f"peak memory of the epoch, {precision}", at_length["memory"] / 1e9, theirs["memory"] / 1e9, "GB",
                     "transformers + PEFT, padded"),
        ]

    return Row(f"training-{precision}", f"LoRA step (padded) and epoch (speech length) in {precision}, against transformers + PEFT",
               {"transformers + PEFT": lambda: step_peer(place, precision), "padded": lambda: steps(place, precision),
                "speech": lambda: epoch(place, precision)}, lines,
               prepare=lambda: clips_for_training(place))


# The methods of PEFT besides LoRA, and the flags that give ours the same adapters (v_proj of all layers, rank 32).
METHODS = {"lora-fa": ["--freeze", "A"], "pissa": ["--method", "pissa"], "dora": ["--method", "dora"],
           "vera": ["--method", "vera", "--rank", 256], "ia3": ["--method", "ia3", "--targets", "k_proj,v_proj,fc2"],
           "full": ["--method", "full"]}


def methods_row(place: Place) -> Row:
    sides = {}
    for name, flags in METHODS.items():
        sides[name] = lambda flags=flags: steps(place, "bf16", *flags)
        sides[f"{name}, peer"] = lambda name=name: step_peer(place, "bf16", name)

    def lines(m: dict) -> list[Line]:
        return [compared(f"training step of {name}, padded, bf16", m[name]["seconds"], m[f"{name}, peer"]["seconds"],
                         "s", "transformers" if name == "full" else "transformers + PEFT", 1) for name in METHODS]

    return Row("methods", "a step of each method that PEFT has too, padded, in bf16, against transformers + PEFT",
               sides, lines, prepare=lambda: clips_for_training(place))


def frozen_row(place: Place) -> Row:
    count, folds, epochs = (40, 2, 2) if place.quick else (320, 10, EPOCHS)

    def ours() -> dict:
        profile = profiled(place, "train", "--model", "base", "--corpus", speech.joined(place, count), "--folds",
                           f"speaker:{folds}", "--method", "frozen", "--read-out", "gradient", "--epochs", epochs, "--select", "test",
                           "-o", place.work / "frozen", "--force", "--precision", "bf16")
        return {"seconds": profile.finished.seconds, "heads": profile.seconds("forward", "backward", "optimiser")}

    def theirs() -> dict:
        rows = speech.read_table(speech.joined(place, count))[:BATCH]
        return peer(place, "step", paths=[row["path"] for row in rows], labels=[row["label"] for row in rows],
                    precision="bf16", batch=1 if place.quick else BATCH, steps=1 if place.quick else 3, method="frozen")

    def logistic() -> dict:
        return peer(place, "logistic", clips=count, width=WIDTH, classes=4, folds=folds)

    def lines(m: dict) -> list[Line]:
        step = m["re-encoding"]
        passes = folds * epochs * count / step["batch"]
        whole = passes * ((folds - 1) / folds * step["seconds"] + step["evaluation"] / folds)
        return [
            compared(f"frozen encoder, {folds} folds x {epochs} epochs, {count} clips {place.speech}, bf16".replace(" ,", ","),
                     m["ours"]["seconds"], whole, "s", "transformers, re-encoding each epoch", 1000,
                     note=f"ours is the whole program; peer extrapolated from {step['steps']:.0f} steps of training and of evaluation"),
            compared(f"of it: {folds} heads, {epochs} epochs", m["ours"]["heads"], m["logistic regression"]["seconds"], "s",
                     "scikit-learn's LogisticRegression",
                     note="another optimiser of another head, to its own convergence: for orientation"),
        ]

    return Row("frozen", "frozen encoder, all folds and epochs, against re-encoding; the heads against logistic regression",
               {"ours": ours, "re-encoding": theirs, "logistic regression": logistic}, lines,
               prepare=lambda: speech.joined(place, count))


def layers_row(place: Place) -> Row:
    def side(layers: str) -> dict:
        profile = train(place, clips_for_training(place), 16 if place.quick else 159, *lora_flags("auto", "speech"), "--layers", layers)
        return {"seconds": epoch_seconds(profile)}

    return Row("layers", "LoRA on the last two layers against LoRA on all",
               {"last two": lambda: side(f"{LAYERS - 2}-{LAYERS - 1}"), "all": lambda: side("all")},
               lambda m: [compared("epoch of LoRA on the last 2 layers", m["last two"]["seconds"], m["all"]["seconds"], "s",
                                   "ours, all 6 layers", 2.8, note=f"layers below are encoded once, spread over {EPOCHS} epochs")],
               prepare=lambda: clips_for_training(place))


def random_model(place: Place, width: int, layers: int) -> pathlib.Path:
    """The folder of a model with this width and number of layers and with random weights."""
    folder = place.work / f"random-{width}-{layers}"
    if not folder.exists():
        peer(place, "random_model", folder=folder, width=width, layers=layers)
    return folder


def large_row(place: Place) -> Row:
    def model() -> pathlib.Path:
        return random_model(place, 1280, 2 if place.quick else 32)

    def prepare() -> None:
        model()
        speech.equal_clips(place, 5, 4.5)  # 5 s with the tail

    def ours() -> dict:
        profile = train(place, speech.equal_clips(place, 5, 4.5), 4, *lora_flags("bf16", "speech"), "--batch", 2, model=model())
        return {"memory": profile.finished.memory / 1e9, "weights": (model() / "model.safetensors").stat().st_size / 1e9,
                "step": profile.seconds("forward", "backward", "optimiser") / profile.calls("optimiser")}

    def lines(m: dict) -> list[Line]:
        memory, weights = m["ours"]["memory"], m["ours"]["weights"]
        return [Line("LoRA on large-v2's shapes, batch 2, 5 s: peak memory", memory, "GB", "the weights in bf16", weights, memory / weights,
                     1.75, at_most=True, note=f"random weights; {m['ours']['step']:.1f} s a step")]

    return Row("large", "memory of training a model of large-v2's shapes", {"ours": ours}, lines, prepare=prepare, repeats=1)


def rows(place: Place) -> list[Row]:
    return [lora_row(place, "fp32", (1.2, 11, 85)), lora_row(place, "bf16", (1.2, 10, 70)), methods_row(place),
            frozen_row(place), layers_row(place), large_row(place)]
