"""`train --from`: a training that starts from an existing adapter."""
import json
import shutil

import pytest

from support import expect_error, files_of, run, slow, succeed, table_of, write_table
from test_methods import METHODS
from test_resume import SECOND_FOLD, kill, train_until


@pytest.fixture(scope="module")
def still(model):
    """Flags of a training that leaves all parameters where they start."""
    return ["--model", model, "--folds", "speaker:2", "--threads", 1, "--learning-rate", 1e-12,
            "--head-learning-rate", 1e-12, "--head-epochs", 0, "--epochs", 1]


@pytest.fixture(scope="module")
def all_clips(tmp_path_factory):
    """Rows (path, label, speaker, corpus) of 8 speakers, of which `corpus` has the first 4, and of 3 sentences, of
    which `corpus` has the first 2."""
    folder = tmp_path_factory.mktemp("all") / "synthetic"
    succeed("synth", "-o", folder, "--voices", 8, "--sentences", 3)
    return [(folder / r["path"], r["label"], r["speaker"], r["corpus"]) for r in table_of(folder / "clips.csv")]


@pytest.fixture(scope="module")
def known(corpus):
    return {row["speaker"] for row in table_of(corpus)}


@pytest.fixture(scope="module")
def others(all_clips, known, tmp_path_factory):
    """A table of the 4 speakers that `corpus` lacks, one sentence."""
    rows = [r for r in all_clips if r[2] not in known and r[0].name.endswith("_01.wav")]
    return write_table(tmp_path_factory.mktemp("others") / "others.csv", rows, ("path", "label", "speaker", "corpus"))


def probabilities(folder):
    """{file name: {class: probability}}; of several folds' models, those of the first."""
    found = {}
    for row in table_of(folder / "predictions.csv"):
        found.setdefault(row["id"].split("/")[-1], {k: float(v) for k, v in row.items() if k.startswith("p_")})
    return found


def expect_the_answers_of(adapter, folder, others, tmp_path):
    succeed("evaluate", adapter, "--corpus", others, "--threads", 1, "-o", tmp_path / "evaluated")
    ours, theirs = probabilities(folder), probabilities(tmp_path / "evaluated")
    assert ours.keys() == theirs.keys() and len(ours) == 16
    for name, one in ours.items():
        assert one == pytest.approx(theirs[name], abs=1e-6), name


def expect_refusal(result, *words):
    assert result.returncode == 1 and not result.stdout
    error = result.stderr.splitlines()[-1]
    for word in ("loralens: --from", *words):
        assert str(word) in error


