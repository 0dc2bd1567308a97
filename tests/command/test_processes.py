"""One training in several processes, which mpirun starts."""
import csv
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy
import pytest

from support import ENVIRONMENT, PROGRAM, expect_error, files_of, read_safetensors, run, slow, succeed, table_of

MPIRUN = shutil.which("mpirun")
CONNECTED = PROGRAM and "libmpi" in subprocess.run(["ldd", PROGRAM], capture_output=True, text=True).stdout
# Norm of the difference of two models' parameters, as a share of their norm: of all together, and of each tensor. Adam
# divides by the size of a gradient, so that values whose gradient is close to 0 differ by more than rounding.
CLOSE, CLOSE_EACH = 1e-5, 1e-3

pytestmark = [slow, pytest.mark.skipif(not MPIRUN, reason="there is no mpirun on this machine")]
connected = pytest.mark.skipif(not CONNECTED, reason="this loralens was built without MPI")


def launch(count, *arguments, program=PROGRAM, **options):
    """Starts the program in several processes."""
    environment = ENVIRONMENT | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                                 "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
    return subprocess.Popen([MPIRUN, "--oversubscribe", "--bind-to", "none", "-n", str(count), program,
                             *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment, **options)


def run_in(count, *arguments, **options):
    process = launch(count, *arguments, **options)
    stdout, stderr = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def succeed_in(count, *arguments, **options):
    result = run_in(count, *arguments, **options)
    assert result.returncode == 0, result.stderr
    return result


def expect_one_error(result, status, *words):
    """Asserts this exit status, and one line of the program with all the words among those of mpirun."""
    assert result.returncode == status, result.stderr
    lines = [line for line in result.stderr.splitlines() if "loralens: " in line]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("loralens: "), result.stderr
    for word in words:
        assert str(word) in lines[0]
    assert not result.stdout


def tensors_of(path):
    header, data = read_safetensors(path)
    header.pop("__metadata__", None)
    return {name: numpy.frombuffer(data[slice(*entry["data_offsets"])], "<f4") for name, entry in header.items()}


def distance(made, expected):
    norm = numpy.linalg.norm(expected.astype(float))
    return numpy.linalg.norm(made.astype(float) - expected) / norm if norm > 0 else numpy.abs(made).max()


def numbers_in(value, place=""):
    """(place, number or text) of all values in parsed JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers_in(inner, f"{place}/{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from numbers_in(inner, f"{place}/{number}")
    else:
        yield place, value


def expect_equal(made, expected, where):
    """Asserts that two texts are equal numbers, or equal."""
    try:
        made, expected = float(made), float(expected)
    except (TypeError, ValueError):
        assert made == expected, where
        return
    assert abs(made - expected) <= 1e-4 * max(abs(expected), 1e-3), where


def expect_same_run(made, expected):
    """Asserts that two runs have the same files, with tensors and numbers that differ by rounding alone."""
    names = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    assert names == {path.relative_to(expected) for path in expected.rglob("*") if path.is_file()}
    for name in names:
        if name.suffix == ".safetensors":
            ours, theirs = tensors_of(made / name), tensors_of(expected / name)
            assert ours.keys() == theirs.keys()
            for tensor, values in theirs.items():
                assert distance(ours[tensor], values) <= CLOSE_EACH, (name, tensor)
            assert distance(*(numpy.concatenate(list(model.values())) for model in (ours, theirs))) <= CLOSE, name
        elif name.suffix == ".csv" and name.name != "recordings.csv":
            rows, reference = table_of(made / name), table_of(expected / name)
            assert len(rows) == len(reference), name
            for row, other in zip(rows, reference):
                assert row.keys() == other.keys()
                for column in row:
                    expect_equal(row[column], other[column], (name, column))
        elif name.name == "metrics.json":
            ours, theirs = (dict(numbers_in(json.loads((run / name).read_text()))) for run in (made, expected))
            assert ours.keys() == theirs.keys()
            for place, value in theirs.items():
                expect_equal(ours[place], value, place)
        elif name.name == "recordings.csv":
            assert (made / name).read_bytes() == (expected / name).read_bytes()


@pytest.fixture(scope="module")
def training(model, corpus):
    """Flags of a training with uneven batches: 16 training clips in batches of 5, two batches a step."""
    return ["--model", model, "--corpus", corpus, "--folds", "speaker:2", "--epochs", 3, "--batch", 5, "--accumulate", 2,
            "--head-epochs", 1, "--dropout", 0.1, "--watch", 2, "--precision", "fp32", "--threads", 1, "--fold", 0]


@pytest.fixture(scope="module")
def alone(training, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    succeed("train", *training, "-o", folder / "run")
    return folder / "run.parts" / "fold-00-seed-42"


@connected
@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_make_the_run_of_one(training, alone, tmp_path, count):
    result = succeed_in(count, "train", *training, "-o", tmp_path / "run")
    assert f"{count} processes, 1 thread each" in result.stderr
    assert len([line for line in result.stderr.splitlines() if "test UAR" in line]) == 1
    expect_same_run(tmp_path / "run.parts" / "fold-00-seed-42", alone)
    assert [path.name for path in tmp_path.iterdir()] == ["run.parts"]


@connected
def test_one_process_of_mpirun_has_the_bits_of_none(training, alone, tmp_path):
    result = succeed_in(1, "train", *training, "-o", tmp_path / "run")
    assert "processes" not in result.stderr
    ours, theirs = files_of(tmp_path / "run.parts" / "fold-00-seed-42"), files_of(alone)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name] and name != "config.toml"] == []
    again = succeed_in(2, "train", *training, "-o", tmp_path / "run")
    assert "already trained" in again.stderr


@connected
@pytest.mark.parametrize("more", [
    ["--class-weights", "true", "--select", "development", "--average", 0.5, "--final"],
    ["--method", "full", "--learning-rate", 1e-4, "--batch-frames", 600],
    ["--method", "frozen", "--final"],
    ["--method", "frozen", "--read-out", "logistic"],
    ["--layers", "all", "--specialize", "early:1", "--orthogonality", 0.1, "--time-masks", 1, "--position-dropout", 0.1]],
    ids=["weights", "full", "frozen", "logistic", "terms"])
def test_options_of_training_in_two_processes(model, corpus, more, tmp_path):
    flags = ["--model", model, "--corpus", corpus, "--folds", "speaker:2", "--epochs", 1, "--precision", "fp32",
             "--threads", 1, *more]
    succeed("train", *flags, "-o", tmp_path / "one")
    result = succeed_in(2, "train", *flags, "-o", tmp_path / "two")
    assert result.stdout.count("UAR") == 1
    expect_same_run(tmp_path / "two", tmp_path / "one")


def children_of(process):
    """Numbers of the processes that mpirun started."""
    return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def rank_of(number):
    variables = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
    return next(int(value.split(b"=")[1]) for value in variables if value.startswith(b"OMPI_COMM_WORLD_RANK="))


def is_alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@connected
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_another_number_goes_on(model, corpus, rank, tmp_path):
    flags = ["--model", model, "--corpus", corpus, "--folds", "speaker:2", "--epochs", 4, "--dropout", 0.1, "--watch", 3,
             "--precision", "fp32", "--threads", 1]
    succeed("train", *flags, "-o", tmp_path / "expected")
    run_folder, partial = tmp_path / "run", tmp_path / "run.partial"
    process = launch(3, "train", *flags, "-o", run_folder)
    while not (partial / "fold-00.partial" / "checkpoint.safetensors").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    started = children_of(process)
    assert len(started) == 3
    os.kill(next(number for number in started if rank_of(number) == rank), signal.SIGKILL)
    before = time.monotonic()
    stdout, stderr = process.communicate(timeout=60)
    assert time.monotonic() - before < 30
    assert process.returncode != 0 and not stdout
    assert "signal 9" in stderr
    assert rank == 0 or f"interrupted: go on with 'loralens train --resume {run_folder}'" in stderr
    while any(is_alive(number) for number in started):
        assert time.monotonic() - before < 30
        time.sleep(0.1)
    assert not run_folder.exists() and partial.is_dir()
    if rank == 0:
        succeed("train", "--resume", run_folder)
    else:
        succeed_in(2, "train", "--resume", run_folder)
    expect_same_run(run_folder, tmp_path / "expected")


@connected
def test_errors_are_printed_once_and_leave_nothing(training, corpus, tmp_path):
    expect_one_error(run_in(3, "train", *training, "--rank", 0, "-o", tmp_path / "run"), 2, "--rank")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    whole = training[:training.index("--fold")]
    expect_one_error(run_in(2, "train", *whole, "-o", tmp_path / "taken"), 1, "taken", "exists already")
    lines = corpus.read_text().splitlines()
    table = corpus.parent / "missing.csv"
    table.write_text("\n".join([lines[0], *lines[1:], lines[1].replace(".wav", "-none.wav", 1)]) + "\n")
    try:
        place = whole.index(corpus)
        expect_one_error(run_in(2, "train", *whole[:place], table, *whole[place + 1:], "-o", tmp_path / "run"), 1,
                         "-none.wav")
    finally:
        table.unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@connected
def test_processes_that_mpi_does_not_connect_are_refused(flags, tmp_path):
    """As those of a launcher that belongs to another MPI."""
    environment = ENVIRONMENT | {"PMI_RANK": "0", "PMI_SIZE": "2", "OMPI_ALLOW_RUN_AS_ROOT": "1",
                                 "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    expect_error(run("train", *flags, "-o", tmp_path / "run", env=environment), 1,
                 "mpirun started 2 processes, but MPI connects 1")
    assert not list(tmp_path.iterdir())


@connected
def test_an_error_of_one_process_names_it(training, tmp_path):
    """Process 1 has another command line, as if its host had other files."""
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\n[ "$OMPI_COMM_WORLD_RANK" = 1 ] && exec {PROGRAM} "$@" $MORE\nexec {PROGRAM} "$@"\n')
    program.chmod(0o755)
    words = ["train", *training[:training.index("--fold")], "-o", tmp_path / "run"]
    for more, expected in [("--weight-decay 0.5", "process 1 trains something else than process 0"),
                           (f"--corpus {tmp_path}/none.csv", "process 1: cannot read")]:
        ENVIRONMENT["MORE"] = more
        try:
            result = run_in(2, *words, program=program)
        finally:
            del ENVIRONMENT["MORE"]
        expect_one_error(result, 1, expected)
        assert [path.name for path in tmp_path.iterdir()] == ["program"]


@pytest.mark.parametrize("arguments, words", [
    (["audit", "clips.csv"], ["audit runs in one process, and mpirun started 2"]),
    (["predict", "run", "a.wav"], ["predict runs in one process", "--shard I/N"]),
    (["train", "--merge", "run"], ["runs in one process"])])
def test_commands_of_one_process_are_refused(arguments, words):
    expect_one_error(run_in(2, *arguments), 2, *words)


@connected
@pytest.mark.parametrize("more, words", [
    (["--jobs", 2], ["--jobs 2 starts processes of its own"]),
    (["--specialize", "late:1"], ["--specialize late:1", "2 processes share a batch"])])
def test_flags_of_one_process_are_refused(flags, more, words, tmp_path):
    expect_one_error(run_in(2, "train", *flags, *more, "-o", tmp_path / "run"), 2, *words)
    assert not list(tmp_path.iterdir())


def test_shards_of_predictions_are_processes_of_their_own(trained, clips):
    expected = succeed("predict", trained, *clips[:2], "--threads", 1)
    result = succeed_in(2, "predict", trained, *clips[:2], "--shard", "1/1", "--threads", 1)
    assert sorted(result.stdout.splitlines()) == sorted(2 * expected.splitlines())


@connected
def test_srun_starts_processes_too(training, alone, slurm, tmp_path):
    if "pmix" not in subprocess.run(["srun", "--mpi=list"], capture_output=True, text=True, env=ENVIRONMENT).stdout:
        pytest.skip("this Slurm has no PMIx")

    def srun(*arguments):
        words = ["srun", "--mpi=pmix", "--kill-on-bad-exit=1", "--overcommit", "-n", "2", PROGRAM, *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, timeout=300)

    result = srun("train", *training, "-o", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "2 processes, 1 thread each" in result.stderr
    expect_same_run(tmp_path / "run.parts" / "fold-00-seed-42", alone)
    refused = srun("audit", "clips.csv")
    assert refused.returncode != 0  # 2, or that of the other process, which srun ended
    assert refused.stderr.count("loralens: audit runs in one process, and srun started 2") == 1


@pytest.mark.skipif(CONNECTED, reason="this loralens was built with MPI")
def test_without_mpi_nothing_is_trained(flags, tmp_path):
    expect_one_error(run_in(2, "train", *flags, "-o", tmp_path / "run"), 1, "was built without MPI")
    assert not list(tmp_path.iterdir())
