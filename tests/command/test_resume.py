"""Resuming killed runs, and two processes that write the same run."""
import json
import re
import shlex
import shutil
import signal
import time

import pytest

from support import expect_error, files_of, noise, run, slow, start, succeed, table_of, write_table, write_wav

FIRST_FOLD = "fold-00.partial/checkpoint.safetensors"
SECOND_FOLD = "fold-01.partial/checkpoint.safetensors"
FINAL = "final.partial/checkpoint.safetensors"


@pytest.fixture(scope="session")
def longer(model, corpus):
    """Flags of a training that is long enough to kill: several epochs, with averages and head epochs to restore."""
    return ["--model", model, "--corpus", corpus, "--folds", "speaker:2", "--epochs", 4, "--head-epochs", 2,
            "--dropout", 0.1, "--watch", 3, "--final", "--threads", 1]


@pytest.fixture(scope="session")
def uninterrupted(longer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    succeed("train", *longer, "-o", folder)
    return folder


def mark_of(path):
    """A value that changes whenever the file is rewritten; None while it is missing."""
    try:
        return path.stat().st_ino, path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def train_until(arguments, path, writes=1):
    """Starts a training; returns its process after `path` has been written this many times."""
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
    process.send_signal(signal.SIGSTOP)  # paused, or it would end before the commands below
    expect_error(run("train", "--resume", target), 1, target, "another process")
    expect_error(run("train", *longer, "-o", target), 1, target, "another process")
    expect_error(run("train", *longer, "-o", target, "--force"), 1, target, "another process")
    process.send_signal(signal.SIGCONT)
    process.communicate()
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    expect_error(run("train", "--resume", f"{target}/"), 1, target, "finished")


@slow
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_says_how_to_go_on(flags, trained, tmp_path, by):
    target = tmp_path / "my run"
    process = train_until([*flags, "-o", target], tmp_path / "my run.partial" / FIRST_FOLD)
    process.send_signal(by)
    last = process.communicate()[1].splitlines()[-1]
    assert process.returncode == -by and "interrupted: go on with" in last
    command, *arguments = shlex.split(re.search(r"with '(loralens .*)'$", last).group(1))
    succeed(*arguments)
    assert table_of(target / "predictions.csv") == table_of(trained / "predictions.csv")


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


# Resuming with other inputs


@pytest.fixture(scope="session")
def interrupted(longer, corpus, tmp_path_factory):
    """The folder (clips/, clips.csv, run.partial) of a training on copied clips that was killed in its second fold."""
    folder = tmp_path_factory.mktemp("interrupted")
    rows = table_of(corpus)
    for row in rows:
        (folder / "clips").mkdir(exist_ok=True)
        shutil.copy(corpus.parent / row["path"], folder / "clips")
    names = [f"clips/{row['path'].split('/')[-1]}" for row in rows]
    table = write_table(folder / "clips.csv", [[name, row["label"], row["speaker"]] for name, row in zip(names, rows)])
    arguments = [table if word == corpus else word for word in longer]
    kill(train_until([*arguments, "-o", folder / "run"], folder / "run.partial" / SECOND_FOLD))
    return folder


@pytest.fixture
def stopped(interrupted, tmp_path):
    """A copy of that folder that the test may change."""
    folder = shutil.copytree(interrupted, tmp_path / "work")
    config = folder / "run.partial" / "config.toml"
    config.write_text(config.read_text().replace(str(interrupted), str(folder)))
    return folder


def replace(path, old, new):
    text = path.read_text()
    assert re.search(old, text)
    path.write_text(re.sub(old, new, text))


def set_flag(name, value):
    return lambda folder: replace(folder / "run.partial" / "config.toml", f"(?m)^{name} = .*$", f"{name} = {value}")


def add_flag(line):
    def add(folder):
        file = folder / "run.partial" / "config.toml"
        file.write_text(file.read_text() + line + "\n")
    return add


def edit_table(change):
    def edit(folder):
        lines = (folder / "clips.csv").read_text().splitlines()
        (folder / "clips.csv").write_text("\n".join(change(lines)) + "\n")
    return edit


def other_base(folder):
    file = folder / "run.partial" / "inputs.json"
    value = json.loads(file.read_text())
    value["base_sha256"] = "0" * 64
    file.write_text(json.dumps(value))


def cut(name, characters):
    def edit(folder):
        file = folder / "run.partial" / name
        file.write_bytes(file.read_bytes()[:-characters])
    return edit


def other_audio(folder):
    clip = folder / table_of(folder / "clips.csv")[5]["path"]
    write_wav(clip, noise(1.5))


def other_clip(folder):
    write_wav(folder / "clips" / "new.wav", noise(1.5))
    edit_table(lambda lines: [*lines, "clips/new.wav,anger,someone"])(folder)


DIFFERENT = {
    "speaker": (edit_table(lambda lines: [*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",someone"]), ["the speaker of the clip", "is 'someone'"]),
    "label": (edit_table(lambda lines: [lines[0], *[line.replace(",anger,", ",rage,") for line in lines[1:]]]), ["the label of the clip", "was 'anger', is 'rage'"]),
    "fewer": (edit_table(lambda lines: lines[:-1]), ["the clip ", " is missing"]),
    "more": (other_clip, ["the clip clips/new.wav is new"]),
    "order": (edit_table(lambda lines: [lines[0], *lines[:0:-1]]), ["another order"]),
    "audio": (other_audio, ["the audio of the clip"]),
    "rank": (set_flag("rank", 8), ["--rank was '16', is '8'"]),
    "seed": (set_flag("seed", 7), ["--seed was '42', is '7'"]),
    "final": (set_flag("final", "false"), ["--final was 'true', is 'false'"]),
    "leaks": (set_flag("allow-leaks", "true"), ["--allow-leaks was 'false'"]),
    "folds": (set_flag("folds", "'speaker:3'"), ["there were 2 folds, there are 3", "--folds was 'speaker:2'"]),
    "scheme": (set_flag("folds", "'text:2'"), ["text"]),
    "labels": (add_flag("labels = 'anger=rage,happiness=joy,neutral=calm,sadness=woe'"), ["--labels was ''", "the label of the clip"]),
    "base": (other_base, ["the base model's weights differ"]),
    "cut-record": (cut("inputs.json", 20), ["inputs.json is damaged", "--force"]),
    "no-record": (lambda folder: (folder / "run.partial" / "inputs.json").unlink(), ["older version", "--force"]),
    "cut-recordings": (cut("recordings.csv", 20), ["recordings.csv was changed or cut"]),
    "cut-fold": (cut("fold-00/predictions.csv", 60), ["fold-00/predictions.csv"]),
    "other-fold": (lambda folder: shutil.copytree(folder / "run.partial" / "fold-00", folder / "run.partial" / "fold-02"), ["fold-02", "2 folds"]),
    "cut-checkpoint": (cut(SECOND_FOLD, 100), ["checkpoint.safetensors"]),
}


@slow
@pytest.mark.parametrize("name", DIFFERENT)
def test_a_run_does_not_go_on_with_something_else(stopped, name):
    change, words = DIFFERENT[name]
    change(stopped)
    before = files_of(stopped / "run.partial")
    expect_error(run("-q", "train", "--resume", stopped / "run"), 1, *words)
    after = files_of(stopped / "run.partial")
    assert {key: before[key] for key in before if key != "config.toml"} == {key: after[key] for key in after if key in before and key != "config.toml"}
    assert not (stopped / "run").exists()


@slow
def test_a_run_goes_on_with_other_threads_and_its_table_elsewhere(stopped):
    set_flag("threads", 2)(stopped)
    set_flag("cache-megabytes", 100)(stopped)
    (stopped / "clips.csv").rename(stopped / "moved.csv")
    replace(stopped / "run.partial" / "config.toml", "clips.csv", "moved.csv")
    write_table(stopped / "named.csv", [[*row.values(), "clips"] for row in table_of(stopped / "moved.csv")],
                ("path", "label", "speaker", "corpus"))
    replace(stopped / "run.partial" / "config.toml", "moved.csv", "named.csv")
    succeed("train", "--resume", stopped / "run")
    metrics = json.loads((stopped / "run" / "metrics.json").read_text())
    assert metrics["clips"] == metrics["predictions"] == 32
