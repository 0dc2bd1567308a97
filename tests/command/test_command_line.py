"""Help, usage errors, configuration files, and output into closed pipes and full disks."""
import os
import subprocess

import pytest

from support import PROGRAM, expect_error, expect_no_trace, run, start, succeed

COMMANDS = ["fetch", "import", "corpus", "audit", "synth", "train", "evaluate", "predict", "transcribe", "embed",
            "analyze", "report", "study", "completion", "man"]


def test_version():
    assert succeed("--version").startswith("loralens ")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    text = succeed(command, "--help")
    assert f"loralens {command}" in text[text.index("Example"):]
    assert "--help" in text


def test_help_shows_the_values_of_the_default_preset():
    text = succeed("train", "--help")
    for flag in ("--rank INT=16", "--epochs INT=10", "--position-dropout FLOAT=0.5", "--average FLOAT=0.98",
                 "--targets TEXT=q_proj,k_proj,v_proj,out_proj,fc1,fc2"):
        assert flag in text


def test_help_lists_the_commands():
    text = succeed("--help")
    for command in COMMANDS:
        assert f"\n  {command} " in text
    assert "Examples:" in text


TRAIN = ["train", "--corpus", "clips.csv", "-o", "run"]
USAGE_ERRORS = {
    "no-command": ([], ["subcommand", "--help"]),
    "unknown-command": (["trian", "--model", "base"], ["'trian'", "did you mean train? Or choose among", "predict"]),
    "unknown-flag": ([*TRAIN, "--colour", "red"], ["train has no flag --colour (see"]),
    "misspelt-flag": ([*TRAIN, "--ranc", "4"], ["train has no flag --ranc: did you mean --rank?"]),
    "misspelt-flag-with-value": ([*TRAIN, "--epoch=3"], ["train has no flag --epoch: did you mean --epochs?"]),
    "unknown-global-flag": (["--bogus", *TRAIN], ["--bogus"]),
    "missing-value": ([*TRAIN, "--rank"], ["--rank"]),
    "flag-twice": ([*TRAIN, "--rank", "4", "--rank", "8"], ["--rank"]),
    "no-corpus": (["train", "-o", "run"], ["--corpus"]),
    "no-output": (["train", "--corpus", "clips.csv"], ["--output"]),
    "no-number": ([*TRAIN, "--epochs", "many"], ["--epochs", "many"]),
    "no-whole-number": ([*TRAIN, "--epochs", "2.5"], ["--epochs", "2.5"]),
    "negative-epochs": ([*TRAIN, "--epochs", "-3"], ["--epochs", "-3", "1 to 10000"]),
    "zero-batch": ([*TRAIN, "--batch", "0"], ["--batch", "1 to 4096"]),
    "endless-number": ([*TRAIN, "--seed", "99999999999999999999999"], ["--seed"]),
    "negative-seed": ([*TRAIN, "--seed", "-1"], ["--seed"]),
    "learning-rate": ([*TRAIN, "--learning-rate", "0"], ["--learning-rate", "more than 0"]),
    "learning-rate-nan": ([*TRAIN, "--learning-rate", "nan"], ["--learning-rate"]),
    "layer-decay": ([*TRAIN, "--layer-decay", "0"], ["--layer-decay", "at most 1"]),
    "orthogonality": ([*TRAIN, "--orthogonality", "-1"], ["--orthogonality", "0 (off)"]),
    "nuclear-norm": ([*TRAIN, "--nuclear-norm", "inf"], ["--nuclear-norm"]),
    "soft-labels": ([*TRAIN, "--soft-labels", "votes="], ["--soft-labels", "'votes='"]),
    "specialize": ([*TRAIN, "--specialize", "early"], ["--specialize 'early'", "late:K"]),
    "specialize-weight": ([*TRAIN, "--specialize-weight", "0"], ["--specialize-weight 0", "more than 0"]),
    "warmup": ([*TRAIN, "--warmup", "1.5"], ["--warmup", "less than 1"]),
    "method": ([*TRAIN, "--method", "magic"], ["--method", "magic", "lora"]),
    "schedule": ([*TRAIN, "--schedule", "steps"], ["--schedule", "steps", "cosine"]),
    "preset": ([*TRAIN, "--preset", "huge"], ["--preset", "huge", "paper"]),
    "protocol": ([*TRAIN, "--protocol", "lax"], ["--protocol", "lax", "strict"]),
    "input": ([*TRAIN, "--input", "text"], ["--input", "text", "padded"]),
    "precision": ([*TRAIN, "--precision", "fp8"], ["--precision", "fp8", "bf16"]),
    "threads": ([*TRAIN, "--threads", "-1"], ["--threads", "-1"]),
    "rank": ([*TRAIN, "--rank", "0"], ["--rank 0", "1 to 4096"]),
    "alpha": ([*TRAIN, "--alpha", "-1"], ["--alpha -1", "more than 0"]),
    "dropout": ([*TRAIN, "--dropout", "1"], ["--dropout 1", "less than 1"]),
    "watch": ([*TRAIN, "--watch", "-5"], ["--watch -5", "0 (off)"]),
    "tail-nan": ([*TRAIN, "--tail", "nan"], ["--tail nan", "0 to 10"]),
    "mel-width": ([*TRAIN, "--mel-width", "-1"], ["--mel-width -1", "0 to 128"]),
    "time-share": ([*TRAIN, "--time-share", "nan"], ["--time-share nan", "0 to 1"]),
    "alpha-inf": ([*TRAIN, "--alpha", "inf"], ["--alpha inf", "at most 1000000"]),
    "rank-pattern-nan": ([*TRAIN, "--rank-pattern", "fc1=nan"], ["--rank-pattern fc1=nan", "1 to 4096"]),
    "alpha-pattern-inf": ([*TRAIN, "--alpha-pattern", "fc1=inf"], ["--alpha-pattern fc1=inf", "1000000"]),
    "target-pattern": ([*TRAIN, "--target-pattern", "("], ["--target-pattern", "regular expression"]),
    "device": ([*TRAIN, "--device", "tpu"], ["--device", "'tpu'", "cpu"]),
    "device-number": (["predict", "run", "a.wav", "--device", "cuda:x"], ["--device", "'cuda:x'", "cuda:N"]),
    "folds": ([*TRAIN, "--folds", "sixfold"], ["--folds", "'sixfold'", "speaker:K"]),
    "one-fold": ([*TRAIN, "--folds", "speaker:1"], ["--folds", "speaker:1", "at least 2"]),
    "voices": (["synth", "-o", "corpus", "--voices", "0"], ["--voices", "0", "1 to 12"]),
    "sentences": (["synth", "-o", "corpus", "--sentences", "13"], ["--sentences", "13", "1 to 12"]),
    "rank-pattern": ([*TRAIN, "--rank-pattern", "fc1"], ["--rank-pattern", "module=number"]),
    "predict-nothing": (["predict", "run"], ["files"]),
    "evaluate-nothing": (["evaluate"], ["run"]),
    "no-such-configuration": (["train", "--config", "none.toml"], ["--config", "none.toml"]),
}


