"""Runs of several seeds: each fold is trained several times, and later commands combine these trainings."""
import json

import numpy
import pytest

from support import expect_error, run, succeed, table_of


@pytest.fixture(scope="module")
def several(flags, tmp_path_factory):
    """A LoRA run of two folds and two seeds."""
    folder = tmp_path_factory.mktemp("several") / "run"
    succeed("train", *flags, "--seeds", 2, "-o", folder)
    return folder


def probabilities(model, clip):
    return list(json.loads(succeed("predict", model, clip))["probabilities"].values())


def test_the_run_holds_and_scores_the_trainings_of_each_seed(several, trained):
    metrics = json.loads((several / "metrics.json").read_text())
    assert [training["seed"] for training in metrics["trainings"]] == [42, 43]
    assert metrics["trainings"][0] == json.loads((trained / "metrics.json").read_text())["trainings"][0]
    for score in ("uar", "war", "macro_f1"):
        assert metrics[score]["pooled"] == pytest.approx(numpy.mean([t[score] for t in metrics["trainings"]]))
        assert metrics[score]["low"] is None and "4 speakers are too few" in metrics[score]["reason"]
    assert metrics["calibration"]["calibrated"] is None
    rows = table_of(several / "predictions.csv")
    assert list(rows[0])[-1] == "seed"
    assert [row["seed"] for row in rows] == ["42"] * (len(rows) // 2) + ["43"] * (len(rows) // 2)
    for fold in ("fold-00", "seed-43/fold-00"):
        assert (several / fold / "adapter_config.json").exists()


def test_a_prediction_is_the_mean_of_all_trainings(several, clips):
    single = [probabilities(several / fold, clips[0]) for fold in ("fold-00", "fold-01", "seed-43/fold-00", "seed-43/fold-01")]
    assert len({tuple(values) for values in single}) == 4
    numpy.testing.assert_allclose(probabilities(several, clips[0]), numpy.mean(single, axis=0), atol=1e-6)


def test_an_evaluation_scores_all_trainings(several, corpus, tmp_path):
    succeed("evaluate", several, "--corpus", corpus, "-o", tmp_path / "out")
    rows = table_of(tmp_path / "out" / "predictions.csv")
    assert {(row["fold"], row["seed"]) for row in rows} == {(fold, seed) for fold in "01" for seed in ("42", "43")}


def test_an_analysis_takes_all_trainings(several, tmp_path):
    succeed("analyze", several, "--only", "contribution", "-o", tmp_path / "out")
    rows = table_of(tmp_path / "out" / "tables" / "contribution.csv")
    folds = {(row["fold"], row["seed"]) for row in rows if row["fold"]}
    assert folds == {(fold, seed) for fold in "01" for seed in ("42", "43")}
    assert {(row["estimand"], row["low"]) for row in rows if not row["fold"]} == {("pooled", "")}
    notes = json.loads((tmp_path / "out" / "summary.json").read_text())["analyses"][0]["notes"]
    assert sum("4 speakers are too few" in note for note in notes) == 1


def test_one_training_is_tested_on_the_folds_of_its_run(several, corpus, tmp_path):
    training = several / "seed-43"
    succeed("analyze", training, "--only", "contribution", "-o", tmp_path / "out")
    about = json.loads((tmp_path / "out" / "summary.json").read_text())["about"]
    assert about["folds"] == 2 and about["clips"] == len(table_of(corpus)) and about["part_of_run"]
    both = tmp_path / "both"
    succeed("analyze", several, "--only", "contribution", "-o", both)
    rows = [{**row, "seed": ""} for folder, seed in ((tmp_path / "out", "42"), (both, "43"))
            for row in table_of(folder / "tables" / "contribution.csv") if row["fold"] and row["seed"] == seed]
    assert rows and rows[:len(rows) // 2] == rows[len(rows) // 2:]
    expect_error(run("evaluate", training), 1, training, f"`loralens evaluate {several}`")
    assert json.loads(succeed("evaluate", training, "--corpus", corpus, "--json"))["trained_clips"] == len(table_of(corpus))


def test_a_training_that_is_lost_is_named(several, clips, tmp_path):
    (several / "seed-43").rename(several / "lost")
    try:
        for arguments in (["predict", several, clips[0]], ["evaluate", several], ["analyze", several, "-o", tmp_path / "out"]):
            expect_error(run(*arguments), 1, "has no seed-43")
    finally:
        (several / "lost").rename(several / "seed-43")


def test_force_replaces_a_run_of_several_seeds(flags, several, tmp_path):
    succeed("train", *flags, "--method", "frozen", "--seeds", 2, "--final", "-o", tmp_path / "run")
    assert (tmp_path / "run" / "seed-43" / "final" / "config.json").exists()
    succeed("train", *flags, "--method", "frozen", "--force", "-o", tmp_path / "run")
    assert not (tmp_path / "run" / "seed-43").exists()
