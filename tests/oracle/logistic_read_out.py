"""Compares runs of `loralens train --method frozen` with scikit-learn's logistic regression on the same folds.

    .venv-test/bin/python -B tests/oracle/logistic_read_out.py RUN... [--states FILE.npz]

States are transformers', in float32: the means over positions of every hidden state. Prints UAR, mean over folds and
pooled, of the run and of scikit-learn's regressions, standardised by StandardScaler. Their layer and C are chosen
- folds: by the log-loss over five folds by speaker of the training and development part; fitted on both, as loralens;
- development: by the UAR on the development part, among equals by the log-loss; fitted on the training part;
- last state: the same, from the last hidden state alone.
The trainings of a run with several seeds are compared one by one; the seed draws scikit-learn's folds too.
--states: keeps the states of clips in this file for the next call.
"""
import argparse
import csv
import json
import pathlib
import tomllib
import warnings

import numpy
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reference import classification_model, extractor_of, features, read_recording, run

PENALTIES = [30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01]  # per clip; C = 1 / (penalty * clips)


def table_of(path: pathlib.Path) -> list[dict]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def states_of(paths: dict[str, pathlib.Path], base: str, kept: pathlib.Path | None) -> dict[str, numpy.ndarray]:
    """{clip id: (N+1, D)} pooled hidden states: the embedding, the outputs of layers, the final norm's output."""
    states = dict(numpy.load(kept)) if kept and kept.exists() else {}
    missing = [clip for clip in paths if str(paths[clip]) not in states]
    if missing:
        model, extractor = classification_model(base), extractor_of(base)
        for clip in missing:
            with torch.no_grad():
                mel = features(extractor, read_recording(paths[clip]))
                hidden = run(model, mel, output_hidden_states=True).hidden_states
            states[str(paths[clip])] = numpy.stack([state[0].mean(0).numpy() for state in hidden])
        if kept:
            numpy.savez(kept, **states)
    return {clip: states[str(path)] for clip, path in paths.items()}


def fitted(x, y, penalty: float):
    regression = LogisticRegression(C=1 / (penalty * len(y)), max_iter=5000)
    return make_pipeline(StandardScaler(), regression).fit(x, y)


def scored_pairs(x, y, parts) -> list[dict]:
    """Each pair of layer and penalty with its scores over the parts (fitted on, scored on)."""
    pairs = []
    for layer in range(x.shape[1]):
        for penalty in PENALTIES:
            truth = numpy.concatenate([y[score_on] for _, score_on in parts])
            p = numpy.concatenate([fitted(x[fit_on, layer], y[fit_on], penalty).predict_proba(x[score_on, layer])
                                   for fit_on, score_on in parts])
            pairs.append({"layer": layer, "penalty": penalty, "uar": balanced_accuracy_score(truth, p.argmax(1)),
                          "loss": log_loss(truth, p, labels=range(p.shape[1]))})
    return pairs


def compare(folder: pathlib.Path, kept: pathlib.Path | None) -> None:
    config = tomllib.loads((folder / "config.toml").read_text())
    tables = [config["corpus"]] if isinstance(config["corpus"], str) else config["corpus"]
    paths = {row["path"]: pathlib.Path(table).parent / row["path"]
             for table in tables for row in table_of(pathlib.Path(table))}
    rows = {row["id"]: row for row in table_of(folder / "recordings.csv")}
    ids = list(rows)
    classes = sorted({row["label"] for row in rows.values()})
    y = numpy.array([classes.index(rows[clip]["label"]) for clip in ids])
    speakers = numpy.array([rows[clip]["speaker"] for clip in ids])
    states = states_of({clip: paths[clip] for clip in ids}, config["model"], kept)
    x = numpy.stack([states[clip] for clip in ids]).astype(numpy.float64)
    predictions = table_of(folder / "predictions.csv")
    seeds = sorted({row["seed"] for row in predictions}) if "seed" in predictions[0] else [None]
    part_of = {}
    for row in table_of(folder / "folds.csv"):
        part_of.setdefault(int(row["fold"]), {})[row["id"]] = row["part"]
    for seed in seeds:
        ours = {row["id"]: classes.index(row["predicted"]) for row in predictions if row.get("seed") == seed}
        print(folder, *(["seed", seed] if seed else []))
        of_seed = folder / f"seed-{seed}" if (folder / f"seed-{seed}").exists() else folder
        compare_training(of_seed, numpy.array([ours[clip] for clip in ids]), int(seed or 0), ids, x, y, speakers, part_of)


def compare_training(folder: pathlib.Path, ours: numpy.ndarray, seed: int, ids: list[str], x: numpy.ndarray,
                     y: numpy.ndarray, speakers: numpy.ndarray, part_of: dict[int, dict[str, str]]) -> None:
    predicted = {"loralens": ours}
    tests, chosen = [], []

    def predict(name, pair, fit_on, test):
        model = fitted(x[fit_on, pair["layer"]], y[fit_on], pair["penalty"])
        predicted.setdefault(name, y * 0)[test] = model.predict(x[test, pair["layer"]])

    for fold in sorted(part_of):
        train, development, test = (numpy.array([i for i, clip in enumerate(ids) if part_of[fold][clip] == part], int)
                                    for part in ("train", "development", "test"))
        both = numpy.sort(numpy.concatenate([train, development]))
        splits = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(both, y[both], speakers[both])
        parts = [(both[fit_on], both[score_on]) for fit_on, score_on in splits]
        best = min(scored_pairs(x, y, parts), key=lambda c: c["loss"])
        predict("folds", best, both, test)
        chosen.append(best["layer"])
        if len(development):
            pairs = scored_pairs(x, y, [(train, development)])
            last = [pair for pair in pairs if pair["layer"] == x.shape[1] - 1]
            for name, among in (("development", pairs), ("last state", last)):
                predict(name, max(among, key=lambda c: (c["uar"], -c["loss"])), train, test)
        tests.append(test)
    for name, guesses in predicted.items():
        folds = [balanced_accuracy_score(y[test], guesses[test]) for test in tests]
        print(f"  {name:12} UAR {numpy.mean(folds):.3f} ± {numpy.std(folds, ddof=1):.3f}  "
              f"pooled {balanced_accuracy_score(y, guesses):.3f}")
    models = [json.loads((folder / f"fold-{fold:02}" / "config.json").read_text()) for fold in sorted(part_of)]
    print("  hidden state: loralens", [model["loralens"].get("read_out", {}).get("hidden_state") for model in models],
          "scikit-learn", chosen)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+", type=pathlib.Path)
    parser.add_argument("--states", type=pathlib.Path)
    arguments = parser.parse_args()
    for folder in arguments.runs:
        compare(folder, arguments.states)
