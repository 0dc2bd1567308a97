"""Compares the tables of `loralens analyze` with a computation of the same numbers in transformers, PEFT and NumPy.

    python analysis_check.py FOLDER

The program lies beside FOLDER in the build folder, or the environment variable LORALENS names it. In FOLDER/analysis
this script makes a synthetic corpus, trains, analyses by both protocols, and compares every number of the tables that
is not random. It lists the rows that are not compared, with the reason; any other row is an error.
"""
import collections
import dataclasses
import csv
import math
import os
import pathlib
import shutil
import subprocess
import sys
import time

import analysis_models as whisper
import analysis_tables as tables
import numpy
from analysis_adapters import spectrum
from analysis_case import Case
from analysis_rows import Expected, Key, Rows
from safetensors.numpy import load_file, save_file

MODEL = "tiny.en"
MACHINE = ["--threads", 1, "--precision", "fp32"]
LOOSE, TIGHT = 1e-3, 1e-4  # relative to the larger of the value and the range of its curve
ROUNDING = 2**-22  # relative to a term of a difference: four units in the last place of float32
TOLERANCES = {"contribution": TIGHT, "logit-lens": TIGHT, "erasure": TIGHT, "ablation": TIGHT,
              "spectrum": TIGHT}


def program(folder: pathlib.Path) -> pathlib.Path:
    path = pathlib.Path(os.environ.get("LORALENS") or folder.parent / "loralens").absolute()
    if not path.is_file():
        raise SystemExit(f"{path} is missing; build it, or name it in LORALENS")
    return path


def call(command: pathlib.Path, *arguments) -> None:
    result = subprocess.run([command, "-q", *map(str, arguments)], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"loralens {' '.join(map(str, arguments))}\n{result.stderr}")


