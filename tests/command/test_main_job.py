"""Command tests of the main workflow: synthetic corpus, training, evaluation, prediction."""
import json
import os
import shutil

import numpy
import pytest
from safetensors.numpy import load_file

from support import CLASSES, expect_error, files_of, run, slow, start, succeed, table_of, write_table


@pytest.fixture(scope="session")
def lora(flags, tmp_path_factory):
    """A LoRA run of two folds with final/."""
    folder = tmp_path_factory.mktemp("lora") / "run"
    succeed("train", *flags, "--method", "lora", "--final", "-o", folder)
    return folder


@pytest.fixture(scope="session")
def frozen(flags, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frozen") / "run"
    succeed("train", *flags, "--method", "frozen", "-o", folder)
    return folder


def predictions(*arguments, **options):
    return [json.loads(line) for line in succeed("predict", *arguments, **options).splitlines()]


def averages(*lists):
    """Mean probabilities of each class over several predictions of the same files."""
    return [{c: numpy.mean([p["probabilities"][c] for p in same]) for c in CLASSES} for same in zip(*lists)]


def test_synth_makes_a_balanced_corpus(corpus):
    rows = table_of(corpus)
    assert len(rows) == 32
    assert {row["label"] for row in rows} == set(CLASSES)
    assert len({row["speaker"] for row in rows}) == 4
    assert all((corpus.parent / row["path"]).is_file() for row in rows)
    assert {row["corpus"] for row in rows} == {"synthetic"}


def test_a_run_holds_what_the_contract_says(lora):
    model = {"adapter_config.json", "adapter_model.safetensors", "config.json", "history.csv", "initial.safetensors",
             "watch.csv", "README.md", "preprocessor_config.json"}
    expected = {"config.toml", "folds.csv", "inputs.json", "metrics.json", "predictions.csv", "recordings.csv"}
    expected |= {f"final/{name}" for name in model}
    expected |= {f"{fold}/{name}" for fold in ("fold-00", "fold-01") for name in model | {"predictions.csv"}}
    assert set(files_of(lora)) == expected


def test_training_is_watched_without_a_trace_in_its_results(lora, tmp_path):
    rows = table_of(lora / "fold-00" / "watch.csv")
    assert list(rows[0]) == ["step", "epoch", "layer", "module", "component", "metric", "value"]
    assert {row["step"] for row in rows} == {"0"}  # recorded every 20 steps; this training has fewer
    assert {row["layer"] for row in rows if row["component"] == "BA"} == {"2", "3"}
    succeed("train", "--config", lora / "config.toml", "--watch", 1, "-o", tmp_path / "often")
    succeed("train", "--config", lora / "config.toml", "--watch", 0, "-o", tmp_path / "never")
    often, never = files_of(tmp_path / "often"), files_of(tmp_path / "never")
    steps = [row["step"] for row in table_of(tmp_path / "often" / "fold-00" / "watch.csv")]
    assert set(steps) == set(map(str, range(int(table_of(lora / "fold-00" / "history.csv")[-1]["steps"]))))
    for name, content in never.items():
        assert name in ("config.toml", "inputs.json") or often[name] == content  # these hold the value of --watch
    assert set(often) - set(never) == {f"{folder}/watch.csv" for folder in ("fold-00", "fold-01", "final")}


def test_folds_keep_speakers_apart(lora, corpus):
    speakers = {row["path"]: row["speaker"] for row in table_of(corpus)}
    rows = table_of(lora / "folds.csv")
    assert list(rows[0]) == ["id", "fold", "part"]
    assert len(rows) == 2 * len(speakers)
    for fold in ("0", "1"):
        parts = {part: {speakers[r["id"]] for r in rows if r["fold"] == fold and r["part"] == part}
                 for part in ("train", "development", "test")}
        assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 4
    assert sorted(row["id"] for row in rows if row["part"] == "test") == sorted(speakers)


def test_predictions_and_metrics_agree(lora, corpus):
    rows = table_of(lora / "predictions.csv")
    assert list(rows[0]) == ["id", "fold", "speaker", "label", "predicted"] + [f"p_{c}" for c in CLASSES] + ["seed"]
    assert sorted(row["id"] for row in rows) == sorted(row["path"] for row in table_of(corpus))
    confusion = numpy.zeros((4, 4))
    for row in rows:
        p = [float(row[f"p_{c}"]) for c in CLASSES]
        assert sum(p) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == CLASSES[int(numpy.argmax(p))]
        confusion[CLASSES.index(row["label"]), CLASSES.index(row["predicted"])] += 1
    metrics = json.loads((lora / "metrics.json").read_text())
    assert metrics["confusion"] == confusion.tolist()
    assert metrics["classes"] == CLASSES
    assert (metrics["method"], metrics["protocol"], metrics["base"]) == ("lora", "strict", "openai/whisper-tiny.en")
    for name in ("uar", "war", "macro_f1"):
        assert {"mean", "std", "pooled", "low", "high"} <= set(metrics[name])
        folds = [fold[name] for fold in metrics["folds"]]
        assert metrics[name]["mean"] == pytest.approx(numpy.mean(folds))
        assert metrics[name]["std"] == pytest.approx(numpy.std(folds, ddof=1))
        if metrics[name]["low"] is None:
            assert metrics[name]["high"] is None and metrics[name]["reason"]
        else:
            assert metrics[name]["low"] <= metrics[name]["pooled"] <= metrics[name]["high"]
    assert metrics["war"]["pooled"] == pytest.approx(confusion.trace() / confusion.sum())
    assert metrics["uar"]["pooled"] == pytest.approx(numpy.mean(confusion.diagonal() / confusion.sum(1)))
    truth = numpy.array([CLASSES.index(row["label"]) for row in rows])
    probabilities = numpy.array([[float(row[f"p_{c}"]) for c in CLASSES] for row in rows])
    assert metrics["calibration"]["log_loss"] == pytest.approx(
        -numpy.log(probabilities[numpy.arange(len(rows)), truth]).mean())
    assert metrics["calibration"]["brier"] == pytest.approx(((probabilities - numpy.eye(4)[truth]) ** 2).sum(1).mean())
    assert 0 < metrics["calibration"]["calibrated"]["mean"] < metrics["calibration"]["calibrated"]["high"] < 1
    right = [[r["label"] == r["predicted"] for r in rows if r["fold"] == fold] for fold in ("0", "1")]
    assert [fold["war"] for fold in metrics["folds"]] == pytest.approx([numpy.mean(fold) for fold in right])


def test_history_and_adapter_files(lora):
    history = table_of(lora / "fold-00" / "history.csv")
    assert [row["epoch"] for row in history] == ["0", "1"]
    assert {"loss", "learning_rate", "gradient_norm_A", "gradient_norm_B"} <= set(history[0])
    assert sum(row["kept"] == "1" for row in history) == 1
    tensors = load_file(lora / "fold-00" / "adapter_model.safetensors")
    initial = load_file(lora / "fold-00" / "initial.safetensors")
    assert all(name.startswith("base_model.model.") for name in tensors)
    assert {f"base_model.model.{name}" for name in initial} < set(tensors)
    for name, value in initial.items():
        assert name.endswith(".lora_A.weight") or not value.any()
        assert (tensors[f"base_model.model.{name}"] != value).any()
    config = json.loads((lora / "fold-00" / "config.json").read_text())
    assert [config["id2label"][str(i)] for i in range(4)] == CLASSES
    peft = json.loads((lora / "fold-00" / "adapter_config.json").read_text())
    assert peft["peft_type"] == "LORA" and set(peft["modules_to_save"]) == {"projector", "classifier"}


def test_config_reproduces_the_run_from_any_folder(lora, tmp_path):
    succeed("train", "--config", lora / "config.toml", "-o", "again", cwd=tmp_path)
    assert files_of(tmp_path / "again") == files_of(lora)


def test_the_command_line_wins_over_the_file(lora, tmp_path):
    succeed("train", "--config", lora / "config.toml", "--epochs", 1, "--method", "frozen", "--read-out", "gradient",
            "-o", tmp_path / "run")
    assert len(table_of(tmp_path / "run" / "fold-00" / "history.csv")) == 1
    assert (tmp_path / "run" / "fold-00" / "head.safetensors").is_file()


def test_progress_is_no_bar_where_there_is_no_terminal(flags, tmp_path):
    result = run("train", *flags, "--method", "frozen", "-o", tmp_path / "run")
    assert result.returncode == 0
    assert "\r" not in result.stderr and "\033" not in result.stderr
    unused, started, *folds = result.stderr.splitlines()
    assert unused == "without effect with --read-out logistic: --epochs, --head-epochs"
    assert "2 folds" in started and all("test UAR" in line for line in folds)
    assert run("-q", "train", *flags, "--method", "frozen", "-o", tmp_path / "quiet").stderr == ""


def test_progress_on_a_terminal(flags, tmp_path):
    terminal, end = os.openpty()
    process = start("train", *flags, "-o", tmp_path / "run", stderr=end)
    os.close(end)
    shown = b""
    try:
        while block := os.read(terminal, 65536):
            shown += block
    except OSError:  # Linux: the other end is closed
        os.close(terminal)
    process.communicate()
    assert process.returncode == 0
    for words in ("fold 1/2: ", "epoch 1  loss ", "best UAR ", " left"):
        assert words in shown.decode()


def test_evaluate_shows_the_run_own_folds(lora, frozen):
    metrics = json.loads((lora / "metrics.json").read_text())
    printed = json.loads(succeed("evaluate", lora, "--json"))
    assert {name: metrics[name] for name in printed} == printed
    assert f"{metrics['uar']['mean']:.3f}" in succeed("evaluate", lora).splitlines()[0]
    assert "UAR" in succeed("evaluate", frozen)


def test_evaluate_on_another_corpus_maps_classes_by_name(frozen, corpus, tmp_path):
    names = {"anger": "ang", "happiness": "exc", "neutral": "disgust", "sadness": "sadness"}
    rows = [(corpus.parent / row["path"], names[row["label"]], "new-" + row["speaker"]) for row in table_of(corpus)]
    other = write_table(tmp_path / "other.csv", rows)
    labels = "ang=anger,exc=happiness,disgust,sadness"
    result = run("evaluate", frozen, "--corpus", other, "--labels", labels, "--json", "-o", tmp_path / "out")
    assert result.returncode == 0
    assert "8 clips labelled disgust" in result.stderr
    metrics = json.loads(result.stdout)
    assert [sum(row) for row in metrics["confusion"]] == [16, 16, 0, 16]  # the models of both folds
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert len(table_of(tmp_path / "out" / "predictions.csv")) == 48


def test_evaluate_refuses_a_corpus_without_its_classes(frozen, corpus, tmp_path):
    rows = [(corpus.parent / row["path"], "boredom", row["speaker"]) for row in table_of(corpus)]
    other = write_table(tmp_path / "other.csv", rows)
    result = run("-q", "evaluate", frozen, "--corpus", other, "-o", tmp_path / "out")
    expect_error(result, 1, "other.csv", "anger happiness neutral sadness", "--labels")
    assert not (tmp_path / "out").exists()


def test_predict_keeps_order_and_goes_on_after_a_bad_file(lora, clips, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    files = [*clips[5::-1], bad, *clips[6:12]]
    result = run("predict", lora, *files)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 1
    assert result.stderr == 'loralens: 1 of 13 files could not be read: "error" in their lines says why\n'
    assert [line["path"] for line in lines] == [str(file) for file in files]
    for line in lines:
        if line["path"] == str(bad):
            assert set(line) == {"path", "error"} and "bad.wav" in line["error"]
        else:
            assert set(line) == {"path", "label", "probabilities", "seconds"}
            assert list(line["probabilities"]) == CLASSES
            assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-6)
            assert line["label"] == max(line["probabilities"], key=line["probabilities"].get)
            assert line["seconds"] > 0.5


def test_predict_reads_paths_from_standard_input(frozen, clips):
    some = [str(clip) for clip in clips[:3]]
    assert predictions(frozen, "-", input="\n".join(some)) == predictions(frozen, *some)


def test_predict_uses_final_or_the_mean_of_the_folds(lora, frozen, clips):
    some = clips[::8]
    assert predictions(lora, *some) == predictions(lora / "final", *some)
    folds = [predictions(frozen / fold, *some) for fold in ("fold-00", "fold-01")]
    for line, mean in zip(predictions(frozen, *some), averages(*folds)):
        assert line["probabilities"] == pytest.approx(mean, abs=1e-6)


def test_predict_agrees_with_the_run_own_predictions(lora, corpus):
    rows = [row for row in table_of(lora / "predictions.csv") if row["fold"] == "1"][::4]
    lines = predictions(lora / "fold-01", *[corpus.parent / row["id"] for row in rows])
    for row, line in zip(rows, lines):
        assert line["probabilities"] == pytest.approx({c: float(row[f"p_{c}"]) for c in CLASSES}, abs=0.02)


def test_predict_with_a_bare_peft_folder(adapter, trained, model, clips):
    expected = predictions(trained / "fold-00", clips[0])[0]
    named = predictions(adapter, clips[0], "--model", model, "--classes", "a,b,c,d")[0]
    numbered = predictions(adapter, clips[0], "--model", model)[0]
    assert list(named["probabilities"]) == ["a", "b", "c", "d"]
    assert list(numbered["probabilities"]) == ["0", "1", "2", "3"]
    for line in (named, numbered):
        assert list(line["probabilities"].values()) == pytest.approx(list(expected["probabilities"].values()), abs=1e-6)
    expect_error(run("predict", adapter, clips[0], "--model", model, "--classes", "a,b"), 1, "4 classes", "2 names")


def test_predict_needs_the_base_where_none_is_named(adapter, clips):
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    expect_error(run("predict", adapter, clips[0]), 1, adapter, "--model")


@slow
@pytest.mark.parametrize("more", [
    ["--method", "full"],
    ["--weighted-layer-sum"],
    ["--method", "frozen", "--read-out", "gradient", "--weighted-layer-sum"],
    ["--rslora", "--targets", "q_proj,fc1", "--rank-pattern", "fc1=2", "--layers", "0,2-3"],
], ids=["full", "layer-sum", "frozen-layer-sum", "rslora"])
def test_other_models_train_and_predict(flags, clips, tmp_path, more):
    succeed("train", *flags, *more, "-o", tmp_path / "run")
    assert len(predictions(tmp_path / "run", *clips[:2])) == 2


@slow
def test_the_paper_protocol(flags, tmp_path):
    succeed("train", *flags, "--protocol", "paper", "--input", "speech", "-o", tmp_path / "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["protocol"] == "paper"
    assert metrics["uar"]["std"] == pytest.approx(numpy.std([fold["uar"] for fold in metrics["folds"]], ddof=0))
    assert {row["part"] for row in table_of(tmp_path / "run" / "folds.csv")} == {"train", "test"}


def test_force_replaces_a_run(frozen, flags, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(frozen, copy)
    (copy / "history.csv").write_text("old")
    expect_error(run("train", *flags, "--method", "frozen", "-o", copy), 1, copy, "exists already", "--force")
    expect_error(run("train", *flags, "--method", "frozen", "-o", copy, "--force"), 1, copy, "history.csv in it")
    (copy / "history.csv").unlink()
    (copy / "metrics.json").write_text((copy / "metrics.json").read_text() + " ")
    succeed("train", *flags, "--method", "frozen", "-o", copy, "--force")
    assert files_of(copy) == files_of(frozen)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
