"""Rows of analyses: the published ones beside the published notebook's structure and careful Python, and causal ones
beside plain hooks."""
import pathlib

import speech
from measure import Place, loralens, peer
from rows import Line, Row, compared
from training import lora_flags

SUITE = {"padded": "contribution,logit-lens,erasure,spectrum,alignment",
         "speech": "contribution,logit-lens,erasure,spectrum"}  # the CKA of alignment needs clips of equal length


def suite_row(place: Place) -> Row:
    # Number of clips of contribution, lens and gradients; of erasure; and of those that the peers are measured on, from
    # which their time for all clips is extrapolated.
    clips, erased, passed = (4, 5, 1) if place.quick else (40, 50, 8)
    table_size = clips + erased

    def table() -> pathlib.Path:
        return speech.joined(place, table_size)

    def prepare() -> None:
        for source in ("padded", "speech"):
            run(source)

    def run(source: str) -> pathlib.Path:
        """Trains LoRA for an epoch on the first `clips` clips, the others are test clips; returns the run's folder."""
        out = place.work / f"suite-run-{source}"
        if not out.exists():
            loralens(place, "train", "--model", "base", *speech.one_fold(table(), clips, erased), "-o", out, *lora_flags("bf16", source))
        return out

    def ours(source: str, precision: str) -> dict:
        rows = [pathlib.Path(row["path"]).name for row in speech.read_table(table())]
        gradient = place.work / "gradient-clips.txt"
        gradient.write_text("\n".join(rows[:clips]) + "\n")
        finished = loralens(place, "analyze", run(source), "--protocol", "paper", "--only", SUITE[source], "--gradient-clips", gradient,
                            "--precision", precision, "--threads", place.threads, "-o", place.work / "suite-analysis", "--force")
        return {"seconds": finished.seconds, "memory": finished.memory / 1e9}

    def theirs(script: str) -> dict:
        rows = speech.read_table(table())
        found = peer(place, script, adapter=run("padded") / "fold-00", paths=[row["path"] for row in rows],
                     labels=[row["label"] for row in rows], clips=clips, erased=erased, passed=passed)
        return found | {"memory": found["memory"] / 1e9}

    def lines(m: dict) -> list[Line]:
        notebook, careful = m["notebook"], m["careful"]
        share = f"peers pass {passed} of each {clips} clips, extrapolated; SVD, CKA and memory in full"
        parts = ", ".join(f"{name} {notebook[name]:.0f} s" for name in
                          ("contribution", "lens", "erasure", "progressive", "gradients", "svd", "cka"))
        found = []
        for source, precision, target in (("padded", "fp32", 2.4), ("padded", "bf16", 3.5), ("speech", "fp32", 25), ("speech", "bf16", 40)):
            mine = m[f"{source} {precision}"]["seconds"]
            left_out = "cka" if source == "speech" else None
            without = ", without CKA" if left_out else ""
            found.append(compared(f"paper suite, {clips} clips ({erased} for erasure), {source}, {precision}{without}", mine,
                                  notebook["seconds"] - notebook.get(left_out, 0), "s", "notebook's structure, padded fp32", target,
                                  note="" if found else f"the notebook's: {parts}; {share}"))
            found.append(compared("   the same", mine, careful["seconds"] - careful.get(left_out, 0), "s", "careful Python, padded fp32"))
        memory = max(m["padded fp32"]["memory"], m["padded bf16"]["memory"])
        found.append(compared("   peak memory, padded", memory, notebook["memory"], "GB", "notebook's structure, padded fp32", 8,
                              note=f"careful Python {careful['memory']:.1f} GB; ours has contribution and lens on {erased} clips too"))
        return found

    sides = {"notebook": lambda: theirs("notebook"), "padded fp32": lambda: ours("padded", "fp32"), "careful": lambda: theirs("careful"),
             "padded bf16": lambda: ours("padded", "bf16"), "speech fp32": lambda: ours("speech", "fp32"),
             "speech bf16": lambda: ours("speech", "bf16")}
    return Row("suite", "the published analyses against the notebook's structure and careful Python", sides, lines, prepare=prepare, repeats=1)


CAUSAL = ("ablation,patching,paths,attribution,difference-lens,steering,components,probes,erasure-of-concepts,"
          "interchange,neurons,diagnosis")


def causes_row(place: Place) -> Row:
    few, many, passed = (2, 4, 1) if place.quick else (40, 400, 2)
    training = 8 if place.quick else 64

    def run(kind: str) -> pathlib.Path:
        """LoRA on v_proj of all layers, trained for an epoch. kind: real clips, or many short ones."""
        out = place.work / f"causes-run-{kind}"
        if not out.exists():
            fold = speech.one_fold(table(kind), training, few if kind == "real" else many)
            loralens(place, "train", "--model", "base", *fold, "-o", out, *lora_flags("auto", "speech"))
        return out

    def table(kind: str) -> pathlib.Path:
        if kind == "real":
            return speech.joined(place, training + few)
        return speech.equal_clips(place, training + many, 1.0)

    def tested(kind: str) -> list[dict]:
        return speech.read_table(table(kind))[training:]

    def ours(kind: str, clips: int, only: str) -> dict:
        listed = place.work / f"causes-{kind}-{clips}.txt"
        listed.write_text("".join(pathlib.Path(row["path"]).name + "\n" for row in tested(kind)[:clips]))
        finished = loralens(place, "analyze", run(kind), "--only", only, "--clips", listed, "--precision", "fp32",
                            "--threads", place.threads, "-o", place.work / "causes-analysis", "--force")
        return {"seconds": finished.seconds, "memory": finished.memory / 1e9}

    def hooks(padded: bool) -> dict:
        some = tested("real")[:passed]
        found = peer(place, "hooks", adapter=run("real") / "fold-00", paths=[row["path"] for row in some],
                     labels=[row["label"] for row in some], padded=padded)
        return {"seconds": (found["ablation"] + found["patching"]) * few / passed}

    def lines(m: dict) -> list[Line]:
        note = f"peers pass {passed} of the {few} clips, extrapolated; ours has three heads and replaced factors too"
        mine, a, b = m["ours"]["seconds"], m["short"], m["many"]
        return [compared(f"ablation and patching, {few} clips", mine, m["padded"]["seconds"], "s", "hooks, padded", 10,
                         note=note),
                compared("   the same", mine, m["unpadded"]["seconds"], "s", "hooks, own length", 3),
                Line(f"   peak memory, {many} clips of 1 s", b["memory"], "GB", f"ours, {few} clips", a["memory"],
                     b["memory"] / a["memory"], 1.1, at_most=True,
                     note=f"{b['seconds']:.0f} s and {a['seconds']:.0f} s"),
                Line(f"all causal analyses, {few} clips", m["all"]["seconds"], "s",
                     note=f"{m['all']['memory']:.2f} GB; without depth, retention")]

    both = "ablation,patching"
    sides = {"ours": lambda: ours("real", few, both), "padded": lambda: hooks(True), "unpadded": lambda: hooks(False),
             "short": lambda: ours("short", few, both), "many": lambda: ours("short", many, both),
             "all": lambda: ours("real", few, CAUSAL)}
    return Row("causes", "ablation and patching beside plain hooks; all causal analyses", sides, lines,
               prepare=lambda: [run(kind) for kind in ("real", "short")], repeats=1)


def rows(place: Place) -> list[Row]:
    return [suite_row(place), causes_row(place)]
