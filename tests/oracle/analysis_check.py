"""Reads with transformers and PEFT what the program trained, and compares what it found with its own computation.

    python analysis_check.py FOLDER

FOLDER lies in the build folder, beside the program (or the environment's LORALENS names that). In FOLDER/analysis it
makes a synthetic corpus, trains, analyses by both protocols, and compares every number of the tables that is not
random. What is not compared is listed with the reason; a row that is neither is an error.
"""
import collections
import csv
import dataclasses
import math
import os
import pathlib
import shutil
import subprocess
import sys
import time

import analysis_reference as oracle
import analysis_tables as tables
import numpy
import torch
from analysis_reference import Key, Rows

MODEL = "tiny.en"
LOOSE, TIGHT = 1e-3, 1e-4  # of the larger of the value and its curve's range
TOLERANCES = {"contribution": TIGHT, "logit-lens": TIGHT, "erasure": TIGHT, "spectrum": TIGHT}


def program(folder: pathlib.Path) -> pathlib.Path:
    path = pathlib.Path(os.environ.get("LORALENS") or folder.parent / "loralens").absolute()
    if not path.is_file():
        raise SystemExit(f"{path} is missing; build it, or name it in LORALENS")
    return path


def call(command: pathlib.Path, *arguments) -> None:
    result = subprocess.run([command, "-q", *map(str, arguments)], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"loralens {' '.join(map(str, arguments))}\n{result.stderr}")


