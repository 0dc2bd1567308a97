"""Each adaptation method from training to analysis: a killed run ends with the same bits, the final model predicts,
PEFT's files hold the method, and analyses that need two factors A and B say so."""
import json
import shutil

import pytest

from support import CLASSES, files_of, read_safetensors, run, slow, succeed, table_of
from test_resume import FINAL, SECOND_FOLD, kill, train_until

PEFT = "adapter_model.safetensors"
FEW = ["--targets", "v_proj,fc1", "--layers", "3"]  # of two shapes
METHODS = {
    "freeze-A": ([*FEW, "--freeze", "A", "--dropout", 0.1], "lora", PEFT, "lora_A"),
    "freeze-B": ([*FEW, "--freeze", "B"], "lora", PEFT, "lora_B"),
    "pissa": ([*FEW, "--method", "pissa", "--rank", 4, "--dropout", 0.1], "pissa", PEFT, "lora_A"),
    "dora": ([*FEW, "--method", "dora", "--dropout", 0.1], "dora", PEFT, "lora_magnitude_vector"),
    "vera": ([*FEW, "--method", "vera", "--dropout", 0.1], "vera", PEFT, "vera_lambda_b"),
    "ia3": (["--method", "ia3"], "ia3", PEFT, "ia3_l"),
    "bitfit": (["--method", "bitfit"], "bitfit", "head.safetensors", "encoder.layers.3.fc1.bias"),
    "last-layer": (["--method", "full", "--layers", "3"], "full", "head.safetensors", "encoder.layer_norm.weight"),
}
FACTORS = ("freeze-A", "freeze-B", "pissa", "dora")  # of which A and B are analysed


@pytest.fixture(scope="module", params=METHODS)
def trained_run(request, flags, tmp_path_factory):
    """The name of a method of METHODS, its flags of a training, and the run."""
    arguments = [*flags, *METHODS[request.param][0], "--watch", 1, "--final"]
    folder = tmp_path_factory.mktemp("method") / "run"
    succeed("train", *arguments, "-o", folder)
    return request.param, arguments, folder


def test_recomputed_activations_change_no_number(flags, tmp_path):
    for name, more in (("kept", []), ("recomputed", ["--recompute"])):
        succeed("train", *flags, *FEW, "--dropout", 0.1, "--watch", 2, *more, "-o", tmp_path / name)
    for file in ("predictions.csv", f"fold-00/{PEFT}", "fold-00/watch.csv"):
        assert (tmp_path / "kept" / file).read_bytes() == (tmp_path / "recomputed" / file).read_bytes(), file
    refused = run("train", *flags, "--recompute", "--weighted-layer-sum", "-o", tmp_path / "sum")
    assert refused.returncode == 2 and "--weighted-layer-sum" in refused.stderr


def test_base_weights_in_int8_belong_to_their_models(flags, corpus, tmp_path):
    int8 = ["--base-precision", "int8"]
    for name, more in (("kept", []), ("recomputed", ["--recompute"])):
        succeed("train", *flags, *FEW, *int8, "--dropout", 0.1, "--watch", 0, *more, "-o", tmp_path / name)
    for file in ("predictions.csv", f"fold-00/{PEFT}"):
        assert (tmp_path / "kept" / file).read_bytes() == (tmp_path / "recomputed" / file).read_bytes(), file
    fold = tmp_path / "kept" / "fold-00"
    assert json.loads((fold / "config.json").read_text())["loralens_base_precision"] == "int8"
    assert "base-precision = 'int8'\n" in (tmp_path / "kept" / "config.toml").read_text()

    # Evaluation rounds the weights, too: the same answers; without config.json, others.
    def answers(folder):
        return {row["id"]: float(row["p_anger"]) for row in table_of(folder / "predictions.csv")}

    succeed("evaluate", fold, "--corpus", corpus, "--threads", 1, "-o", tmp_path / "rounded")
    written = {row["id"]: float(row["p_anger"]) for row in table_of(fold / "predictions.csv")}
    rounded = answers(tmp_path / "rounded")
    assert written == pytest.approx({key: rounded[key] for key in written}, abs=1e-6)
    shutil.copytree(fold, tmp_path / "peft")
    (tmp_path / "peft" / "config.json").unlink()
    (tmp_path / "peft" / "history.csv").unlink()
    succeed("evaluate", tmp_path / "peft", "--corpus", corpus, "--classes", ",".join(CLASSES), "--threads", 1,
            "-o", tmp_path / "plain")
    plain = answers(tmp_path / "plain")
    assert 0 < max(abs(plain[key] - value) for key, value in rounded.items()) < 0.2

    refused = run("train", *flags, "--method", "bitfit", *int8, "-o", tmp_path / "bitfit")
    assert refused.returncode == 2 and "--base-precision int8" in refused.stderr and "bitfit" in refused.stderr


