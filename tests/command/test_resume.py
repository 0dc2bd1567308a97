"""Runs that are killed and go on, and runs that two processes want."""
import signal
import time

import pytest

from support import expect_error, files_of, run, slow, start, succeed

FIRST_FOLD = "fold-00.partial/checkpoint.safetensors"
SECOND_FOLD = "fold-01.partial/checkpoint.safetensors"
FINAL = "final.partial/checkpoint.safetensors"


@pytest.fixture(scope="session")
def longer(model, corpus):
    """A training with time to be killed in: several epochs, and averages and head epochs to be carried over."""
    return ["--model", model, "--corpus", corpus, "--folds", "speaker:2", "--epochs", 4, "--head-epochs", 2,
            "--dropout", 0.1, "--watch", 3, "--final", "--threads", 1]


@pytest.fixture(scope="session")
def uninterrupted(longer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    succeed("train", *longer, "-o", folder)
    return folder


def mark_of(path):
    """Changes whenever the file is written anew; None while it is not there."""
    try:
        return path.stat().st_ino, path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def train_until(arguments, path, writes=1):
    """Starts a training; returns its process once `path` has been written so often."""
    process = start("train", *arguments)
    last = mark_of(path)
    for _ in range(writes):
        while mark_of(path) == last:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.001)
        last = mark_of(path)
    return process


def kill(process):
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@slow
@pytest.mark.parametrize("moments", [
    [("config.toml", 1)],
    [(FIRST_FOLD, 1)],
    [(FIRST_FOLD, 3)],
    [("fold-00/predictions.csv", 1)],
    [(SECOND_FOLD, 2)],
    [(FINAL, 1)],
    [(FIRST_FOLD, 1), (FIRST_FOLD, 1), (SECOND_FOLD, 1), (FINAL, 2)],
], ids=["start", "first-epoch", "third-epoch", "between-folds", "second-fold", "final", "four-times"])
def test_a_killed_run_ends_with_the_same_bits(longer, uninterrupted, tmp_path, moments):
    target, partial = tmp_path / "run", tmp_path / "run.partial"
    arguments = [*longer, "-o", target]
    for path, writes in moments:
        kill(train_until(arguments, partial / path, writes))
        assert partial.is_dir() and not target.exists()
        arguments = ["--resume", target]
    succeed("train", "--resume", target)
    assert files_of(target) == files_of(uninterrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@slow
@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.1])
def test_a_run_killed_at_any_time_ends_with_the_same_bits(longer, uninterrupted, tmp_path, seconds):
    target = tmp_path / "run"
    process = start("train", *longer, "-o", target)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    if (tmp_path / "run.partial" / "config.toml").exists():
        succeed("train", "--resume", target)
    elif not target.exists():
        succeed("train", *longer, "-o", target, "--force")
    assert files_of(target) == files_of(uninterrupted)


def test_a_killed_run_is_resumed_from_its_last_epoch(longer, tmp_path):
    target = tmp_path / "run"
    kill(train_until([*longer, "-o", target], tmp_path / "run.partial" / FIRST_FOLD))
    before = (tmp_path / "run.partial" / FIRST_FOLD).read_bytes()

    expect_error(run("train", *longer, "-o", target), 1, target, "was interrupted", f"--resume {target}", "--force")
    expect_error(run("train", "--resume", target, "--epochs", 9), 2, "--resume", "config.toml", "--epochs")
    assert (tmp_path / "run.partial" / FIRST_FOLD).read_bytes() == before

    process = train_until(["--resume", target], tmp_path / "run.partial" / "fold-01.partial" / "initial.safetensors")
    process.send_signal(signal.SIGSTOP)  # it would end before all of them have tried
    expect_error(run("train", "--resume", target), 1, target, "another process")
    expect_error(run("train", *longer, "-o", target), 1, target, "another process")
    expect_error(run("train", *longer, "-o", target, "--force"), 1, target, "another process")
    process.send_signal(signal.SIGCONT)
    process.communicate()
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    expect_error(run("train", "--resume", f"{target}/"), 1, target, "finished")


@slow
def test_force_starts_an_interrupted_run_again(longer, uninterrupted, tmp_path):
    target = tmp_path / "run"
    kill(train_until([*longer, "--seed", 7, "-o", target], tmp_path / "run.partial" / SECOND_FOLD))
    succeed("train", *longer, "-o", target, "--force")
    assert files_of(target) == files_of(uninterrupted)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_resume_says_when_there_is_nothing(tmp_path):
    expect_error(run("train", "--resume", tmp_path / "run"), 1, tmp_path / "run", "no interrupted run")
    (tmp_path / "run.partial").mkdir()
    expect_error(run("train", "--resume", tmp_path / "run"), 1, tmp_path / "run", "no interrupted run", "--force")


@slow
def test_a_damaged_checkpoint_is_refused(longer, tmp_path):
    target = tmp_path / "run"
    kill(train_until([*longer, "-o", target], tmp_path / "run.partial" / FIRST_FOLD))
    checkpoint = tmp_path / "run.partial" / FIRST_FOLD
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    expect_error(run("-q", "train", "--resume", target), 1, "checkpoint.safetensors")
    assert (tmp_path / "run.partial").is_dir() and not target.exists()
