"""What is made once for the tests of a file: a small synthetic corpus, and runs that are trained on it."""
import shutil

import pytest

from support import MODEL, PROGRAM, run, succeed


@pytest.fixture(scope="session", autouse=True)
def program():
    assert PROGRAM, "the environment variable LORALENS must name the program to test"


@pytest.fixture(scope="session")
def model():
    """Real weights; the name that --model takes."""
    if run("fetch", MODEL).returncode != 0:
        pytest.skip(f"the weights of Whisper {MODEL} are not on this machine")
    return MODEL


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """4 speakers x 4 classes x 2 sentences; the path of clips.csv."""
    folder = tmp_path_factory.mktemp("corpus") / "synthetic"
    succeed("synth", "-o", folder, "--voices", 4, "--sentences", 2)
    return folder / "clips.csv"


@pytest.fixture(scope="session")
def quick(model):
    """Flags of a training that takes a few seconds."""
    return ["--model", model, "--folds", "speaker:2", "--epochs", 2, "--head-epochs", 2, "--threads", 1]


@pytest.fixture(scope="session")
def flags(quick, corpus):
    return [*quick, "--corpus", corpus]


@pytest.fixture(scope="session")
def trained(flags, tmp_path_factory):
    """A LoRA run of two folds, without final/."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    succeed("train", *flags, "-o", folder)
    return folder


@pytest.fixture
def adapter(trained, tmp_path):
    """A bare PEFT folder of one's own: what Python would have saved."""
    folder = tmp_path / "adapter"
    shutil.copytree(trained / "fold-00", folder)
    (folder / "config.json").unlink()
    return folder


@pytest.fixture(scope="session")
def clips(corpus):
    """The paths of all clips, in an order of their own."""
    return sorted(corpus.parent.rglob("*.wav"))