@pytest.mark.parametrize("name", USAGE_ERRORS)
def test_usage_errors(name, tmp_path):
    arguments, words = USAGE_ERRORS[name]
    expect_error(run(*arguments, cwd=tmp_path), 2, *words)
    assert list(tmp_path.iterdir()) == []


OTHER_ERRORS = {
    "layers": (["--layers", "some"], 2, ["--layers", "some", "0-5"]),
    "no-layers": (["--layers", ","], 2, ["--layers"]),
    "backward-layers": (["--layers", "3-1"], 2, ["--layers", "3-1"]),
    "layers-without-end": (["--layers", "0-99999999999"], 2, ["--layers 0-99999999999", "0 to 3"]),
    "layers-beyond-all": (["--layers", "0-99999999999999999999"], 2, ["--layers"]),
    "layers-beyond-the-last": (["--layers", "0-9"], 2, ["--layers 0-9", "0 to 3"]),
    "rank-pattern": (["--rank-pattern", "v_proj=0"], 2, ["--rank-pattern v_proj=0", "1 to 4096"]),
    "pattern-of-no-module": (["--alpha-pattern", "fc1=8"], 2, ["'fc1'", "no adapted module"]),
    "targets": (["--targets", "w_proj"], 2, ["w_proj", "v_proj"]),
    "target-pattern": (["--target-pattern", "("], 2, ["regular expression"]),
    "folds": (["--folds", "speaker:9"], 1, ["speaker:9", "only 4 speakers"]),
    "model": (["--model", "huge"], 1, ["'huge'", "tiny"]),
    "model-folder": (["--model", "./none"], 1, ["./none"]),
    "model-that-is-not-here": (["--model", "nobody/whisper"], 1, ["nobody/whisper", "loralens fetch"]),
}


@pytest.mark.parametrize("name", OTHER_ERRORS)
def test_flags_that_do_not_fit(name, model, corpus, tmp_path):
    flags, status, words = OTHER_ERRORS[name]
    given = {"--model": model, "--folds": "speaker:2", "--preset": "paper", "--layers": "all"}
    given |= dict(zip(flags[::2], flags[1::2]))
    out = tmp_path / "run"
    arguments = [word for pair in given.items() for word in pair]
    expect_error(run("-q", "train", "--corpus", corpus, *arguments, "-o", out), status, *words)
    expect_no_trace(out)


