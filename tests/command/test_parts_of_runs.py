"""Runs that lack files, single folds and final models: the program names what is missing, and claims nothing that it
cannot know."""
import json
import re
import shlex
import shutil

import pytest

from support import (CLASSES, expect_error, expect_no_trace, noise, run, slow, succeed, table_of, write_table,
                     write_wav)

CHEAP = ["--only", "contribution", "--threads", 1]


@pytest.fixture(scope="session")
def final(flags, tmp_path_factory):
    """A frozen run of two folds, on the same folds as `trained`, with final/."""
    folder = tmp_path_factory.mktemp("final") / "run"
    succeed("train", *flags, "--method", "frozen", "--final", "-o", folder)
    return folder


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    """The path of clips.csv of a corpus on which no run is trained: eight clips of noise by two speakers."""
    folder = tmp_path_factory.mktemp("elsewhere")
    rows = []
    for number in range(8):
        write_wav(folder / f"{number}.wav", noise(1, seed=number))
        rows.append([f"{number}.wav", CLASSES[number % 4], f"n{number // 4}"])
    return write_table(folder / "clips.csv", rows)


def about(folder):
    return json.loads((folder / "summary.json").read_text())["about"]


def copy_without(source, target, *names):
    """A copy of a run that lacks these files or folders."""
    shutil.copytree(source, target)
    for name in names:
        shutil.rmtree(target / name) if (target / name).is_dir() else (target / name).unlink()
    return target


def test_ids(csv, fold, part="test"):
    return [row["id"] for row in table_of(csv) if (row["fold"], row["part"]) == (str(fold), part)]


test_ids.__test__ = False


# analyze --against


@pytest.mark.parametrize("analysed, against, trained_clips, tested, words", [
    (".", "fold-00", 16, 32, ["--folds file:", "folds.csv"]),
    (".", "final", 32, 32, ["--folds file:", "folds.csv"]),
    ("fold-01", "final", 16, 16, ["give fold-01 of", "--folds file:"]),
    ("fold-01", "fold-00", 16, 16, ["give fold-01 of", "--folds file:"]),
])
def test_a_model_that_trained_on_the_test_clips_is_no_baseline(trained, final, tmp_path, analysed, against, trained_clips,
                                                               tested, words):
    result = run("-q", "analyze", trained / analysed, "--against", final / against, *CHEAP, "-o", tmp_path / "out")
    expect_error(result, 1, final / against, f"{trained_clips} of the {tested} clips", *words)
    expect_no_trace(tmp_path / "out")


def test_a_fold_is_compared_with_the_same_fold(trained, final, tmp_path):
    succeed("analyze", trained / "fold-01", "--against", final / "fold-01", *CHEAP, "-o", tmp_path / "out")
    expect_error(run("-q", "analyze", trained / "fold-01", "--against", final, *CHEAP, "-o", tmp_path / "no"), 1,
                 "2 folds", "give fold-01 of")


def test_paper_compares_the_first_fold_alone(trained, final, tmp_path):
    arguments = ["analyze", trained, "--protocol", "paper", *CHEAP]
    succeed(*arguments, "--against", final / "fold-00", "-o", tmp_path / "out")
    expect_error(run("-q", *arguments, "--against", final / "fold-01", "-o", tmp_path / "no"), 1, "16 of the 16 clips")


def test_folds_whose_clips_are_unknown_are_no_baseline(trained, final, corpus, tmp_path):
    lost = copy_without(final, tmp_path / "lost", "folds.csv")
    for against in (lost, lost / "fold-00", lost / "final"):
        expect_error(run("-q", "analyze", trained, "--against", against, *CHEAP, "-o", tmp_path / "no"), 1, against,
                     "--folds file:")
    shutil.copytree(trained, tmp_path / "ours")
    (tmp_path / "ours" / "config.toml").unlink()
    arguments = ["analyze", tmp_path / "ours", "--corpus", corpus, *CHEAP]
    succeed(*arguments, "--against", final, "-o", tmp_path / "out")
    expect_no_trace(tmp_path / "no")


def test_a_baseline_of_unknown_origin_is_told(trained, final, tmp_path):
    bare = shutil.copytree(final / "fold-00", tmp_path / "bare")
    result = run("analyze", trained, "--against", bare, *CHEAP, "-o", tmp_path / "out")
    assert result.returncode == 0 and f"{bare} has no recordings.csv: it is unknown" in result.stderr
    assert about(tmp_path / "out")["against_trained_clips"] is None
    assert "Clips that trained the compared run" in (tmp_path / "out" / "report.html").read_text()


