"""Compares two builds number by number: everything that they write from the same corpus must have the same bytes.

    tests/same_numbers.py BEFORE AFTER [MODEL]

BEFORE and AFTER are programs (build/release/loralens of two checkouts), MODEL is a base model (default: base). Each
program trains with several methods and both protocols, evaluates, predicts and analyses a third of the synthetic corpus,
in a folder of its own. Paths, versions and sentences are left out of the comparison. It takes some ten minutes. The exit
status is 1 if a file differs or is missing.
"""
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SMALL = ["--folds", "speaker:2", "--epochs", "2", "--threads", "2", "--precision", "fp32"]
TRAININGS = {
    "lora": ["--rank", "4", "--watch", "3"],
    "all": ["--targets", "q_proj,k_proj,v_proj,out_proj,fc1,fc2", "--layers", "upper", "--rank", "2", "--rslora",
            "--select", "last", "--average", "0.9", "--time-masks", "1", "--mel-masks", "1",
            "--position-dropout", "0.2", "--balance", "classes"],
    "paper": ["--protocol", "paper", "--rank", "4"],
    "weighted": ["--weighted-layer-sum", "--head-epochs", "1", "--rank", "4", "--label-smoothing", "0.1",
                 "--class-weights", "true"],
    "frozen": ["--method", "frozen"],
    "full": ["--method", "full", "--learning-rate", "1e-5"],
}


def commands(program, model):
    """The commands of one build, run in its own folder; what they print is kept too."""
    yield [program, "synth", "-o", "corpus"]
    keep_a_third("corpus/clips.csv")
    for name, flags in TRAININGS.items():
        yield [program, "train", "--model", model, "--corpus", "corpus/clips.csv", *SMALL, *flags, "-o", name]
    yield [program, "evaluate", "lora", "--corpus", "corpus/clips.csv", "--json"]
    yield [program, "predict", "lora", *sorted(map(str, pathlib.Path("corpus").rglob("*.wav")))[:6]]
    yield [program, "analyze", "lora", "-o", "strict"]
    yield [program, "analyze", "lora", "--against", "frozen", "--only", "contribution,logit-lens", "-o", "against"]
    yield [program, "analyze", "paper", "--protocol", "paper", "-o", "published"]
    yield [program, "audit", "corpus/clips.csv"]


def keep_a_third(table):
    """Keeps only the clips of every third text in the table, so that a training takes seconds."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    texts = sorted({row["text"] for row in rows})[::3]
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row for row in rows if row["text"] in texts)


def run(program, model, folder):
    folder.mkdir()
    os.chdir(folder)
    for number, command in enumerate(commands(program, model)):
        print(" ".join(map(str, command[1:4])), flush=True)
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")
        pathlib.Path(f"printed-{number}.txt").write_text(result.stdout)


def without_words(value):
    """A JSON value with its sentences, versions and paths taken out: texts that hold a space or a slash."""
    if isinstance(value, dict):
        return {key: without_words(v) for key, v in value.items() if key not in {"version", "versions"}}
    if isinstance(value, list):
        return [without_words(v) for v in value]
    return "words" if isinstance(value, str) and re.search(r"[ /]", value) else value


def comparable(file, folder):
    if file.suffix == ".json":
        return without_words(json.loads(file.read_text()))
    return file.read_bytes().replace(str(folder).encode(), b"FOLDER")


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    programs = [pathlib.Path(p).resolve() for p in sys.argv[1:3]]
    model = sys.argv[3] if len(sys.argv) > 3 else "base"
    with tempfile.TemporaryDirectory() as scratch:
        folders = [pathlib.Path(scratch) / side for side in ("before", "after")]
        for program, folder in zip(programs, folders):
            run(program, model, folder)
        files = [{f.relative_to(folder) for f in folder.rglob("*") if f.is_file()} for folder in folders]
        different = [f"{f}: only one build writes it" for f in sorted(files[0] ^ files[1])]
        for f in sorted(files[0] & files[1]):
            if f.suffix != ".html" and comparable(folders[0] / f, folders[0]) != comparable(folders[1] / f, folders[1]):
                different.append(f"{f}: differs")
        print(*different, sep="\n")
        print(f"{len(files[0] & files[1])} files compared, {len(different)} differences")
        sys.exit(bool(different))


if __name__ == "__main__":
    main()
