"""`--device cuda`, on a simulated GPU (tests/gpu/gpu.cc) or, if LibTorch is built for CUDA, on a real one."""
import json
import os
from pathlib import Path

import numpy
import pytest

import support
from support import expect_error, run, slow, succeed, table_of, write_table

ON_GPU = os.environ.get("LORALENS_ON_GPU", "")

# All options that add operations to a training step.
ALL = ["--targets", "q_proj,k_proj,v_proj,out_proj,fc1,fc2", "--weighted-layer-sum", "--accumulate", 2, "--position-dropout", 0.3,
       "--average", 0.5, "--weight-decay", 0.1, "--label-smoothing", 0.1, "--class-weights", 1, "--time-masks", 1]
TRAININGS = {"all": ALL, "full": ["--method", "full", "--learning-rate", 1e-4],
             "frozen": ["--method", "frozen", "--read-out", "gradient"], "logistic": ["--method", "frozen"],
             "late": ["--specialize", "late:2", "--specialize-weight", 1], "padded": ["--input", "padded"]} | {
                 method: ["--method", method] for method in ("pissa", "dora", "vera", "ia3", "bitfit")}


@pytest.fixture
def on_gpu(monkeypatch, tmp_path):
    """Runs a command on the GPU; returns its standard output and the simulated GPU's report (None for a real GPU)."""
    environment = support.ENVIRONMENT | {"LORALENS_GPU_REPORT": str(tmp_path / "report.json")}

    def on_gpu(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(support, "PROGRAM", ON_GPU)
            patch.setattr(support, "ENVIRONMENT", environment)
            result = run(*arguments, "--device", "cuda")
        if "no GPU can be used" in result.stderr:
            pytest.skip("LibTorch finds no GPU")
        assert result.returncode == 0, result.stderr
        report = tmp_path / "report.json"
        return result.stdout, json.loads(report.read_text()) if report.exists() else None

    return on_gpu


def expect_close(ours, theirs, columns, tolerance=2e-5):
    """Asserts that two tables agree: these columns as numbers within the tolerance, the others as equal texts."""
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs):
        assert {k: v for k, v in one.items() if k not in columns} == {k: v for k, v in other.items() if k not in columns}
    for column in columns:
        values = [[float(row[column] or "nan") for row in table] for table in (ours, theirs)]
        of_draws = column in ("p", "p_adjusted")  # ranks among draws: a last bit can move a draw past the value
        numpy.testing.assert_allclose(*values, rtol=20 * tolerance, atol=0.02 if of_draws else tolerance, err_msg=column)