def test_a_run_is_no_baseline_of_itself(trained, tmp_path):
    expect_error(run("-q", "analyze", trained, "--against", trained, *CHEAP, "-o", tmp_path / "no"), 1, "or a copy of it")
    expect_error(run("evaluate", trained, "--against", trained), 2, trained, "the run itself")
    expect_no_trace(tmp_path / "no")


def test_a_run_is_compared_once(trained, final):
    expect_error(run("evaluate", trained, "--against", final, "--against", f"{final}/"), 2, "given twice")


def test_on_another_corpus_no_folds_are_needed(trained, final, elsewhere, corpus, tmp_path):
    for name, against in {"run": final, "fold": final / "fold-01", "final": final / "final"}.items():
        succeed("analyze", trained, "--corpus", elsewhere, "--against", against, *CHEAP, "-o", tmp_path / name)
        found = about(tmp_path / name)
        assert found["clips"] == 8 and "metrics" not in found and "comparison" not in found
    mixed = tmp_path / "mixed.csv"  # the other corpus, and clips that trained both runs
    rows = [(corpus.parent / row["path"], row["label"], row["speaker"]) for row in table_of(corpus)[:3]]
    rows += [(elsewhere.parent / row["path"], row["label"], row["speaker"]) for row in table_of(elsewhere)]
    mixed.write_text("path,label,speaker\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    expect_error(run("-q", "analyze", trained, "--corpus", mixed, "--against", final, *CHEAP, "-o", tmp_path / "no"), 1,
                 final, "3 of the 11 clips", "--corpus")
    expect_no_trace(tmp_path / "no")


@slow
def test_on_another_corpus_the_folds_pair_by_number(trained, quick, corpus, elsewhere, tmp_path):
    four = [flag if flag != "speaker:2" else "speaker:4" for flag in quick]
    succeed("train", *four, "--corpus", corpus, "--method", "frozen", "-o", tmp_path / "four")
    arguments = ["analyze", trained, "--corpus", elsewhere, *CHEAP]
    expect_error(run("-q", *arguments, "--against", tmp_path / "four", "-o", tmp_path / "no"), 1, "4 folds",
                 "as many folds, or one of its models")
    succeed(*arguments, "--against", tmp_path / "four" / "fold-00", "-o", tmp_path / "out")
    expect_error(run("-q", "analyze", trained, *CHEAP, "--against", tmp_path / "four", "-o", tmp_path / "no"), 1,
                 "4 folds", f"--folds file:{trained / 'folds.csv'}")


def test_a_run_without_folds_is_not_analysed_on_its_training_clips(trained, corpus, tmp_path):
    lost = copy_without(trained, tmp_path / "lost", "folds.csv")
    expect_error(run("-q", "analyze", lost, *CHEAP, "-o", tmp_path / "no"), 1, lost, "no folds.csv", "--corpus")
    expect_no_trace(tmp_path / "no")
    for part in (".", "fold-01"):
        result = run("analyze", lost / part, "--corpus", corpus, *CHEAP, "-o", tmp_path / "out", "--force")
        assert result.returncode == 0 and "was trained on 32 of these 32 clips" in result.stderr


def test_unknown_training_clips_are_not_none(trained, elsewhere, clips, tmp_path):
    alone = shutil.copytree(trained / "fold-00", tmp_path / "alone")
    result = run("evaluate", alone, "--corpus", elsewhere, "-o", tmp_path / "evaluation", "--json")
    assert json.loads(result.stdout)["trained_clips"] is None and "it is unknown" in result.stderr
    succeed("evaluate", trained, "--corpus", elsewhere, "-o", tmp_path / "known")
    assert json.loads((tmp_path / "known" / "metrics.json").read_text())["trained_clips"] == 0
    succeed("report", tmp_path / "evaluation", tmp_path / "known", "-o", tmp_path / "page.html")
    succeed("report", tmp_path / "evaluation")
    assert "Clips that trained the run" in (tmp_path / "evaluation" / "report.html").read_text()
    succeed("analyze", alone, "--corpus", elsewhere, *CHEAP, "-o", tmp_path / "analysis")
    assert about(tmp_path / "analysis")["trained_clips"] is None


