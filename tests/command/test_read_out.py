"""Command tests of the frozen encoder's read-out: logistic regression on the best layer."""
import json
import shutil

import pytest
from safetensors.numpy import load_file

from support import expect_error, files_of, run, succeed, table_of, write_table


@pytest.fixture(scope="session")
def frozen(flags, tmp_path_factory):
    """A frozen run of two folds with final/."""
    folder = tmp_path_factory.mktemp("read-out") / "run"
    succeed("train", *flags, "--method", "frozen", "--final", "-o", folder)
    return folder


def read_out_of(folder):
    return json.loads((folder / "config.json").read_text())["loralens"]["read_out"]


def test_the_choice_and_all_candidates_are_recorded(frozen):
    for name, speakers in (("fold-00", 2), ("final", 4)):
        read_out = read_out_of(frozen / name)
        assert read_out["chosen_on"] == f"{speakers} folds by speaker of the training and development part"
        candidates = read_out["candidates"]
        assert {c["hidden_state"] for c in candidates} == {0, 1, 2, 3, 4} and len(candidates) == 5 * 8
        best = min(candidates, key=lambda c: c["loss"])
        assert (best["hidden_state"], best["l2"]) == (read_out["hidden_state"], read_out["l2"])
        assert set(files_of(frozen / name)) - {"predictions.csv"} == {
            "config.json", "head.safetensors", "preprocessor_config.json", "README.md"}


def test_predict_reads_the_chosen_layer(frozen, clips):
    paths = {path.name: path for path in clips}
    for row in table_of(frozen / "predictions.csv")[::5]:
        line = json.loads(succeed("predict", frozen / f"fold-0{row['fold']}", paths[row["id"].split("/")[-1]]))
        for name, p in line["probabilities"].items():
            assert p == pytest.approx(float(row[f"p_{name}"]), abs=2e-3)


def test_evaluate_takes_folds_that_read_different_layers(frozen, corpus, tmp_path):
    rows = [(corpus.parent / row["path"], row["label"], row["speaker"]) for row in table_of(corpus)[:6]]
    table = write_table(tmp_path / "clips.csv", rows)
    result = run("evaluate", frozen, "--corpus", table, "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    own = {(row["id"].split("/")[-1], row["fold"]): row for row in table_of(frozen / "predictions.csv")}
    again = table_of(tmp_path / "out" / "predictions.csv")
    assert len(again) == 12
    for row in again:
        same = own.get((row["id"].split("/")[-1], row["fold"]))
        assert same is None or float(same["p_anger"]) == pytest.approx(float(row["p_anger"]), abs=1e-5)


def test_analyses_use_the_head_of_the_last_layer(frozen, trained, corpus, tmp_path):
    clip = table_of(frozen / "fold-00" / "predictions.csv")[0]
    (tmp_path / "clips.txt").write_text(clip["id"] + "\n")
    succeed("analyze", trained, "--against", frozen, "--only", "logit-lens", "--clips", tmp_path / "clips.txt",
            "-o", tmp_path / "out")
    weights = load_file(frozen / "fold-00" / "head.safetensors")
    assert ("read_out.projector.weight" in weights) == (read_out_of(frozen / "fold-00")["hidden_state"] < 4)
    rows = table_of(tmp_path / "out" / "tables" / "logit-lens.csv")
    last = [row for row in rows if row["model"] == "frozen" and row["layer"] == "3" and row["metric"] == "kl"
            and not row["variant"] and row["fold"] == "0"]
    assert [float(row["value"]) for row in last] == pytest.approx([0], abs=1e-4)  # the model's output is that head's


def test_a_resumed_run_has_the_same_files(frozen, flags, tmp_path):
    partial = tmp_path / "run.partial"
    shutil.copytree(frozen, partial)
    for name in ("fold-01", "final"):
        shutil.rmtree(partial / name)
    for name in ("metrics.json", "predictions.csv"):
        (partial / name).unlink()
    (partial / ".lock").write_text("loralens is writing this folder, or was interrupted while it did\n")
    succeed("train", "--resume", tmp_path / "run")
    assert files_of(tmp_path / "run") == files_of(frozen)


def test_flags_that_contradict_the_read_out(flags, tmp_path):
    train = ["train", "-q", *flags, "-o", tmp_path / "run"]
    expect_error(run(*train, "--read-out", "logistic"), 2, "--read-out logistic", "--method frozen")
    expect_error(run(*train, "--method", "frozen", "--select", "test"), 2, "not chosen on the test part",
                 "--read-out gradient")


def test_the_paper_trains_the_head_by_gradients(flags, tmp_path):
    for name, more in (("protocol", ["--protocol", "paper", "--preset", "small"]), ("preset", ["--preset", "paper"])):
        succeed("train", *flags, "--method", "frozen", *more, "--input", "speech", "-o", tmp_path / name)
        assert len(table_of(tmp_path / name / "fold-00" / "history.csv")) == 2
        assert "read_out" not in json.loads((tmp_path / name / "fold-00" / "config.json").read_text())["loralens"]