def test_it_starts_with_the_answers_of_a_fold(still, trained, others, tmp_path):
    result = run("train", *still, "--corpus", others, "--from", trained / "fold-01", "-o", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert f"starts from {trained / 'fold-01'}, with its head" in result.stderr
    expect_the_answers_of(trained / "fold-01", tmp_path / "run", others, tmp_path)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["from"]["folder"] == str(trained / "fold-01") and len(metrics["from"]["sha256"]) == 64
    assert metrics["method"] == "lora" and "trained_clips" not in metrics
    config = (tmp_path / "run" / "config.toml").read_text()
    assert f"from = '{trained / 'fold-01'}'\n" in config and "rank =" not in config and "projection =" not in config
    names = [json.loads((folder / "adapter_config.json").read_text()) for folder in
             (trained / "fold-01", tmp_path / "run" / "fold-00")]
    assert names[0] == names[1]

    # Its own clips and those that trained the fold are known as training clips; the file reproduces the run.
    said = run("evaluate", tmp_path / "run", "--corpus", table_with(trained, tmp_path), "--threads", 1).stderr
    assert "the run was trained on 16 of these 16 clips" in said
    succeed("train", "--config", tmp_path / "run" / "config.toml", "-o", tmp_path / "again")
    assert probabilities(tmp_path / "again") == probabilities(tmp_path / "run")


def table_with(trained, tmp_path):
    """A table of the clips that trained fold 1 of a run."""
    ids = {row["id"] for row in table_of(trained / "folds.csv") if row["fold"] == "1" and row["part"] != "test"}
    table = next(line for line in (trained / "config.toml").read_text().splitlines() if line.startswith("corpus"))
    corpus = table.split("'")[1]
    folder = corpus.rsplit("/", 1)[0]
    rows = [(f"{folder}/{r['path']}", r["label"], r["speaker"]) for r in table_of(corpus) if r["path"] in ids]
    return write_table(tmp_path / "trained.csv", rows)


def test_a_peft_adapter_gets_a_new_head_and_its_clips_are_unknown(still, adapter, others, tmp_path):
    # Python's PEFT saves an adapter without a head, too.
    from safetensors.numpy import load_file, save_file
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({k: v for k, v in tensors.items() if "lora_" in k}, adapter / "adapter_model.safetensors")
    result = run("train", *still, "--corpus", others, "--from", adapter, "--seeds", 2, "-o", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "with a new head: a PEFT adapter does not name its classes" in result.stderr
    assert f"it is unknown which clips trained {adapter}" in result.stderr
    prefix = "base_model.model."
    for folder in ("fold-00", "fold-01", "seed-43/fold-00"):
        start = load_file(tmp_path / "run" / folder / "initial.safetensors")
        assert {prefix + name for name in start} == {k for k in tensors if "lora_" in k}
        for name, values in start.items():
            assert (values == tensors[prefix + name]).all(), name
    heads = [load_file(tmp_path / "run" / folder / "adapter_model.safetensors")[prefix + "classifier.weight"]
             for folder in ("fold-00", "seed-43/fold-00")]
    assert (heads[0] != heads[1]).any()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["trained_clips"] is None
    succeed("report", tmp_path / "run")
    assert "Clips that trained the run" in (tmp_path / "run" / "report.html").read_text()
    said = run("evaluate", tmp_path / "run", "--corpus", others, "--threads", 1)
    assert "the run was trained on" in said.stderr


def test_held_out_clips_that_trained_it_are_refused(still, corpus, trained, all_clips, known, tmp_path):
    arguments = ["train", *still, "--corpus", corpus, "--from", trained / "fold-00", "-o", tmp_path / "run"]
    expect_refusal(run(*arguments), trained / "fold-00", "the adapter was trained on 16 of the 32 clips",
                   "part of fold", "--allow-leaks")
    assert not (tmp_path / "run").exists()
    result = run(*arguments, "--allow-leaks")
    assert result.returncode == 0 and "their scores are no test" in result.stderr
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["trained_clips"] == 16
    succeed("report", tmp_path / "run")

    # Other sentences of the same speakers.
    rows = [r for r in all_clips if r[2] in known and r[0].name.endswith("_03.wav")]
    table = write_table(tmp_path / "third.csv", rows, ("path", "label", "speaker", "corpus"))
    refused = run("train", *still, "--corpus", table, "--from", trained / "fold-00", "-o", tmp_path / "third")
    expect_refusal(refused, "other clips of the speakers of 8 of the 16 clips", "corpus synthetic", "--allow-leaks")
    succeed("train", *still, "--corpus", table, "--from", trained / "fold-00", "--allow-leaks",
            "-o", tmp_path / "third")
    metrics = json.loads((tmp_path / "third" / "metrics.json").read_text())
    assert metrics["trained_speakers"] == 2 and "trained_clips" not in metrics
    seen = run("evaluate", trained / "fold-00", "--corpus", table, "-o", tmp_path / "known")
    assert f"2 of the speakers of these clips trained {trained / 'fold-00'}" in seen.stderr, seen.stderr
    metrics = json.loads((tmp_path / "known" / "metrics.json").read_text())
    assert metrics["trained_speakers"] == 2 and metrics["trained_clips"] == 0
    succeed("report", tmp_path / "known")
    assert "Speakers who trained the run" in (tmp_path / "known" / "report.html").read_text()

    # A run that started from it knows its clips, too.
    rows = [r for r in all_clips if r[2] not in known and r[0].name.endswith("_03.wav")]
    table = write_table(tmp_path / "new.csv", rows, ("path", "label", "speaker", "corpus"))
    succeed("train", *still, "--corpus", table, "--from", trained / "fold-00", "--final", "-o", tmp_path / "second")
    refused = run("train", *still, "--corpus", corpus, "--from", tmp_path / "second", "-o", tmp_path / "fourth")
    expect_refusal(refused, "16 of the 32 clips")


def test_flags_that_contradict_the_adapter_are_refused(still, trained, others, corpus, adapter, tmp_path):
    start = ["train", *still, "--corpus", others, "--from", trained / "fold-00", "-o", tmp_path / "run"]
    saved = json.loads((trained / "fold-00" / "adapter_config.json").read_text())
    for given, words in ((["--rank", 3], ("--rank 3", f"has {saved['r']}", "leave --rank out")),
                         (["--method", "dora"], ("--method dora", "lora")),
                         (["--targets", "q_proj"], ("--targets", "other modules")),
                         (["--layers", "0"], ("--layers", "other modules")),
                         (["--dropout", 0.5], ("--dropout 0.5",)),
                         (["--projection", 7], ("--projection 7", "256")),
                         (["--weighted-layer-sum"], ("--weighted-layer-sum", "no weighted layer sum")),
                         (["--reduction", 4], ("--method lora has no flag --reduction",)),
                         (["--read-out", "logistic"], ("--read-out logistic",))):
        result = run(*start, *given)
        assert result.returncode == 2, result.stderr
        for word in words:
            assert word in result.stderr.splitlines()[-1]
    expect_refusal(run("train", *still, "--corpus", others, "--from", trained, "-o", tmp_path / "run"), "no final/")
    result = run("train", *still, "--corpus", others, "--from", tmp_path, "-o", tmp_path / "run")
    expect_error(result, 1, "--from", tmp_path)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "openai/whisper-tiny"
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    expect_refusal(run("train", *still, "--corpus", others, "--from", adapter, "-o", tmp_path / "run"), "whisper-tiny")
    assert not (tmp_path / "run").exists()


def test_flags_that_agree_with_the_adapter_are_accepted(still, trained, others, tmp_path):
    lines = (trained / "config.toml").read_text().splitlines(keepends=True)
    (tmp_path / "flags.toml").write_text("".join(line for line in lines if not line.startswith("corpus")))
    succeed("train", *still, "--config", tmp_path / "flags.toml", "--corpus", others, "--from", trained / "fold-00",
            "--freeze", "A", "-o", tmp_path / "run")
    assert "freeze = 'A'\n" in (tmp_path / "run" / "config.toml").read_text()


@slow
@pytest.mark.parametrize("method", [*METHODS, "houlsby", "frozen"])
def test_each_method_starts_with_the_answers_of_its_final_model(flags, still, others, tmp_path, method):
    choice = METHODS[method][0] if method in METHODS else ["--method", method]
    gradient = ["--read-out", "gradient"] if method == "frozen" else []
    succeed("train", *flags, *choice, *gradient, "--final", "-o", tmp_path / "first")
    succeed("train", *still, "--corpus", others, "--from", tmp_path / "first", "-o", tmp_path / "run")
    expect_the_answers_of(tmp_path / "first" / "final", tmp_path / "run", others, tmp_path)


@slow
@pytest.mark.parametrize("method", ["lora", "pissa", "vera", "last-layer"])
def test_a_killed_run_ends_with_the_same_bits(flags, quick, others, tmp_path, method):
    choice = METHODS[method][0] if method in METHODS else ["--dropout", 0.1]
    succeed("train", *flags, *choice, "--final", "-o", tmp_path / "first")
    arguments = [*quick, "--corpus", others, "--from", tmp_path / "first", "--final", "--seeds", 2, "-o"]
    succeed("train", *arguments, tmp_path / "whole")
    kill(train_until([*arguments, tmp_path / "run"], tmp_path / "run.partial" / SECOND_FOLD))
    succeed("train", "--resume", tmp_path / "run")
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")
    answers = probabilities(tmp_path / "run")
    assert answers != probabilities(tmp_path / "first")

    # Another adapter in the same place is refused.
    kill(train_until([*arguments, tmp_path / "third"], tmp_path / "third.partial" / SECOND_FOLD))
    shutil.rmtree(tmp_path / "first" / "final")
    shutil.copytree(tmp_path / "first" / "fold-00", tmp_path / "first" / "final")
    refused = run("train", "--resume", tmp_path / "third")
    assert refused.returncode == 1 and "--from was" in refused.stderr