# The scores of a run beside its analysis


def test_scores_are_those_of_the_analysed_clips(trained, corpus, tmp_path):
    """An analysis shows the scores of its run only if it covers the same clips: with other audio or labels under the
    same names it has no scores; with a list of clips the scores are those of the whole run."""
    out = tmp_path / "out"
    arguments = ["analyze", trained, *CHEAP, "--force", "-o", out]
    same = shutil.copytree(corpus.parent, tmp_path / "same") / "clips.csv"
    succeed(*arguments, "--corpus", same)
    assert about(out)["metrics"] == json.loads((trained / "metrics.json").read_text())
    noisy = shutil.copytree(corpus.parent, tmp_path / "noisy") / "clips.csv"
    write_wav(noisy.parent / table_of(noisy)[0]["path"], noise(2))
    relabelled = tmp_path / "same" / "relabelled.csv"
    text = same.read_text()
    relabelled.write_text(text.replace(",anger,", ",other,").replace(",sadness,", ",anger,").replace(",other,", ",sadness,"))
    few = tmp_path / "few.txt"
    few.write_text("\n".join(test_ids(trained / "folds.csv", 1)[:3]) + "\n")
    for flags, words in ((["--corpus", noisy], "audio"), (["--corpus", relabelled], "labels"),
                         (["--labels", "anger=sadness,sadness=anger,neutral=neutral,happiness=happiness"], "labels")):
        result = run(*arguments, *flags)
        assert result.returncode == 0 and "left out: the scores" in result.stderr and words in result.stderr
        assert "metrics" not in about(out)
    succeed(*arguments, "--clips", few)
    assert about(out)["clips"] == 3 and about(out)["folds"] == 1 and about(out)["part_of_run"]
    assert about(out)["metrics"] == json.loads((trained / "metrics.json").read_text())
    assert "These are the scores of the whole run" in (out / "report.html").read_text()
    few.write_text("\n".join(row["path"] for row in table_of(corpus)) + "\n")
    succeed(*arguments, "--clips", few)
    assert about(out)["clips"] == 32 and "part_of_run" not in about(out)


def test_an_analysis_of_one_training_has_the_scores_of_the_whole_run(trained, flags, tmp_path):
    folds = tmp_path / "folds.csv"
    folds.write_text("id,fold,part\n" + "".join(f"{row['id']},0,{row['part']}\n" for row in table_of(trained / "folds.csv")
                                                if row["fold"] == "0"))
    arguments = [flag if flag != "speaker:2" else f"file:{folds}" for flag in flags]
    succeed("train", *arguments, "--method", "frozen", "--read-out", "gradient", "--seeds", 2, "-o", tmp_path / "run")
    for part, whole in (("fold-00", False), ("seed-43/fold-00", False), (".", True)):
        succeed("analyze", tmp_path / "run" / part, *CHEAP, "--force", "-o", tmp_path / "out")
        found = about(tmp_path / "out")
        assert found["metrics"]["trainings"] and ("part_of_run" not in found) == whole


def test_an_analysis_and_its_run_are_one_on_a_page(trained, final, tmp_path):
    succeed("analyze", trained, *CHEAP, "-o", tmp_path / "analysis")
    page = tmp_path / "page.html"
    succeed("report", tmp_path / "analysis", trained, "-o", page)
    assert 'id="differences"' not in page.read_text()
    succeed("report", tmp_path / "analysis", trained, final, "--force", "-o", page)
    assert 'id="differences"' in page.read_text()


# One fold


def test_one_fold_has_its_number_and_the_scores_of_the_whole_run(trained, final, tmp_path):
    folder = tmp_path / "out"
    succeed("analyze", trained / "fold-01", "--against", final / "fold-01", *CHEAP, "-o", folder)
    rows = table_of(folder / "tables" / "contribution.csv")
    assert {row["fold"] for row in rows} == {"1"} and {row["seed"] for row in rows} == {"42"}
    found = about(folder)
    tested = test_ids(trained / "folds.csv", 1)
    speakers = {row["speaker"] for row in table_of(trained / "predictions.csv") if row["id"] in tested}
    assert found["clips"] == len(tested) and found["speakers"] == len(speakers)
    assert found["part_of_run"] and found["metrics"] == json.loads((trained / "metrics.json").read_text())
    assert found["comparison"]["folds"] == 2