BAD_CONFIGURATIONS = {
    "no-toml": ("epochs = \n", ["line 1"]),
    "unclosed-text": ('\nmethod = "lora\n', ["line 2"]),
    "key-twice": ("epochs = 1\nepochs = 2\n", ["line 2"]),
    "unknown-key": ("epocs = 3\n", ["'epocs' is no flag of this command: did you mean 'epochs'?"]),
    "section": ("[train]\nepochs = 3\n", ["'train'", "no flag"]),
    "other-type": ('epochs = "many"\n', ["'epochs'", "many"]),
    "date": ("epochs = 2020-01-01\n", ["'epochs'"]),
    "not-among-the-choices": ('protocol = "lax"\n', ["'protocol'", "lax", "strict"]),
    "two-values": ("epochs = [1, 2]\n", ["'epochs'"]),
    "out-of-range": ("epochs = 0\n", ["--epochs 0", "1 to 10000"]),
    "another-configuration": ('config = "other.toml"\n', ["'config'", "command line"]),
    "resume": ('resume = "run"\n', ["'resume'", "--resume on the command line"]),
    "zero-byte": ('model = "ti\\u0000ny"\n', ["'ti\\x00ny'", "zero byte"]),
    "zero-byte-in-a-key": ('"epo\\u0000chs" = 1\n', ["'epo\\x00chs'", "zero byte"]),
    "empty-list-of-a-flag": ("allow-leaks = []\n", ["'allow-leaks'", "empty list"]),
    "a-bracket-alone": ('epochs = 1\n[\nseed = 1\n', ["no valid TOML"]),
    "binary": ("\0\1\2", ["line 1"]),
}


@pytest.mark.parametrize("name", BAD_CONFIGURATIONS)
def test_a_bad_configuration_file_is_refused(name, corpus, tmp_path):
    text, words = BAD_CONFIGURATIONS[name]
    file, out = tmp_path / "config.toml", tmp_path / "run"
    file.write_text(text)
    result = run("train", "--config", file, "--corpus", corpus, "--folds", "speaker:2", "-o", out)
    expect_error(result, 2, *words)
    if name != "out-of-range":  # here the error names the flag, not the file
        expect_error(result, 2, file)
    expect_no_trace(out)


def test_a_configuration_file_may_be_any_toml(model, corpus, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('# mine\n"method" = "frozen"\nfinal = true\nlearning-rate = 1_0e-4\nfolds = """speaker:4"""\n')
    given = ["--model", model, "--corpus", corpus, "--epochs", 1]
    succeed("train", "--config", file, *given, "-o", tmp_path / "run")
    written = (tmp_path / "run" / "config.toml").read_text()
    for line in ("method = 'frozen'", "final = true", "learning-rate = 0.001", "folds = 'speaker:4'", "epochs = 1"):
        assert line in written.splitlines()
    assert (tmp_path / "run" / "fold-03").is_dir() and (tmp_path / "run" / "final").is_dir()


def test_predict_and_evaluate_take_a_configuration_file(trained, corpus, clips, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(f'corpus = "{corpus}"\njson = true\nthreads = 1\n')
    assert succeed("evaluate", trained, "--config", file) == succeed("evaluate", trained, "--corpus", corpus, "--json",
                                                                     "--threads", 1)
    file.write_text("classes = 'a,b,c,d'\nthreads = 1\n")
    assert succeed("predict", trained, clips[0], "--config", file) == succeed("predict", trained, clips[0], "--classes",
                                                                              "a,b,c,d", "--threads", 1)
    file.write_text("rank = 4\n")
    for command in (["evaluate", trained], ["predict", trained, clips[0]]):
        expect_error(run(*command, "--config", file), 2, file, "'rank'", "no flag")


@pytest.mark.skipif(os.environ.get("LORALENS_SANITIZED") == "1", reason="the sanitizer's library comes first")
def test_threads_spin_briefly_unless_told_otherwise():
    """libgomp prints its settings when it is loaded."""
    def said(**variables):
        plain = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
        return subprocess.run([PROGRAM, "--version"], env=plain | {"OMP_DISPLAY_ENV": "verbose"} | variables,
                              capture_output=True, text=True, check=True).stderr
    assert "GOMP_SPINCOUNT = '1000'" in said()
    assert "GOMP_SPINCOUNT = '7'" in said(GOMP_SPINCOUNT="7")
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in said(OMP_WAIT_POLICY="active")


def test_a_reader_that_leaves_early(trained, clips):
    """As in `loralens predict run ... | head -1`: an error line and no crash."""
    process = start("predict", trained, *clips)
    assert process.stdout.readline().startswith("{")
    process.stdout.close()
    message = process.stderr.read()
    assert process.wait() == 1
    assert message == "loralens: cannot write to standard output\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", ["evaluate", "predict", "help"])
def test_a_full_disk_behind_standard_output(command, trained, clips):
    arguments = {"evaluate": ["evaluate", trained], "predict": ["predict", trained, clips[0]], "help": ["--help"]}
    with open("/dev/full", "w") as full:
        result = run(*arguments[command], stdout=full)
    assert result.returncode == 1
    assert result.stderr == "loralens: cannot write to standard output\n"


def test_many_errors_at_once_are_one_line():
    result = subprocess.run([PROGRAM, "predict", "line\nbreak", "x.wav"], capture_output=True, text=True)
    expect_error(result, 1, "line break")


