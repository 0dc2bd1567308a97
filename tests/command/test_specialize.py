"""train --specialize: an auxiliary head on a layer's output, which is part of the training alone."""
import pytest

from support import expect_no_trace, files_of, read_safetensors, run, slow, succeed, table_of, write_table
from test_resume import SECOND_FOLD, kill, train_until

PLAIN = ["--layers", "1-3", "--targets", "v_proj,fc1"]
LATE = [*PLAIN, "--specialize", "late:1", "--specialize-weight", 2]
FINAL_OF_SECOND_SEED = "seed-43/final.partial/checkpoint.safetensors"


@pytest.fixture(scope="module")
def late(flags, tmp_path_factory):
    """The flags and the folder of a LoRA run of two folds, two seeds and final models, with gradient reversal."""
    arguments = [*flags, *LATE, "--seeds", 2, "--final", "--watch", 2, "--average", 0.5]
    folder = tmp_path_factory.mktemp("specialized") / "run"
    succeed("train", *arguments, "-o", folder)
    return arguments, folder


def test_history_reports_loss_factor_and_gate(late):
    for fold in ("fold-00", "fold-01", "final", "seed-43/fold-00", "seed-43/final"):
        history = table_of(late[1] / fold / "history.csv")
        factors = [float(row["auxiliary_lambda"]) for row in history]
        assert 0 <= factors[0] < factors[-1] < 2
        for row in history:
            terms = float(row["loss_cross_entropy"]) + float(row["loss_auxiliary"])
            assert float(row["loss"]) == pytest.approx(terms, rel=1e-5)
            assert 0 <= float(row["auxiliary_gate"]) <= 1


def test_a_model_has_only_the_main_head(late, flags, tmp_path):
    succeed("train", *flags, *PLAIN, "-o", tmp_path / "run")
    plain, specialized = (folder / "fold-00" for folder in (tmp_path / "run", late[1]))
    assert {path.name for path in plain.iterdir()} == {path.name for path in specialized.iterdir()}
    tensors = [read_safetensors(fold / "adapter_model.safetensors") for fold in (plain, specialized)]
    assert tensors[0][0].keys() == tensors[1][0].keys()
    assert tensors[0][1] != tensors[1][1]


@pytest.mark.parametrize("more", [["--specialize", "early:2", "--weighted-layer-sum", "--accumulate", 2],
                                  ["--specialize", "late:2", "--precision", "bf16", "--recompute"],
                                  ["--specialize", "early:0", "--method", "full", "--layers", "all"]],
                         ids=["weighted-layer-sum", "bf16", "full"])
def test_it_goes_with_other_options(flags, tmp_path, more):
    succeed("train", *flags, *more, "-o", tmp_path / "run")
    assert all(float(row["loss_auxiliary"]) > 0 for row in table_of(tmp_path / "run" / "fold-00" / "history.csv"))


@slow
def test_it_goes_with_padded_input(quick, corpus, tmp_path):
    rows = [row for row in table_of(corpus) if row["path"].endswith("_01.wav")]
    few = [(corpus.parent / row["path"], row["label"], row["speaker"]) for i, row in enumerate(rows) if i % 4 == i // 8]
    table = write_table(tmp_path / "few.csv", few)
    succeed("train", *quick, "--corpus", table, "--input", "padded", "--specialize", "late:3", "-o", tmp_path / "run")
    assert "auxiliary_gate" in table_of(tmp_path / "run" / "fold-00" / "history.csv")[0]


@slow
def test_a_killed_run_ends_with_the_same_bits(late, tmp_path):
    arguments, uninterrupted = late
    target, partial = tmp_path / "run", tmp_path / "run.partial"
    arguments = [*arguments, "-o", target]
    for path in ("fold-00.partial/checkpoint.safetensors", SECOND_FOLD, FINAL_OF_SECOND_SEED):
        kill(train_until(arguments, partial / path))
        arguments = ["--resume", target]
    succeed("train", "--resume", target)
    assert files_of(target) == files_of(uninterrupted)


def test_layers_that_stay_those_of_the_base_are_refused(flags, tmp_path):
    out = tmp_path / "run"
    for more, words in [(["--layers", "2-3", "--specialize", "early:1"], ["early:1", "no layer up to 1", "from 2 on"]),
                        (["--specialize", "late:4"], ["late:4", "the layers 0 to 3"]),
                        (["--method", "frozen", "--specialize", "late:3"], ["late:3", "frozen", "--specialize none"])]:
        result = run("train", *flags, *more, "-o", out)
        assert result.returncode == 1 and all(word in result.stderr.splitlines()[-1] for word in words), result.stderr
        expect_no_trace(out)


def test_a_weight_without_an_auxiliary_head_is_named(flags, tmp_path):
    result = run("train", *flags, *PLAIN, "--specialize-weight", 2, "-o", tmp_path / "run")
    assert result.returncode == 0 and "without effect with --specialize none: --specialize-weight" in result.stderr