def make_cases(command: pathlib.Path, folder: pathlib.Path) -> dict[str, Case]:
    """Analyses of a run with the published settings (padded input, v_proj) and of a strict run (several modules, not
    all layers); the first run is also analysed by the strict protocol."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    corpus = folder / "corpus" / "clips.csv"
    call(command, "synth", "-o", corpus.parent, "--voices", 4, "--sentences", 4)
    few = keep_few(corpus)
    training = ["--model", MODEL, "--folds", "speaker:2", *MACHINE, "--batch", 1, "--learning-rate", 2e-3]
    call(command, "train", *training, "--corpus", few, "-o", folder / "paper", "--protocol", "paper", "--epochs", 1,
         "--head-learning-rate", 1e-3, "--watch", 2)
    call(command, "train", *training, "--corpus", corpus, "-o", folder / "strict", "--targets", "q_proj,v_proj,fc1",
         "--layers", "2-3", "--rank", 6, "--alpha", 12, "--epochs", 4, "--head-epochs", 3, "--watch", 8)
    many = folder / "many" / "clips.csv"  # three training speakers in a fold, and enough speakers for intervals
    call(command, "synth", "-o", many.parent, "--voices", 6, "--sentences", 2)
    call(command, "train", *training, "--corpus", many, "-o", folder / "speakers", "--rank", 4, "--epochs", 2)
    half = [row["path"] for row in read_csv(many)][::2]
    paths = [row["path"] for row in read_csv(few)]
    lists = {"test": paths[6:2:-1], "sample": [*paths[4:], *paths[:2]]}
    tested = {fold: [row["id"] for row in read_csv(folder / "strict" / "folds.csv")
                     if row["fold"] == fold and row["part"] == "test"] for fold in "01"}
    strict = {"test": [*tested["0"][::4], *tested["1"][1::5]], "sample": [*tested["1"][::3], *tested["0"][2:]]}
    write_large(folder / "strict", folder / "large")
    return {"paper": analysed(command, folder, "paper", "paper", few, lists),
            "strict": analysed(command, folder, "strict", "strict", corpus, strict),
            "padded": analysed(command, folder, "paper", "strict", few, lists, ["contribution"]),
            "intruders": analysed(command, folder, "large", "strict", corpus, strict, ["components"]),
            "by name": analysed(command, folder, "strict", "strict", corpus, strict,
                                ["paths", "attribution", "steering", "components", "neurons", "retention"]),
            "speakers": analysed(command, folder, "speakers", "strict", many, {"test": half, "sample": half},
                                 ["contribution", "ablation", "patching", "probes", "interchange",
                                  "erasure-of-concepts"])}


def analysed(command: pathlib.Path, folder: pathlib.Path, run: str, protocol: str, corpus: pathlib.Path, lists: dict,
             only: list[str] | None = None) -> Case:
    """Analyses the run with these lists of clips and an untrained adapter made by PEFT."""
    out = folder / "-".join([run, "by", protocol, *(only or [])])
    untrained = folder / f"{run}-untrained"
    if not untrained.exists():
        whisper.write_untrained(untrained, folder / run / "fold-00", MODEL, seed=3)
    for part, paths in lists.items():
        (folder / f"{run}-{part}.txt").write_text("".join(f"{path}\n" for path in paths))
    options = ["--only", ",".join(only)] if only else []
    call(command, "analyze", folder / run, "--protocol", protocol, "--untrained", untrained, *options, *MACHINE,
         "--clips", folder / f"{run}-test.txt", "--gradient-clips", folder / f"{run}-sample.txt", "-o", out)
    return Case(folder / run, out, corpus, untrained, MODEL, protocol == "paper", lists, only)


def write_large(run: pathlib.Path, large: pathlib.Path) -> None:
    """A copy of a run whose updates are 30 times as large, so that they have intruder dimensions."""
    shutil.copytree(run, large)
    for path in large.glob("fold-*/adapter_model.safetensors"):
        tensors = load_file(path)
        save_file({name: value * 30 if "lora_B" in name else value for name, value in tensors.items()}, path)


def keep_few(corpus: pathlib.Path) -> pathlib.Path:
    """A table of the first sentence of the first two speakers: clips padded to 30 s are slow."""
    rows = read_csv(corpus)
    speakers = list(dict.fromkeys(row["speaker"] for row in rows))[:2]
    few = corpus.with_name("few.csv")
    with open(few, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["speaker"] in speakers and row["text"] == rows[0]["text"])
    return few


def read_csv(path: pathlib.Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# ---- comparison ---------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Found:
    key: Key
    value: float
    low: float
    high: float
    n: int
    estimand: str


def number(cell: str) -> float:
    return float(cell) if cell else math.nan


def read_table(path: pathlib.Path, protocol: str) -> list[Found]:
    found = []
    for row in read_csv(path):
        assert (row["analysis"], row["protocol"]) == (path.stem, protocol), row
        key = Key(row["model"], row["variant"], row["fold"], row["layer"], row["module"], row["component"],
                  row["metric"], row["class"], row["step"])
        found.append(Found(key, number(row["value"]), number(row["low"]), number(row["high"]), int(row["n"] or 0),
                           row["estimand"]))
    return found


def ranges(rows: Rows) -> dict[Key, float]:
    """The range of each curve over its layers: maximum minus minimum."""
    curves = collections.defaultdict(list)
    for key, expected in rows.items():
        if key.layer:
            curves[key.curve()].append(expected.value)
    return {key: max(values) - min(values) for key, values in curves.items()}


class Comparison:
    """Comparison of one table with its expected rows."""

    def __init__(self, analysis: str, protocol: str, found: list[Found], rows: Rows):
        self.title, self.tolerance = f"{analysis} ({protocol})", TOLERANCES.get(analysis, LOOSE)
        self.errors, self.left_out = [], collections.Counter()
        self.groups = collections.defaultdict(list)  # name: errors divided by their bounds
        spread = ranges(rows)
        seen = set()
        for row in found:
            if row.key in seen:
                self.errors.append(f"{describe(row.key)}: twice in the table")
            seen.add(row.key)
            if not math.isnan(row.low) and not row.low <= row.value <= row.high:
                self.errors.append(f"{describe(row.key)}: {row.value:.9g} not in {row.low:.9g} to {row.high:.9g}")
            if row.key in rows:
                term = rows.get(dataclasses.replace(row.key, model="adapted")) if row.key.model == "adapted-frozen" else None
                self.compare(row, rows[row.key], spread.get(row.key.curve(), 0), ROUNDING * abs(term.value) if term else 0)
            elif reason := tables.why_left_out(analysis, protocol, row.key):
                self.left_out[group(row.key), reason] += 1
            else:
                self.errors.append(f"{describe(row.key)} = {row.value}: a number that the oracle does not know")
        self.errors += [f"{describe(key)}: missing from the table, should be {expected.value:.8g}"
                        for key, expected in rows.items() if key not in seen]

    def compare(self, row: Found, expected: Expected, spread: float, rounding: float) -> None:
        bound = self.tolerance * max(abs(expected.value), spread) + rounding + expected.slack * (1 + 1e-9)
        difference = abs(row.value - expected.value)
        self.groups[group(row.key)].append(difference / bound if bound else 0.0 if difference == 0 else math.inf)
        if not difference <= bound:
            self.errors.append(f"{describe(row.key)}: {row.value:.9g}, should be {expected.value:.9g} ± {bound:.2g}")
        if expected.n is not None and row.n != expected.n:
            self.errors.append(f"{describe(row.key)}: n {row.n}, should be {expected.n}")
        if expected.estimand is not None and row.estimand != expected.estimand:
            self.errors.append(f"{describe(row.key)}: estimand '{row.estimand}', should be '{expected.estimand}'")
        if expected.absent and not math.isnan(row.low):
            self.errors.append(f"{describe(row.key)}: has an interval")
        for name in ("low", "high"):
            wanted, got = getattr(expected, name), getattr(row, name)
            if not math.isnan(wanted) and not abs(got - wanted) <= bound * expected.stretch:
                self.errors.append(f"{describe(row.key)}: {name} {got:.9g}, should be {wanted:.9g}")

    def report(self) -> int:
        count = sum(map(len, self.groups.values()))
        print(f"== {self.title}: {count} numbers compared; the worst error of each kind as a share of its bound:")
        for name, errors in sorted(self.groups.items()):
            print(f"  {name}: {len(errors)}, {max(errors):.3f}")
        for (name, reason), count in sorted(self.left_out.items()):
            print(f"  not compared: {name}: {count}, {reason}")
        for error in self.errors:
            print(f"  WRONG {error}")
        return len(self.errors)


def group(key: Key) -> str:
    parts = (key.model, key.variant, key.component, key.metric)
    return " ".join(part or "-" for part in parts)


def describe(key: Key) -> str:
    return ", ".join(f"{field.name} {value}" for field in dataclasses.fields(key)
                     if (value := getattr(key, field.name)))


def compare_spectra(case: Case, protocol: str) -> int:
    """Compares the singular values in arrays/spectrum.npz; the oracle itself uses the random matrices stored there."""
    wrong = 0
    modules = {module for _, module in whisper.adapters(case.folds[0].models["adapted"])}
    expected = spectrum(case).stacks(case.layers, len(modules) > 1)
    with numpy.load(case.out / "arrays" / "spectrum.npz") as file:
        found = {name: file[name].astype(numpy.float64) for name in file}
    for name, values in found.items():
        if name not in expected and not name.startswith(("dropout/", "random-A/", "random-B/")):
            print(f"  WRONG spectrum.npz: {name}: an array that the oracle does not know")
            wrong += 1
    worst = 0
    for name, values in expected.items():
        wanted = numpy.zeros_like(found[name])
        wanted[:, :values.shape[1]] = values
        error = abs(found[name] - wanted).max(1) / numpy.maximum(wanted.max(1), 1e-30) / TIGHT
        worst = max(worst, error.max())
        if error.max() > 1:
            print(f"  WRONG spectrum.npz: {name}, layer {error.argmax()}: {error.max():.2g} times its bound")
            wrong += 1
    print(f"== spectrum.npz ({protocol}): {len(expected)} arrays compared; worst error {worst:.3f} of its bound")
    return wrong


def compare(case: Case, name: str) -> int:
    protocol, wrong = "paper" if case.paper else "strict", 0
    left_out = tables.BY_NAME | (tables.BEYOND_PAPER if case.paper else set())
    expected = case.only or [name for name in tables.TABLES if name not in left_out]
    found = sorted(path.stem for path in (case.out / "tables").glob("*.csv"))
    if found != sorted(expected):
        print(f"== {name} WRONG: tables {found}, should be {sorted(expected)}")
        wrong += 1
    for analysis in (analysis for analysis in expected if analysis in found):
        table = read_table(case.out / "tables" / f"{analysis}.csv", protocol)
        wrong += Comparison(analysis, protocol, table, tables.TABLES[analysis](case)).report()
    return wrong + (compare_spectra(case, protocol) if "spectrum" in found else 0)


def main() -> None:
    start = time.monotonic()
    folder = pathlib.Path(sys.argv[1]).absolute()
    cases = make_cases(program(folder), folder / "analysis")
    print(f"corpus, runs and analyses: {time.monotonic() - start:.0f} s")
    wrong = sum(compare(case, name) for name, case in cases.items())
    print(f"{time.monotonic() - start:.0f} s; {wrong} wrong")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
