"""Fixtures of the tests of the Python package: a small synthetic corpus and runs that the package trained on it."""
import pathlib
import subprocess
import sys

import pytest

import loralens

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = "tiny.en"
sys.path.insert(0, str(ROOT / "tests/oracle"))


@pytest.fixture(scope="session")
def program():
    """The console script of the installed package."""
    return pathlib.Path(sys.executable).with_name("loralens")


@pytest.fixture(scope="session")
def printed(program):
    """printed(ARGUMENT...) runs the program and returns its standard output, whatever its exit status."""
    return lambda *arguments: subprocess.run([program, *map(str, arguments)], capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def model():
    """The name of a model with real weights; skips the test if they are missing."""
    try:
        loralens.fetch(MODEL)
    except loralens.Error:
        pytest.skip(f"the weights of Whisper {MODEL} are not on this machine")
    return MODEL


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """clips.csv of a synthetic corpus: 4 speakers x 4 classes x 1 sentence."""
    return loralens.synth(output=tmp_path_factory.mktemp("corpus") / "synthetic", voices=4, sentences=1)


@pytest.fixture(scope="session")
def clips(corpus):
    return sorted(corpus.parent.rglob("*.wav"))


@pytest.fixture(scope="session")
def flags(model, corpus):
    """Options of a training of a few seconds, whose adapters change the encoder clearly."""
    return {"model": model, "corpus": corpus, "folds": "speaker:2", "epochs": 1, "head_epochs": 1, "threads": 1,
            "learning_rate": 1e-2, "select": "last"}


@pytest.fixture(scope="session")
def run(flags, tmp_path_factory):
    """A LoRA run of two folds, on v_proj, out_proj and fc1 of all layers."""
    return loralens.train(**flags, targets=["v_proj", "out_proj", "fc1"], layers="all",
                          output=tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture(scope="session")
def padded(flags, tmp_path_factory):
    """The same on clips that are padded to 30 s."""
    return loralens.train(**flags, targets=["v_proj"], layers="all", input="padded",
                          output=tmp_path_factory.mktemp("padded") / "run")
