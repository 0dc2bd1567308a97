"""Consistency of run folders: complete folds of one training, tables that match scores, flags that match the run."""
import json
import shutil

import numpy
import pytest

from support import (expect_error, expect_no_trace, files_of, read_safetensors, run, slow, succeed, table_of, write_safetensors,
                     write_table, write_wav)


@pytest.fixture(scope="session")
def many(flags, tmp_path_factory):
    """A frozen run of four folds."""
    folder = tmp_path_factory.mktemp("many") / "run"
    arguments = [*flags]
    arguments[arguments.index("speaker:2")] = "speaker:4"
    succeed("train", *arguments, "--method", "frozen", "-o", folder)
    return folder


@pytest.fixture
def copy(many, tmp_path):
    return shutil.copytree(many, tmp_path / "run")


def edit(path, change):
    """Rewrites a JSON file."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


# Folds


@pytest.mark.parametrize("fold", ["fold-01", "fold-03"])
def test_a_missing_fold_is_named(copy, clips, corpus, tmp_path, fold):
    shutil.rmtree(copy / fold)
    out = ["-o", tmp_path / "out"]
    for arguments in (["predict", copy, clips[0]], ["evaluate", copy], ["evaluate", copy, "--corpus", corpus, *out],
                      ["analyze", copy, *out], ["report", copy, *out]):
        expect_error(run("-q", *arguments), 1, copy, fold)
        expect_no_trace(tmp_path / "out")


def test_a_fold_that_holds_no_model_is_named(copy, clips):
    for path in (copy / "fold-02").iterdir():
        path.unlink()
    expect_error(run("predict", copy, clips[0]), 1, copy / "fold-02", "no model")


def test_folders_that_are_no_folds_do_not_count(copy, clips):
    expected = succeed("predict", copy, clips[0]), succeed("evaluate", copy)
    shutil.copytree(copy / "fold-01", copy / "fold-7")
    shutil.copytree(copy / "fold-01", copy / "fold-00.bak")
    (copy / "fold-09").write_text("a file")
    assert (succeed("predict", copy, clips[0]), succeed("evaluate", copy)) == expected
    shutil.copytree(copy / "fold-01", copy / "fold-04")
    expect_error(run("predict", copy, clips[0]), 1, "fold-04", "no fold")


def test_a_fold_of_another_place_is_refused(copy, tmp_path):
    shutil.rmtree(copy / "fold-02")
    shutil.copytree(copy / "fold-01", copy / "fold-02")
    expect_error(run("evaluate", copy), 1, "fold-02/predictions.csv", "another run")


def swap_classes(config):
    names = config["id2label"]
    names["0"], names["1"] = names["1"], names["0"]


@pytest.mark.parametrize("change, word", [
    (swap_classes, "classes"),
    (lambda config: config["id2label"].update({"4": "joy"}), "5 names"),
    (lambda config: config["id2label"].update({"1": "anger"}), "occurs twice"),
    (lambda config: config["loralens"].update(input="padded"), "input"),
    (lambda config: config["loralens"].update(tail_seconds=2), "tail"),
    (lambda config: config["loralens"].update(long_clips="cut"), "cut"),
    (lambda config: config["loralens"].update(encoder_sha256="0" * 64), "base"),
], ids=["order", "more", "twice", "input", "tail", "windows", "base"])
def test_folds_that_differ_are_not_averaged(copy, clips, change, word):
    edit(copy / "fold-02" / "config.json", change)
    expect_error(run("predict", copy, clips[0]), 1, "fold-02", word)


@pytest.mark.parametrize("value", ["true", "[true, true]", "1", "'yes'"])
def test_a_final_model_that_is_lost_is_not_replaced_by_the_folds(copy, clips, value):
    config = copy / "config.toml"
    config.write_text(config.read_text().replace("final = false", f"final = {value}"))
    expect_error(run("predict", copy, clips[0]), 1, "final/")


def test_a_fold_is_the_same_with_a_slash_or_a_dot_behind_it(copy, corpus):
    scores = [json.loads(succeed("evaluate", f"{copy}/fold-01{ending}", "--corpus", corpus, "--json"))
              for ending in ("", "/", "/.")]
    assert scores[0]["trained_clips"] > 0
    assert scores[0] == scores[1] == scores[2]


def test_a_run_is_not_a_repetition_of_itself(trained, tmp_path):
    again = shutil.copytree(trained, tmp_path / "again")
    for other in (trained, again):
        result = run("-q", "analyze", trained, other, "--only", "contribution", "-o", tmp_path / "out")
        expect_error(result, 1, "same training")


@pytest.mark.parametrize("name", ["seed", "labels"])
def test_a_recorded_flag_of_several_values_is_refused(trained, tmp_path, name):
    runs = [shutil.copytree(trained, tmp_path / part) for part in ("one", "two")]
    for folder in runs:
        config = folder / "config.toml"
        lines = [line for line in config.read_text().splitlines() if not line.startswith(f"{name} =")]
        config.write_text("\n".join([*lines, f"{name} = [1, 2]"]) + "\n")
    expect_error(run("-q", "analyze", *runs, "--only", "contribution", "-o", tmp_path / "out"), 1, f"'{name}' has 2 values")


# Tables


def test_columns_are_read_by_name(copy, tmp_path):
    rows = table_of(copy / "predictions.csv")
    header = list(rows[0])[::-1]
    expected = (copy / "predictions.csv").read_bytes()
    write_table(copy / "predictions.csv", [[row[name] for name in header] for row in rows], header)
    assert succeed("evaluate", copy, "-o", tmp_path / "out") == succeed("evaluate", copy)
    assert (tmp_path / "out" / "predictions.csv").read_bytes() == expected


@pytest.mark.parametrize("change, words", [
    (lambda lines: lines[:-3], ["predictions.csv"]),
    (lambda lines: [*lines, lines[1]], ["row 34", "twice"]),
    (lambda lines: [lines[0].replace("p_anger,p_happiness", "p_happiness,p_anger"), *lines[1:]], ["predictions.csv, row"]),
    (lambda lines: [lines[0].replace("p_anger", "p_joy"), *lines[1:]], ["'p_anger' is missing"]),
    (lambda lines: [lines[0], ",".join([*lines[1].split(",")[:-2], "nan", "42"]), *lines[2:]], ["row 2, column p_sadness", "nan"]),
    (lambda lines: [lines[0], ",".join([*lines[1].split(",")[:-2], "1e-3x", "42"]), *lines[2:]], ["row 2", "1e-3x"]),
    (lambda lines: [lines[0], ",".join([*lines[1].split(",")[:-5], "1", "1", "1", "1", "42"]), *lines[2:]], ["row 2", "add up"]),
    (lambda lines: [lines[0], ",".join([*lines[1].split(",")[:-1], "-1"]), *lines[2:]], ["row 2, column seed", "'-1'"]),
    (lambda lines: [lines[0], ",".join([*lines[1].split(",")[:-1], "43"]), *lines[2:]], ["metrics.json"]),
    (lambda lines: [lines[0], lines[1].replace(",0,", ",9,", 1), *lines[2:]], ["metrics.json"]),
    (lambda lines: lines[:1], ["no predictions"]),
], ids=["cut", "twice", "swapped", "renamed", "nan", "letters", "sum", "seed", "other-seed", "fold", "empty"])
def test_predictions_that_fit_nothing_are_refused(copy, many, tmp_path, change, words):
    file = copy / "predictions.csv"
    file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")
    for arguments in (["evaluate", copy, "-o", tmp_path / "out"], ["report", copy, "-o", tmp_path / "out"],
                      ["report", copy, many, "-o", tmp_path / "out"]):
        expect_error(run(*arguments), 1, copy, *words)
        expect_no_trace(tmp_path / "out")


@pytest.mark.parametrize("change, words", [
    (lambda m: m["confusion"][0].__setitem__(0, m["confusion"][0][0] + 1), ["anger taken for anger"]),
    (lambda m: m["uar"].update(mean=m["uar"]["mean"] / 2), ["uar"]),
    (lambda m: m["folds"].pop(), ["fold-03"]),
    (lambda m: m["folds"][2].update(war=0.123), ["war of fold 2"]),
    (lambda m: m["confusion"].pop(), ["confusion"]),
    (lambda m: m["calibration"].update(ece=0.77), ["calibration"]),
    (lambda m: m.update(predictions=31), ["predictions 31"]),
    (lambda m: m["war"].update(mean=1.5), ["war"]),
], ids=["confusion", "mean", "folds", "fold", "rows", "ece", "count", "range"])
def test_scores_that_fit_no_predictions_are_refused(copy, tmp_path, change, words):
    edit(copy / "metrics.json", change)
    expect_error(run("evaluate", copy, "-o", tmp_path / "out"), 1, copy, *words)
    expect_no_trace(tmp_path / "out")


# Flags


def test_flags_that_a_run_contradicts_are_refused(many, clips, corpus):
    expected = succeed("predict", many, clips[0])
    assert succeed("predict", many, clips[0], "--input", "speech", "--tail", 0.5) == expected
    for command in (["predict", many, clips[0]], ["evaluate", many, "--corpus", corpus], ["analyze", many, "-o", "out"]):
        expect_error(run("-q", *command, "--input", "padded"), 2, "--input padded", "trained with --input speech")
        expect_error(run("-q", *command, "--tail", 2), 2, "--tail 2", "--tail 0.5")
        expect_error(run("-q", *command, "--classes", "a,b"), 2, "--classes a,b", "anger")
    renamed = run("predict", many, clips[0], "--classes", "a,b,c,d")
    assert '"a":' in renamed.stdout and "are called a,b,c,d" in renamed.stderr


@pytest.mark.parametrize("flag", [["--labels", "four"], ["--input", "speech"], ["--tail", 0.5], ["--classes", "a"],
                                  ["--model", "base"]])
def test_flags_of_an_evaluation_that_computes_nothing_are_refused(many, flag):
    expect_error(run("evaluate", many, *flag), 2, flag[0], "--corpus")


def test_an_evaluation_that_computes_nothing_tells_of_machine_flags(many):
    result = run("evaluate", many, "--threads", 1)
    assert result.returncode == 0 and "without effect without --corpus: --threads" in result.stderr


def untrained_like(model, folder):
    """A bare PEFT folder with the shapes of a model and weights N(0, 0.02)."""
    folder.mkdir()
    shutil.copy(model / "adapter_config.json", folder)
    header, data = read_safetensors(model / "adapter_model.safetensors")
    values = numpy.random.default_rng(3).normal(0, 0.02, len(data) // 4).astype("<f4")
    write_safetensors(folder / "adapter_model.safetensors", header, values.tobytes())
    return folder


def test_analyze_tells_of_lists_and_models_that_no_analysis_looks_at(trained, corpus, tmp_path):
    clip_list = tmp_path / "list.txt"
    clip_list.write_text(table_of(corpus)[0]["path"] + "\n")
    result = run("analyze", trained / "fold-00", "--only", "contribution", "--clips", clip_list, "--gradient-clips", clip_list,
                 "--untrained", untrained_like(trained / "fold-00", tmp_path / "untrained"), "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "without effect: --gradient-clips" in result.stderr and "without effect: --untrained" in result.stderr


def test_training_says_which_flags_have_no_effect(flags, tmp_path):
    result = run("train", *flags, "--method", "frozen", "--watch", 5, "--mel-width", 5, "-o", tmp_path / "run")
    assert result.returncode == 0
    assert "without effect with --method frozen: --watch\n" in result.stderr
    assert "without effect with --read-out logistic: --epochs, --head-epochs, --mel-width\n" in result.stderr
    result = run("train", *flags, "--method", "frozen", "--read-out", "gradient", "--mel-width", 5, "-o", tmp_path / "other")
    assert result.returncode == 0
    assert "without effect with --mel-masks 0: --mel-width\n" in result.stderr


def test_flags_of_another_method(flags, tmp_path):
    """A flag of another method is an error on the command line; in a configuration file, which methods may share, it
    has no effect and is not recorded."""
    result = run("train", *flags, "--method", "frozen", "--rank", 8, "-o", tmp_path / "run")
    assert result.returncode == 2
    assert "--method frozen has no flag --rank: leave it out, or choose a method that has it (lora, pissa, dora, vera)" in result.stderr
    assert not (tmp_path / "run").exists()
    config = tmp_path / "shared.toml"
    config.write_text('rank = 8\nrslora = true\nlayers = "0"\n')
    result = run("train", *flags, "--method", "frozen", "--config", config, "-o", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "without effect with --method frozen, from the configuration file: layers, rank, rslora\n" in result.stderr
    recorded = (tmp_path / "run" / "config.toml").read_text()
    assert "method = 'frozen'" in recorded and "rank" not in recorded and "layers" not in recorded


# Clips on which a run was trained


def test_copies_of_the_training_clips_are_recognised(many, corpus, tmp_path):
    rows = []
    for number, row in enumerate(table_of(corpus)):
        source, target = corpus.parent / row["path"], tmp_path / f"{number}.wav"
        if number % 2:  # every second copy is softer: the same recording with other samples
            data = source.read_bytes()
            samples = numpy.frombuffer(data[44:], "<i2").astype(float)[:, None] / 32768
            write_wav(target, 0.4 * samples)
        else:
            shutil.copy(source, target)
        rows.append([target.name, row["label"], row["speaker"]])
    other = write_table(tmp_path / "other.csv", rows)
    result = run("evaluate", many, "--corpus", other, "--json")
    assert json.loads(result.stdout)["trained_clips"] == 32
    assert "the run was trained on 32 of these 32 clips" in result.stderr
    tested = [row["id"] for row in table_of(many / "folds.csv") if (row["fold"], row["part"]) == ("1", "test")]
    result = run("evaluate", many / "fold-01", "--corpus", other, "--json")
    assert json.loads(result.stdout)["trained_clips"] == 32 - len(tested)
    result = run("analyze", many, "--corpus", other, "--only", "contribution", "-o", tmp_path / "out")
    assert "was trained on 32 of these 32 clips" in result.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["about"]["trained_clips"] == 32


def test_a_run_without_recordings_knows_clips_by_their_files(copy, corpus):
    (copy / "recordings.csv").unlink()
    result = run("evaluate", copy, "--corpus", corpus, "--json")
    assert json.loads(result.stdout)["trained_clips"] == 32 and "no recordings.csv" in result.stderr


def test_damaged_recordings_are_refused(copy, corpus):
    file = copy / "recordings.csv"
    file.write_text(file.read_text().rstrip()[:-3] + "\n")
    expect_error(run("-q", "evaluate", copy, "--corpus", corpus), 1, file, "row 33", "fingerprint")


# Runs of other shapes


@pytest.fixture(scope="session")
def shapes(flags, tmp_path_factory):
    """LoRA runs with other ranks and modules on the same folds."""
    folder = tmp_path_factory.mktemp("shapes")
    for name, more in {"rank-4": ["--rank", 4], "modules": ["--rank", 4, "--targets", "q_proj,v_proj", "--layers", "0-1"]}.items():
        succeed("train", *flags, *more, "-o", folder / name)
    return folder


@slow
def test_runs_of_other_ranks_are_analysed_without_what_needs_equal_ones(trained, shapes, tmp_path):
    result = run("analyze", trained, shapes / "rank-4", "--only", "spectrum,contribution,gradients", "-o", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("left out: spectrum") == 1 and "lora_A" in result.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [analysis["name"] for analysis in summary["analyses"]] == ["contribution", "gradients"]
    expect_error(run("-q", "analyze", trained, shapes / "rank-4", "--only", "spectrum", "-o", tmp_path / "no"), 1,
                 "spectrum", "shape")
    expect_no_trace(tmp_path / "no")
    expect_error(run("-q", "analyze", trained, shapes / "modules", "-o", tmp_path / "no"), 1, "no repetition")


@slow
def test_a_run_is_compared_with_one_of_another_shape(trained, shapes, tmp_path):
    other, analyses = shapes / "modules" / "fold-00", "contribution,logit-lens,spectrum,alignment,gradients,embedding"
    succeed("analyze", trained / "fold-00", "--against", other, "--untrained", untrained_like(other, tmp_path / "untrained"),
            "--only", analyses, "--threads", 1, "-o", tmp_path / "out")
    tables = files_of(tmp_path / "out" / "tables")
    assert sorted(tables) == sorted(f"{name}.csv" for name in analyses.split(","))