def make_cases(command: pathlib.Path, folder: pathlib.Path) -> dict[str, tables.Case]:
    """A run as published (padded input, v_proj) and a strict one (several modules, some layers), each analysed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    corpus = folder / "corpus" / "clips.csv"
    call(command, "synth", "-o", corpus.parent, "--voices", 4, "--sentences", 2)
    few = keep_few(corpus)
    training = ["--model", MODEL, "--folds", "speaker:2", "--threads", 1, "--precision", "fp32", "--watch", 2]
    call(command, "train", *training, "--corpus", few, "-o", folder / "paper", "--protocol", "paper", "--epochs", 1,
         "--batch", 1, "--learning-rate", 2e-3, "--head-learning-rate", 1e-3)
    call(command, "train", *training, "--corpus", corpus, "-o", folder / "strict", "--targets", "q_proj,v_proj,fc1",
         "--layers", "1-3", "--rank", 6, "--alpha", 12, "--learning-rate", 5e-3, "--epochs", 4, "--head-epochs", 10)
    paths = {table: [row["path"] for row in read_csv(table)] for table in (few, corpus)}
    lists = {"paper": {"test": paths[few][6:2:-1], "sample": [*paths[few][4:], *paths[few][:2]]},
             "strict": {"test": paths[corpus][::2], "sample": [path for i, path in enumerate(paths[corpus]) if i % 4]}}
    return {name: analysed(command, folder, name, few if name == "paper" else corpus, lists[name]) for name in lists}


def analysed(command: pathlib.Path, folder: pathlib.Path, name: str, corpus: pathlib.Path, lists: dict) -> tables.Case:
    run, out, untrained = folder / name, folder / f"{name}-analysis", folder / f"{name}-untrained"
    oracle.write_untrained(untrained, run / "fold-00", MODEL, seed=3)
    for part, paths in lists.items():
        (folder / f"{name}-{part}.txt").write_text("".join(f"{path}\n" for path in paths))
    call(command, "analyze", run, "--protocol", name, "--untrained", untrained, "--clips", folder / f"{name}-test.txt",
         "--gradient-clips", folder / f"{name}-sample.txt", "--threads", 1, "--precision", "fp32", "-o", out)
    return tables.Case(run, out, corpus, untrained, MODEL, name == "paper", lists)


def read_csv(path: pathlib.Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def keep_few(corpus: pathlib.Path) -> pathlib.Path:
    """A table of the first sentence of the first two speakers: 30 s a clip take long."""
    rows = read_csv(corpus)
    speakers = list(dict.fromkeys(row["speaker"] for row in rows))[:2]
    few = corpus.with_name("few.csv")
    with open(few, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["speaker"] in speakers and row["text"] == rows[0]["text"])
    return few


# ---- comparison ---------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Found:
    key: Key
    value: float
    low: float
    high: float
    n: int


def number(cell: str) -> float:
    return float(cell) if cell else math.nan


def read_table(path: pathlib.Path) -> list[Found]:
    rows = read_csv(path)
    return [Found(Key(row["model"], row["variant"], row["fold"], row["layer"], row["module"], row["component"],
                      row["metric"], row["class"], row["step"]), number(row["value"]), number(row["low"]),
                  number(row["high"]), int(row["n"] or 0)) for row in rows]


def ranges(rows: Rows) -> dict[Key, float]:
    """By how much each curve varies over layers."""
    curves = collections.defaultdict(list)
    for key, expected in rows.items():
        if key.layer:
            curves[key.curve()].append(expected.value)
    return {key: max(values) - min(values) for key, values in curves.items()}


class Comparison:
    """Of one table with what it should hold."""

    def __init__(self, analysis: str, protocol: str, found: list[Found], rows: Rows, reasons: list[tuple]):
        self.title, self.tolerance = f"{analysis} ({protocol})", TOLERANCES.get(analysis, LOOSE)
        self.errors, self.left_out = [], collections.Counter()
        self.groups = collections.defaultdict(list)  # name: errors relative to the bound
        spread = ranges(rows)
        seen = set()
        for row in found:
            if row.key in seen:
                self.errors.append(f"{row.key}: twice in the table")
            seen.add(row.key)
            if row.key in rows:
                self.compare(row, rows[row.key], spread.get(row.key.curve(), 0))
            else:
                reason = next((text for matches, text in reasons if matches(row.key)), None)
                if reason is None:
                    self.errors.append(f"{describe(row.key)} = {row.value}: a number that the oracle does not know")
                else:
                    self.left_out[group(row.key), reason] += 1
        self.errors += [f"{describe(key)}: missing from the table, should be {expected.value:.8g}"
                        for key, expected in rows.items() if key not in seen]

    def compare(self, row: Found, expected: oracle.Expected, spread: float) -> None:
        bound = self.tolerance * max(abs(expected.value), spread) + expected.slack * (1 + 1e-9)
        difference = abs(row.value - expected.value)
        self.groups[group(row.key)].append(difference / bound if bound else 0.0 if difference == 0 else math.inf)
        if not difference <= bound:
            self.errors.append(f"{describe(row.key)}: {row.value:.9g}, should be {expected.value:.9g} within {bound:.2g}")
        if expected.n is not None and row.n != expected.n:
            self.errors.append(f"{describe(row.key)}: n {row.n}, should be {expected.n}")
        for name in ("low", "high"):
            wanted, got = getattr(expected, name), getattr(row, name)
            if not math.isnan(wanted) and not abs(got - wanted) <= max(bound, self.tolerance * abs(wanted)) * 10:
                self.errors.append(f"{describe(row.key)}: {name} {got:.9g}, should be {wanted:.9g}")

    def report(self) -> int:
        print(f"== {self.title}: {sum(map(len, self.groups.values()))} numbers compared; worst error as a share of the bound")
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


def main() -> None:
    start = time.monotonic()
    folder = pathlib.Path(sys.argv[1]).absolute()
    cases = make_cases(program(folder), folder / "analysis")
    print(f"corpus, runs and analyses: {time.monotonic() - start:.0f} s")
    wrong = 0
    for protocol, case in cases.items():
        expected = tables.expected(case)
        for path in sorted((case.out / "tables").glob("*.csv")):
            if path.stem not in expected:
                print(f"== {path.name} ({protocol}) WRONG: a table that the oracle does not know")
                wrong += 1
                continue
            rows, reasons = expected.pop(path.stem)
            wrong += Comparison(path.stem, protocol, read_table(path), rows, reasons).report()
        for name in expected:
            print(f"== {name} ({protocol}) WRONG: no table")
            wrong += 1
    print(f"{time.monotonic() - start:.0f} s; {wrong} wrong")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
