#!/usr/bin/env python3
"""Writes results/methods.csv from the runs of results/methods.

    results/methods.py WORK

seconds: processor time of a fold's training and test; megabytes: peak memory of the whole run. Both are of one attempt,
and empty for a run that was interrupted.
"""
import csv
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = ["corpus", "method", "encoder", "head", "uar", "low", "high", "folds", "seconds", "megabytes"]


def row_of(run):
    corpus, method = run.name.split("-", 1)
    metrics = json.loads((run / "metrics.json").read_text())
    uar, trained = metrics["uar"], metrics["trained_parameters"]
    text = run.with_suffix(".time").read_text()
    names = ("User time", "System time", "Maximum resident")
    time = {name: float(re.search(rf"{name}.*: ([\d.]+)", text)[1]) for name in names}
    whole = "--resume" not in text
    folds = [f"{fold['uar']:.3f}" for fold in metrics["folds"]]
    seconds = (time["User time"] + time["System time"]) / len(folds)
    scores = [f"{uar[key]:.3f}" for key in ("pooled", "low", "high")]
    return [corpus, method, trained["encoder"], trained["head"], *scores,
            " ".join(folds), f"{seconds:.1f}" if whole else "", round(time["Maximum resident"] / 1024) if whole else ""]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    work = pathlib.Path(sys.argv[1])
    runs = sorted(path.parent for corpus in ("emodb", "ravdess") for path in work.glob(f"{corpus}-*/metrics.json"))
    with open(HERE / "methods.csv", "w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([COLUMNS, *map(row_of, runs)])


if __name__ == "__main__":
    main()