def test_an_evaluation_of_a_fold_is_its_own(final, elsewhere, corpus, tmp_path):
    fold = final / "fold-01"
    metrics = json.loads(succeed("evaluate", fold, "--corpus", elsewhere, "--json"))
    assert metrics["run"] == str(fold) and [part["fold"] for part in metrics["folds"]] == [1]
    for result in (run("evaluate", fold, "--corpus", corpus), run("evaluate", fold)):
        advice = re.search(r"`loralens ([^`]*)`", result.stderr).group(1)
        assert advice == f"evaluate {final}"
        assert succeed(*shlex.split(advice)) == succeed("evaluate", final)


# Seeds


def test_a_run_that_records_no_seed_has_none(trained, quick, corpus, tmp_path):
    folds = quick.index("--folds")
    succeed("train", *quick[:folds], *quick[folds + 2:], "--corpus", corpus, "--seed", 7, "--folds",
            f"file:{trained / 'folds.csv'}", "-o", tmp_path / "other")
    config = tmp_path / "other" / "config.toml"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if not line.startswith("seed =")))
    succeed("analyze", trained, tmp_path / "other", *CHEAP, "--seed", 5, "-o", tmp_path / "out")
    rows = table_of(tmp_path / "out" / "tables" / "contribution.csv")
    assert {(row["fold"], row["seed"]) for row in rows} == {("", "5"), ("0", "42"), ("1", "42"), ("0", ""), ("1", "")}


def test_an_evaluation_needs_the_seed_of_each_training(flags, elsewhere, tmp_path):
    succeed("train", *flags, "--method", "frozen", "--read-out", "gradient", "--seeds", 2, "-o", tmp_path / "run")
    (tmp_path / "run" / "config.toml").unlink()
    result = run("-q", "evaluate", tmp_path / "run", "--corpus", elsewhere, "-o", tmp_path / "out")
    expect_error(result, 1, tmp_path / "run", "2 trainings", "config.toml")
    expect_no_trace(tmp_path / "out")


def test_runs_that_are_no_repetitions_are_told(trained, flags, tmp_path):
    succeed("train", *flags, "--learning-rate", 1e-4, "-o", tmp_path / "slow")
    result = run("analyze", trained, tmp_path / "slow", *CHEAP, "-o", tmp_path / "out")
    assert result.returncode == 0
    assert "--learning-rate was 0.001 there and is 0.0001 here" in result.stderr and "same seed 42" in result.stderr


def test_clips_without_a_speaker_are_told(trained, elsewhere, tmp_path):
    rows = [(elsewhere.parent / row["path"], row["label"], "") for row in table_of(elsewhere)]
    result = run("evaluate", trained, "--corpus", write_table(tmp_path / "clips.csv", rows))
    assert result.returncode == 0 and "8 of these 8 clips have no speaker" in result.stderr


# Untrained models


def test_a_trained_model_is_no_untrained_one(trained, adapter, tmp_path):
    arguments = ["-q", "analyze", trained, "--only", "alignment", "--threads", 1, "-o", tmp_path / "out"]
    for folder in (trained / "fold-01", shutil.copytree(trained / "fold-01", tmp_path / "moved")):
        expect_error(run(*arguments, "--untrained", folder), 1, folder, "is a model that loralens trained")
    expect_error(run(*arguments, "--untrained", adapter), 1, adapter, f"the trained adapters of {trained / 'fold-00'}")
    expect_no_trace(tmp_path / "out")


# Paths


def test_advice_quotes_paths_that_need_it(trained, corpus, elsewhere, tmp_path):
    spaced = shutil.copytree(trained, tmp_path / "my run's")
    result = run("evaluate", spaced, "--corpus", corpus)
    advice = re.search(r"`loralens ([^`]*)`", result.stderr).group(1)
    assert shlex.split(advice) == ["evaluate", str(spaced)]
    result = run("-q", "analyze", spaced, trained / "fold-00", *CHEAP, "-o", tmp_path / "no")
    expect_error(result, 1, f"--folds {shlex.quote(f'file:{spaced}/folds.csv')}".replace('\'"\'"\'', "'\\''"))


# Lists of clips


