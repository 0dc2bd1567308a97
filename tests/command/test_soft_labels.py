"""train --soft-labels: targets from columns of raters' votes."""
import json

import numpy
import pytest

from support import expect_error, expect_no_trace, files_of, run, slow, succeed, table_of, write_table
from test_resume import FIRST_FOLD, kill, train_until

CLASSES = ["anger", "happiness", "neutral", "sadness"]
COLUMNS = "ang=anger,hap=happiness,exc=happiness,neutral,sad=sadness"
FEW = ["--layers", "3", "--targets", "v_proj", "--watch", 0]


@pytest.fixture(scope="module")
def voted(corpus, tmp_path_factory):
    """Makes a table of the corpus with columns of votes: votes(label, number of the clip) gives the five numbers."""
    def make(votes, name):
        header = ("path", "label", "speaker", "ang", "hap", "exc", "neutral", "sad")
        rows = [[corpus.parent / row["path"], row["label"], row["speaker"], *votes(row["label"], i)]
                for i, row in enumerate(table_of(corpus))]
        return write_table(tmp_path_factory.mktemp("votes") / f"{name}.csv", rows, header)
    return make


def certain(label, _):
    """Three votes for the label, those for happiness in two columns."""
    return [3 * (label == "anger"), 2 * (label == "happiness"), int(label == "happiness"), 3 * (label == "neutral"),
            3 * (label == "sadness")]


def divided(label, i):
    """Votes that are not certain: one for each class beside the label's own."""
    return [votes + 1 for votes in certain(label, i)]


def test_certain_votes_train_as_labels_do(voted, quick, tmp_path):
    table = voted(certain, "certain")
    arguments = ["train", *quick, "--corpus", table, *FEW, "--precision", "fp32", "--label-smoothing", 0.1,
                 "--class-weights", 1]
    succeed(*arguments, "-o", tmp_path / "labels")
    succeed(*arguments, "--soft-labels", COLUMNS, "-o", tmp_path / "votes")
    ours, theirs = (table_of(tmp_path / name / "predictions.csv") for name in ("votes", "labels"))
    for label in CLASSES:
        values = [[float(row[f"p_{label}"]) for row in rows] for rows in (ours, theirs)]
        numpy.testing.assert_allclose(*values, atol=1e-3)


def test_votes_change_the_target_and_not_the_scores(voted, quick, tmp_path):
    table = voted(divided, "divided")
    succeed("train", *quick, "--corpus", table, *FEW, "--soft-labels", COLUMNS, "-o", tmp_path / "votes")
    rows = table_of(tmp_path / "votes" / "predictions.csv")
    assert {row["label"] for row in rows} == set(CLASSES)
    war = numpy.mean([row["label"] == row["predicted"] for row in rows])
    assert json.loads((tmp_path / "votes" / "metrics.json").read_text())["war"]["pooled"] == pytest.approx(war)
    assert all(float(row["loss"]) > 1 for row in table_of(tmp_path / "votes" / "fold-00" / "history.csv"))


@slow
def test_a_run_resumes_with_the_same_votes_alone(voted, quick, tmp_path):
    table = voted(divided, "resumed")
    arguments = [*quick, "--corpus", table, *FEW, "--soft-labels", COLUMNS, "-o"]
    succeed("train", *arguments, tmp_path / "whole")
    kill(train_until([*arguments, tmp_path / "run"], tmp_path / "run.partial" / FIRST_FOLD))
    text = table.read_text()
    lines = text.splitlines()
    table.write_text("\n".join([*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",9"]) + "\n")
    expect_error(run("-q", "train", "--resume", tmp_path / "run"), 1, "the votes of --soft-labels differ")
    table.write_text(text)
    succeed("train", "--resume", tmp_path / "run")
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")


@pytest.mark.parametrize("votes, words", [
    (lambda label, i: [1, 0, 0, -1 if i == 3 else 0, 0], ["-1 votes", "'neutral'"]),
    (lambda label, i: [1, 0, 0, "two" if i == 3 else 0, 0], ["'two'", "'neutral'"]),
    (lambda label, i: [1, 0, 0, "" if i == 3 else 0, 0], ["''", "'neutral'"]),
    (lambda label, i: [int(i != 3), 0, 0, 0, 0], ["0 votes in all"])], ids=["negative", "no-number", "empty", "none"])
def test_unusable_votes_are_refused(voted, quick, tmp_path, votes, words):
    result = run("train", *quick, "--corpus", voted(votes, "bad"), "--soft-labels", COLUMNS, "-o", tmp_path / "run")
    expect_error(result, 1, "--soft-labels", *words)
    expect_no_trace(tmp_path / "run")


def test_columns_and_classes_must_fit(voted, quick, tmp_path):
    table = voted(divided, "fit")
    for columns, word in [("ang=anger,hap=happiness,neutral", "'sadness' has no column"),
                          (COLUMNS + ",votes=anger", "no column 'votes'"),
                          (COLUMNS.replace("sad=sadness", "sad=sorrow"), "'sorrow'")]:
        result = run("train", *quick, "--corpus", table, "--soft-labels", columns, "-o", tmp_path / "run")
        expect_error(result, 1, "--soft-labels", word)


def test_the_logistic_read_out_names_the_flag(voted, quick, tmp_path):
    arguments = ["train", *quick, "--corpus", voted(divided, "frozen"), "--method", "frozen", "--soft-labels", COLUMNS]
    result = run(*arguments, "-o", tmp_path / "logistic")
    assert result.returncode == 0 and "without effect with --read-out logistic: " in result.stderr
    assert "--soft-labels" in result.stderr
    succeed(*arguments, "--read-out", "gradient", "-o", tmp_path / "gradient")
    assert all(float(row["loss"]) > 1 for row in table_of(tmp_path / "gradient" / "fold-00" / "history.csv"))