@slow
@pytest.mark.parametrize("training", TRAININGS)
def test_training_is_that_of_the_processor(on_gpu, quick, corpus, tmp_path, training):
    if training == "padded":  # 30 s per clip are slow: one clip per speaker, two classes
        rows = [row for row in table_of(corpus) if row["path"].endswith("_01.wav")]
        few = [row for i, row in enumerate(rows) if i % 4 == i // 8]
        corpus = write_table(tmp_path / "few.csv", [(corpus.parent / r["path"], r["label"], r["speaker"]) for r in few])
    arguments = ["train", *quick, "--corpus", corpus, "--precision", "fp32", "--batch", 5, *TRAININGS[training]]
    succeed(*arguments, "-o", tmp_path / "cpu")
    on_gpu(*arguments, "-o", tmp_path / "gpu")
    histories = [] if training == "logistic" else ["fold-00/history.csv", "fold-01/history.csv"]
    for table in (*histories, "predictions.csv"):
        cpu, gpu = table_of(tmp_path / "cpu" / table), table_of(tmp_path / "gpu" / table)
        texts = {"epoch", "steps", "kept", "id", "fold", "label", "speaker", "predicted"}
        expect_close(gpu, cpu, set(cpu[0]) - texts)


@slow
@pytest.mark.parametrize("training", ["all", "full", "late"])
def test_no_step_waits_for_the_gpu(on_gpu, flags, tmp_path, training):
    """Epochs of two and of sixteen steps wait equally often. Progress is off (-q), since it reads the loss."""
    reports = []
    for batch in (8, 1):
        reports.append(on_gpu("train", "-q", *flags, *TRAININGS[training], "--watch", 0, "--batch", batch,
                              "-o", tmp_path / f"batch-{batch}")[1])
    if None in reports:
        pytest.skip("a real GPU does not count what waits for it")
    assert reports[0]["waits"] == reports[1]["waits"]
    assert reports[1]["operations"]["aten::_fused_adamw_"] > 2 * reports[0]["operations"]["aten::_fused_adamw_"]


@pytest.fixture(scope="module")
def narrow(flags, tmp_path_factory):
    """A LoRA run with adapters on few modules, since null distributions take long for each."""
    folder = tmp_path_factory.mktemp("narrow") / "run"
    succeed("train", *flags, "--targets", "v_proj,fc1", "-o", folder)
    return folder


@slow
@pytest.mark.parametrize("options, tables", [
    (["--protocol", "strict"], 5), (["--protocol", "paper"], 5), (["--only", "erasure-of-concepts"], 1)])
def test_analyses_are_those_of_the_processor(on_gpu, narrow, corpus, tmp_path, options, tables):
    few = tmp_path / "clips.txt"  # four clips of a fold, one for each class, since the simulated GPU is slow
    rows = [row for row in table_of(corpus) if row["path"].endswith("_01.wav")]
    few.write_text("".join(f"{row['path']}\n" for i, row in enumerate(rows) if i % 2 == i // 8))
    arguments = ["analyze", narrow, *options, "--precision", "fp32", "--clips", few]
    succeed(*arguments, "--threads", 1, "-o", tmp_path / "cpu")
    on_gpu(*arguments, "-o", tmp_path / "gpu")
    seen = 0
    for path in sorted((tmp_path / "cpu" / "tables").glob("*.csv")):
        cpu, gpu = table_of(path), table_of(tmp_path / "gpu" / "tables" / path.name)
        if cpu:
            expect_close(gpu, cpu, {"value", "low", "high", "p", "p_adjusted", "null_low", "null_high"})
            seen += 1
    assert seen >= tables


@slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_predictions_in_half_precision(on_gpu, trained, clips, precision):
    files = [str(path) for path in clips[:5]]
    exact = [json.loads(line) for line in succeed("predict", trained, "--precision", "fp32", *files).splitlines()]
    found = [json.loads(line) for line in on_gpu("predict", trained, "--precision", precision, *files)[0].splitlines()]
    for one, other in zip(exact, found, strict=True):
        for name, value in one["probabilities"].items():
            assert other["probabilities"][name] == pytest.approx(value, abs=0.01)


@slow
def test_transcripts_are_those_of_the_processor(on_gpu, model, trained, clips):
    folder = Path(succeed("fetch", model).strip())
    if not (folder / "generation_config.json").exists():
        pytest.skip(f"{folder} has no generation_config.json; ./run-tests puts it there")
    command = ["transcribe", folder, *clips[:3], "--adapter", trained / "fold-00"]
    exact = succeed(*command, "--precision", "fp32", "--threads", 1)
    assert on_gpu(*command, "--precision", "fp32")[0] == exact
    halves = [json.loads(line) for line in on_gpu(*command, "--precision", "fp16")[0].splitlines()]
    assert all(line["tokens"] for line in halves)


def test_states_are_those_of_the_cpu(on_gpu, trained, clips, tmp_path):
    command = ["embed", trained / "fold-00", *clips[:3], "--site", "residual_out,adapter_up,final_norm,logits",
               "--layer", "all", "--precision", "fp32"]
    succeed(*command, "-o", tmp_path / "cpu.npz")
    on_gpu(*command, "-o", tmp_path / "gpu.npz")
    cpu, gpu = (numpy.load(tmp_path / f"{name}.npz") for name in ("cpu", "gpu"))
    assert set(cpu) == set(gpu)
    for name in set(cpu) - {"ids"}:
        assert numpy.abs(cpu[name] - gpu[name]).max() < 1e-4, name


@slow
def test_training_and_analyses_in_bf16(on_gpu, flags, tmp_path):
    on_gpu("train", *flags, "--precision", "bf16", "-o", tmp_path / "run")
    succeed("train", *flags, "--precision", "bf16", "-o", tmp_path / "cpu")
    ours, theirs = (table_of(tmp_path / run / "fold-00" / "history.csv") for run in ("run", "cpu"))
    for column in ("loss", "gradient_norm_A", "gradient_norm_B", "gradient_norm_head"):
        for one, other in zip(ours, theirs, strict=True):
            assert float(one[column]) == pytest.approx(float(other[column]), rel=0.02, abs=1e-4)
    on_gpu("analyze", tmp_path / "run", "--precision", "bf16", "--only", "contribution,spectrum", "-o", tmp_path / "analysis")


@pytest.mark.parametrize("command", ["train", "analyze"])
def test_no_gradients_in_fp16(command, tmp_path):
    expect_error(run(command, "--precision", "fp16", "-o", tmp_path / "out"), 2, "--precision", "bf16")


@slow
def test_evaluation_and_a_profile(on_gpu, flags, trained, corpus, tmp_path):
    scores = ["evaluate", trained, "--corpus", corpus, "--json", "--precision", "fp32"]
    assert json.loads(on_gpu(*scores)[0])["uar"] == json.loads(succeed(*scores, "--threads", 1))["uar"]
    profile = tmp_path / "profile.json"
    _, report = on_gpu("train", *flags, f"--profile={profile}", "-o", tmp_path / "run")
    phases = json.loads(profile.read_text())["phases"]
    assert {"load", "stem", "forward", "backward", "optimiser"} <= set(phases)
    assert report is None or report["waits"]["device"] > phases["forward"]["calls"]
