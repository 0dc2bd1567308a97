"""Folds and seeds side by side: train --jobs, --fold and --merge make the run that one process makes."""
import signal
import subprocess
import time

import pytest

from support import expect_error, run, start, succeed


@pytest.fixture(scope="module")
def small(flags):
    """Flags of a run of two folds and two seeds, with one thread."""
    place = flags.index("--threads")
    return [*flags[:place], *flags[place + 2:], "--seeds", 2, "--final", "--threads", 1]


@pytest.fixture(scope="module")
def serial(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial") / "run"
    succeed("train", *small, "-o", folder)
    return folder


def files_of(folder):
    """The content of all files of a run but those that name flags of the machine, paths and times."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != "config.toml"}


def expect_same(folder, serial):
    made, expected = files_of(folder), files_of(serial)
    assert made.keys() == expected.keys()
    assert [name for name in expected if made[name] != expected[name]] == []
    lines = [sorted(line for line in (run / "config.toml").read_text().splitlines() if not line.startswith("threads"))
             for run in (folder, serial)]
    assert lines[0] == lines[1]


def test_jobs_make_the_run_of_one_process(small, serial, tmp_path):
    folder = tmp_path / "run"
    result = run("train", *small[:-1], 2, "--jobs", 2, "-o", folder)
    assert result.returncode == 0, result.stderr
    assert "6 trainings, 2 at once with 1 thread each" in result.stderr
    assert "UAR" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    expect_same(folder, serial)


def test_parts_are_joined_when_all_are_trained(small, serial, tmp_path):
    folder = tmp_path / "run"
    place = small.index("--seeds")
    part = ["train", *small[:place], *small[place + 2:], "--first-seed", 42, "-o", folder]
    everything = [(fold, seed) for seed in (42, 43) for fold in (0, 1, "final")]
    for fold, seed in everything[:-1]:
        succeed(*part, "--fold", fold, "--seed", seed)
    assert (tmp_path / "run.parts" / "fold-01-seed-43" / "seed-43" / "fold-01" / "predictions.csv").exists()
    expect_error(run("train", "--merge", folder), 1, "1 of the 6 parts", "--fold final --seed 43")
    again = run(*part, "--fold", 1, "--seed", 43)
    assert again.returncode == 0 and "already trained" in again.stderr
    expect_error(run(*part, "--fold", 1, "--seed", 43, "--weight-decay", 0.5), 1, "--weight-decay was")
    succeed(*part, "--fold", "final", "--seed", 43)
    succeed("train", "--merge", folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    expect_same(folder, serial)


def processes_of(folder):
    """Whether a process with this folder in its command line is alive."""
    return subprocess.run(["pgrep", "-f", f"o {folder}"], stdout=subprocess.DEVNULL).returncode == 0


def wait_until(condition):
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def test_jobs_that_are_killed_are_resumed(small, serial, tmp_path):
    folder, parts = tmp_path / "run", tmp_path / "run.parts"
    process = start("train", *small[:-1], 2, "--jobs", 2, "-o", folder)
    wait_until((parts / "fold-00-seed-42").exists)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not processes_of(folder))
    expect_error(run("train", *small[:-1], 2, "--jobs", 2, "-o", folder), 1, "was interrupted", f"--resume {folder}")
    succeed("train", "--resume", folder)
    expect_same(folder, serial)
    assert not parts.exists()


def test_a_job_that_fails_is_named(small, serial, tmp_path):
    folder, parts = tmp_path / "run", tmp_path / "run.parts"
    (parts / "fold-01-seed-42").mkdir(parents=True)
    (parts / "config.toml").write_text((serial / "config.toml").read_text() + "jobs = 2\n")
    expect_error(run("-q", "train", "--resume", folder), 1, "fold 1, seed 42: ", "inputs.json is missing",
                 parts / "fold-01-seed-42.log")
    assert not processes_of(folder)
    expect_error(run("train", *small, "--jobs", 2, "-o", folder), 1, "was interrupted")
    (parts / "notes.txt").write_text("mine")
    (parts / "fold-01-seed-43.partial").mkdir(exist_ok=True)
    (parts / "fold-01-seed-43.partial" / "notes.txt").write_text("mine")
    expect_error(run("-q", "train", *small, "--jobs", 2, "--force", "-o", folder), 1, "fold-01-seed-43.partial")
    assert (parts / "notes.txt").exists()


def test_force_replaces_a_finished_run_and_one_that_was_killed_before_it_trained(flags, tmp_path):
    folder = tmp_path / "run"
    words = ["train", *flags, "--method", "frozen", "--jobs", 2, "-o", folder]
    (tmp_path / "run.parts").mkdir()
    expect_error(run(*words), 1, "was interrupted")
    succeed(*words, "--force")
    first = files_of(folder)
    succeed(*words, "--force")
    assert files_of(folder) == first
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("more, words", [
    (["--fold", 0, "--seeds", 2], ["--fold trains one fold", "--seeds"]),
    (["--fold", 0, "--jobs", 2], ["--fold trains one fold", "--jobs"]),
    (["--fold", "last"], ["'last' is neither the number of a fold"]),
    (["--fold", "final"], ["--fold final trains the model of --final"]),
    (["--fold", 0, "--first-seed", 43], ["--first-seed 43 is larger than --seed 42"]),
    (["--first-seed", 42], ["--first-seed is for --fold"]),
    (["--jobs", 2, "--profile"], ["--profile measures one process"])])
def test_flags_that_contradict_are_refused(flags, more, words, tmp_path):
    expect_error(run("train", *flags, *more, "-o", tmp_path / "run"), 2, *words)


def test_a_part_is_trained_again_with_force(flags, tmp_path):
    part = ["train", *flags, "--method", "frozen", "--fold", 0, "-o", tmp_path / "run"]
    succeed(*part)
    expect_error(run(*part, "--weight-decay", 0.5), 1, "--weight-decay was", "--force")
    succeed(*part, "--weight-decay", 0.5, "--force")
    notes = tmp_path / "run.parts" / "fold-00-seed-42" / "notes.txt"
    notes.write_text("mine")
    expect_error(run(*part, "--force"), 1, "notes.txt")
    succeed(*part[:-4], "--fold", 1, "--weight-decay", 0.5, "-o", tmp_path / "run")
    succeed("train", "--merge", tmp_path / "run")
    assert notes.exists()


def test_a_damaged_part_stops_the_merge_and_nothing_else(flags, tmp_path):
    for fold in (0, 1):
        succeed("train", *flags, "--method", "frozen", "--fold", fold, "-o", tmp_path / "run")
    predictions = tmp_path / "run.parts" / "fold-01-seed-42" / "fold-01" / "predictions.csv"
    whole = predictions.read_text()
    predictions.write_text(whole.rsplit("\n", 2)[0] + "\n")
    failed = run("train", "--merge", tmp_path / "run")
    assert failed.returncode == 1 and "predictions.csv" in failed.stderr.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.parts"]
    predictions.write_text(whole)
    succeed("train", "--merge", tmp_path / "run")


def test_a_fold_that_does_not_exist_is_refused(flags, tmp_path):
    expect_error(run("train", *flags, "--fold", 2, "-o", tmp_path / "run"), 1, "--fold 2: the folds are 0 to 1")
    assert not list((tmp_path / "run.parts").glob("fold*"))


def test_what_merge_needs_is_told(flags, trained, tmp_path):
    expect_error(run("train", "--merge", tmp_path / "none"), 1, "there are no parts of this run")
    expect_error(run("train", "--merge", trained), 1, "exists already")
    expect_error(run("train", "--merge", tmp_path / "none", "--seed", 1), 2, "leave out --seed")