def test_each_list_of_clips_is_checked(trained, tmp_path):
    own, other, both = tmp_path / "own.txt", tmp_path / "other.txt", tmp_path / "both.txt"
    tested, trained_on = (test_ids(trained / "folds.csv", fold)[:3] for fold in (0, 1))
    for path, ids in {own: tested, other: trained_on, both: trained_on + tested}.items():
        path.write_text("\n".join(ids) + "\n")
    arguments = ["analyze", trained / "fold-00", "--only", "contribution,gradients", "--threads", 1]
    for clips, gradient, flag in ((own, other, "--gradient-clips"), (other, own, "--clips")):
        result = run("-q", *arguments, "--clips", clips, "--gradient-clips", gradient, "-o", tmp_path / "no")
        expect_error(result, 1, f"{flag}: none of the 3 listed clips is a test clip")
    expect_no_trace(tmp_path / "no")
    for clips, gradient in ((both, own), (own, both)):
        result = run(*arguments, "--clips", clips, "--gradient-clips", gradient, "-o", tmp_path / "out", "--force")
        assert result.returncode == 0 and "left out: 3 of the listed clips" in result.stderr
        assert (tmp_path / "out" / "clips.txt").read_text().splitlines() == tested


def test_paper_lists_the_sample_that_it_looks_at(trained, tmp_path):
    clips, sample = tmp_path / "clips.txt", tmp_path / "sample.txt"
    clips.write_text("\n".join(test_ids(trained / "folds.csv", 0)[:2]) + "\n")
    sample.write_text("\n".join(test_ids(trained / "folds.csv", 1)[:4]) + "\n")
    arguments = ["analyze", trained, "--protocol", "paper", "--threads", 1, "--force", "-o", tmp_path / "out"]
    lists = ["--clips", clips, "--gradient-clips", sample]
    for only, expected in {"spectrum": sample.read_text(), "contribution": clips.read_text(),
                           "contribution,spectrum": clips.read_text() + sample.read_text()}.items():
        result = run(*arguments, "--only", only, *lists)
        assert result.returncode == 0, result.stderr
        assert (tmp_path / "out" / "clips.txt").read_text() == expected
        assert ("without effect: --clips" in result.stderr) == (only == "spectrum")
        assert ("without effect: --gradient-clips" in result.stderr) == (only == "contribution")
    succeed(*arguments, "--only", "spectrum")
    drawn = (tmp_path / "out" / "clips.txt").read_text().splitlines()
    assert drawn and set(drawn) <= set(test_ids(trained / "folds.csv", 0, "train") +
                                       test_ids(trained / "folds.csv", 0, "development"))


# Lost files


@pytest.mark.parametrize("lost", [["config.toml"], ["folds.csv"], ["config.toml", "folds.csv"], []])
def test_a_lost_final_model_is_named_with_all_that_is_lost(final, clips, tmp_path, lost):
    folder = copy_without(final, tmp_path / "run", "final", *lost)
    expect_error(run("-q", "predict", folder, clips[0]), 1, folder, "no final/", "--final", *(f"no {name}" for name in lost))


def test_an_unknown_final_model_is_told(final, clips, tmp_path):
    folder = copy_without(final, tmp_path / "run", "final", "config.toml", "inputs.json")
    result = run("predict", folder, clips[0])
    assert result.returncode == 0 and "no config.toml, so it is unknown whether its final model" in result.stderr
    result = run("predict", folder / "fold-00", clips[0])
    assert result.returncode == 0 and "unknown" not in result.stderr


def test_a_model_of_a_run_without_its_config_is_not_taken_for_a_bare_one(trained, final, clips, tmp_path):
    lora = copy_without(trained, tmp_path / "lora", "fold-01/config.json")
    moved = shutil.copytree(lora / "fold-01", tmp_path / "moved")
    for folder in (lora, lora / "fold-01", moved):
        expect_error(run("-q", "predict", folder, clips[0]), 1, "config.json is missing")
    (lora / "fold-01" / "history.csv").unlink()
    expect_error(run("-q", "predict", lora / "fold-01", clips[0]), 1, lora / "fold-01" / "config.json", "is missing")
    frozen = copy_without(final, tmp_path / "frozen", "final/config.json")
    expect_error(run("-q", "predict", frozen, clips[0]), 1, "no model in final/")
    expect_error(run("-q", "predict", frozen / "final", clips[0]), 1, frozen / "final", "config.json")