@slow
def test_a_killed_run_ends_with_the_same_bits(trained_run, tmp_path):
    _, arguments, uninterrupted = trained_run
    target, partial = tmp_path / "run", tmp_path / "run.partial"
    arguments = [*arguments, "-o", target]
    for path in (SECOND_FOLD, FINAL):
        kill(train_until(arguments, partial / path))
        arguments = ["--resume", target]
    succeed("train", "--resume", target)
    assert files_of(target) == files_of(uninterrupted)


@slow
def test_its_models_are_saved_and_predict(trained_run, clips, corpus):
    name, _, folder = trained_run
    _, method, file, tensor = METHODS[name]
    assert json.loads((folder / "fold-00" / "config.json").read_text())["loralens"]["method"] == method
    header, _ = read_safetensors(folder / "final" / file)
    assert any(tensor in key for key in header)
    assert json.loads(succeed("predict", folder, clips[0]))["label"]
    # Predicted by the model in memory; below by the model read from its file.
    written = table_of(folder / "predictions.csv")[0]
    again = json.loads(succeed("predict", folder / f"fold-{int(written['fold']):02}", corpus.parent / written["id"]))
    for emotion, probability in again["probabilities"].items():
        assert probability == pytest.approx(float(written[f"p_{emotion}"]), abs=1e-5)


@slow
def test_watch_records_its_factors(trained_run):
    name, _, folder = trained_run
    rows = table_of(folder / "fold-00" / "watch.csv")
    assert {row["component"] for row in rows} >= {"residual", "logits"}
    norms = {component: {row["value"] for row in rows if (row["component"], row["metric"]) == (component, "norm")
                         and (row["layer"], row["module"]) == ("3", "fc1")} for component in "AB"}
    if name not in FACTORS:
        assert norms == {"A": set(), "B": set()}
        return
    for factor, frozen in ("A", "freeze-A"), ("B", "freeze-B"):
        gradients = [float(row["value"]) for row in rows if (row["component"], row["metric"]) == (factor, "gradient_norm")]
        if name == frozen:
            assert len(norms[factor]) == 1 and not any(gradients), f"{factor} is constant"
        else:
            assert norms[factor] and max(gradients) > 0


@slow
def test_analyses_measure_the_update_and_say_where_there_are_no_factors(trained_run, tmp_path):
    name, _, folder = trained_run
    some = tmp_path / "some.txt"
    some.write_text("".join(row["id"] + "\n" for row in table_of(folder / "predictions.csv")[::4]))
    result = run("analyze", folder, "--only", "contribution,spectrum,alignment,gradients", "--precision", "fp32", "--threads", 1,
                 "--clips", some, "-o", tmp_path / "analysis")
    assert result.returncode == 0, result.stderr
    spectrum = table_of(tmp_path / "analysis" / "tables" / "spectrum.csv")
    components = {row["component"] for row in spectrum}
    assert ("delta-weight" in components) == (name != "bitfit")
    assert ("A" in components) == (name in FACTORS)
    if name in ("vera", "ia3"):
        assert "Spectra of A and B exist for adapters with two factors only" in result.stderr
        assert "have no two factors A and B to compare" in result.stderr
    if name == "bitfit":
        assert "weight matrices are those of the base model" in result.stderr
    rows = table_of(tmp_path / "analysis" / "tables" / "contribution.csv")
    assert any(float(row["value"]) != 0 for row in rows if row["model"] == "adapted-frozen")


def test_a_preset_gives_a_method_its_own_flags(flags, tmp_path):
    for method, line in (("vera", "rank = 256\n"), ("ia3", "targets = 'k_proj,v_proj,fc2'\n"), ("full", "layers = 'all'\n")):
        succeed("train", *flags, "--method", method, "-o", tmp_path / method)
        assert line in (tmp_path / method / "config.toml").read_text()
