"""Studies: grids of trainings, resumed after a kill, listed, run alone, in Slurm, and compared on a page."""
import csv
import json
import os
import re
import shlex
import shutil
import signal
import time
from pathlib import Path

import pytest

from support import (ENVIRONMENT, expect_error, noise, run, slow, start, succeed, table_of, write_table,
                     write_wav)

STUDIES = Path(__file__).parents[2] / "studies"
GRID = """
title = "Two ranks"
[train]
model = "{model}"
corpus = "{corpus}"
folds = "speaker:2"
epochs = 1
head-epochs = 1
select = "last"
threads = 1
[grid.update.frozen]
method = "frozen"
[grid.update.small]
rank = 2
[grid.update.large]
rank = 8
[compare]
update = "frozen"
margin = 0.1
"""
NAMES = ["update-frozen", "update-small", "update-large"]


@pytest.fixture(scope="module")
def grid(model, corpus):
    return GRID.format(model=model, corpus=corpus)


def write(path, text):
    path.write_text(text)
    return path


def files_of(folder):
    return {path.relative_to(folder): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in folder.rglob("*") if path.is_file()}


@slow
def test_a_study_trains_compares_and_analyses(grid, tmp_path):
    file = write(tmp_path / "s.toml", grid + '[analyze]\nonly = "contribution"\nthreads = 1\n')
    out = tmp_path / "study"
    listed = succeed("study", file, "-o", out, "--list").splitlines()
    assert [line.split("  # ")[1] for line in listed] == NAMES
    assert not list(tmp_path.glob("study*"))
    words = shlex.split(listed[1], comments=True)
    assert words[0] == os.path.realpath(words[0]) and words[1:6] == ["study", str(file), "-o", str(out), "--only"]
    assert words[6].startswith("update-small-") and len(words) == 7
    succeed(*words[1:])  # as another engine would
    assert "trained   update-small" in succeed("study", file, "-o", out, "--status")
    assert "1 of 3 runs are trained" in succeed("study", file, "-o", out, "--status")
    small = next((tmp_path / "study.partial" / "runs").iterdir())
    before = files_of(small)

    process = start("study", file, "-o", out, "--jobs", 2)
    while not list((tmp_path / "study.partial" / "runs").glob("update-frozen*")):
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists()
    result = run("study", file, "-o", out, "--jobs", 2)
    assert result.returncode == 0, result.stderr
    assert "1 of 3 runs are trained already" in result.stderr
    assert not (tmp_path / "study.partial").exists()
    assert files_of(out / "runs" / small.name).items() >= before.items()

    with open(out / "study.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["run"] for row in rows] == NAMES and [row["update"] for row in rows] == ["frozen", "small", "large"]
    assert int(rows[0]["trained_encoder"]) == 0
    assert int(rows[2]["trained_encoder"]) == 4 * int(rows[1]["trained_encoder"]) > 0
    results = json.loads((out / "study.json").read_text())
    for row, of_run in zip(rows, results["runs"]):
        metrics = json.loads((out / "runs" / of_run["folder"] / "metrics.json").read_text())
        assert float(row["uar"]) == metrics["uar"]["pooled"]
        assert row["run"] in result.stdout
    compared = json.loads(succeed("evaluate", out / "runs" / results["runs"][1]["folder"], "--against",
                                  out / "runs" / results["runs"][0]["folder"], "--json"))["comparisons"][0]["uar"]
    assert float(rows[1]["difference"]) == compared["difference"]
    assert rows[0]["verdict"] == "" and rows[1]["verdict"] != ""
    assert len(list((out / "analyses").iterdir())) == 3 and (out / "analyses.html").exists()

    kept = files_of(out / "runs")
    assert succeed("study", file, "-o", out) == result.stdout
    assert files_of(out / "runs") == kept
    write(file, grid.replace("rank = 8", "rank = 4"))
    changed = run("study", file, "-o", out)
    assert changed.returncode == 0 and "2 of 3 runs are trained already" in changed.stderr
    assert files_of(out / "runs").items() >= kept.items()


def test_faults_are_told_before_anything_is_trained(grid, tmp_path):
    out = tmp_path / "study"
    for old, new, *words in [
            ("rank = 8", "rnak = 8", "line 16", "'rnak' is no flag", "did you mean 'rank'?"),
            ("rank = 8", "rank = 0", "line 16", "out of range"),
            ("rank = 8", 'layers = "0,9"', "line 16", "layer"),
            ("rank = 2", 'output = "x"', "line 14", "'output' is no flag"),
            ("rank = 2", "jobs = 2", "line 14", "'jobs' is no flag"),
            ("speaker:2", "speaker:200", "speaker:200"),
            ('update = "frozen"', 'update = "fozen"', "line 18", "did you mean 'frozen'?"),
            ("[compare]", "[compares]", "line 17", "did you mean 'compare'?"),
            ("clips.csv", "clips2.csv", "clips2.csv"),
            ("[grid.update.frozen]", "[grid.update.frozen", "line 11", "no valid TOML"),
            ("rank = 8", "rank = 2", "update-small and update-large have the same flags"),
            ("rank = 8", "targets = []", "line 16", "'targets' has no value"),
            ("[grid.update.frozen]", "[grid]\nrank = [[1], [2]]\n[grid.update.frozen]", "line 12", "list of lists"),
            ("[grid.update.frozen]", "[grid.lr]\n[grid.update.frozen]", "line 11", "'lr' has no levels"),
            ("[grid.update.frozen]", f"[grid.update.{'x' * 99}]\n[grid.{'y' * 99}.{'z' * 99}]\n[grid.update.frozen]",
             "is longer than 200 bytes"),
            ("[compare]", '[analyze]\nonly = "spectrm"\n[compare]', "line 18", "choose among"),
            ("[compare]", '[analyze]\nonyl = "spectrum"\n[compare]', "line 18", "onyl"),
            ("[compare]", '[analyze]\noutput = "x"\n[compare]', "--output"),
            ("[compare]", '[slurm]\ncomment = "a b"\n[compare]', "line 18", "cannot hold spaces"),
            ("[compare]", '[slurm]\narray = "1-3"\n[compare]', "line 18", "sets the option 'array'")]:
        result = run("-q", "study", write(tmp_path / "s.toml", grid.replace(old, new)), "-o", out)
        expect_error(result, result.returncode, *words)
        assert result.returncode in (1, 2) and not list(tmp_path.glob("study*"))
    file = write(tmp_path / "s.toml", grid)
    expect_error(run("study", file, "-o", out, "--only", 3), 2, "the runs are 0 to 2")
    expect_error(run("study", file, "-o", out, "--only", "rank-9"), 2, "the runs are 0 to 2, or the names")
    expect_error(run("study", file, "-o", out, "--only", 1, "--list"), 2, "exclude each other")
    out.mkdir()
    (out / "mine.txt").write_text("x")
    expect_error(run("study", file, "-o", out), 1, "is no study of loralens")


def test_a_run_that_fails_does_not_stop_the_others(grid, corpus, tmp_path):
    """The audio of a clip breaks after the check of the tables."""
    shutil.copytree(corpus.parent, tmp_path / "corpus")
    table = tmp_path / "corpus" / "clips.csv"
    next((tmp_path / "corpus").rglob("*.wav")).write_bytes(b"RIFF")
    result = run("study", write(tmp_path / "s.toml", grid.replace(str(corpus), str(table))), "-o", tmp_path / "study")
    assert result.returncode == 1
    assert "3 of 3 runs failed: update-frozen, update-small, update-large" in result.stderr.splitlines()[-1]


@pytest.fixture
def one_run(grid, corpus, tmp_path):
    """A study of two frozen heads on a copy of the corpus, which takes seconds; its file and its table."""
    table = shutil.copytree(corpus.parent, tmp_path / "corpus") / "clips.csv"
    text = grid[:grid.index("[grid")].replace(str(corpus), str(table)) + 'method = "frozen"\n[grid]\nseed = [1, 2]\n'
    return write(tmp_path / "s.toml", text), table


@slow
def test_other_audio_and_other_precision_are_other_runs(one_run, tmp_path):
    file, table = one_run
    out = tmp_path / "study"
    succeed("study", file, "-o", out)
    folders = {path.name for path in (out / "runs").iterdir()}
    write(file, file.read_text().replace("[grid]", 'precision = "fp32"\n[grid]'))
    assert "0 of 2 runs are trained" in succeed("study", file, "-o", out, "--status")
    write(file, file.read_text().replace('precision = "fp32"\n', ""))
    write_wav(table.parent / table_of(table)[0]["path"], noise(1, seed=3))
    result = run("study", file, "-o", out)
    expect_error(result, 1, "trained on other audio than the tables name now",
                 *(str(out / "runs" / name) for name in folders))
    other = shutil.copytree(table.parent, tmp_path / "other") / "clips.csv"
    write_wav(table.parent / table_of(table)[0]["path"], noise(1, seed=4))
    write(file, file.read_text().replace(str(table), str(other)))
    expect_error(run("study", file, "-o", out), 1, "trained on other audio")


@slow
def test_what_a_killed_study_leaves_is_no_dead_end(one_run, tmp_path):
    file, _ = one_run
    out, partial = tmp_path / "study", tmp_path / "study.partial"
    listed = [shlex.split(line, comments=True)[-1] for line in succeed("study", file, "-o", out, "--list").splitlines()]
    partial.mkdir()
    (partial / "study.toml.partial-k3x9qa").write_text("")  # killed before its copy of the file was there
    succeed("-q", "study", file, "-o", out, "--only", listed[0])
    killed = partial / "runs" / f"{listed[1]}.partial"
    killed.mkdir()
    lock = re.search(r'lock_text = "(.*)\\n"', (Path(__file__).parents[2] / "src/base/output.cc").read_text())[1]
    (killed / ".lock").write_text(lock + "\n")  # killed before its configuration was there
    succeed("-q", "study", file, "-o", out)
    assert (out / "runs" / listed[1] / "metrics.json").exists() and not killed.exists()


@slow
def test_two_processes_do_not_share_a_study(one_run, tmp_path):
    file, _ = one_run
    out = tmp_path / "study"
    first = start("study", file, "-o", out)
    while not (tmp_path / "study.partial" / "runs").exists():
        time.sleep(0.01)
        assert first.poll() is None
    second = run("study", file, "-o", out)
    first.communicate(timeout=300)
    assert first.returncode == 0 and (out / "report.html").exists()
    if second.returncode:  # the first had not ended yet
        expect_error(second, 1, "another process works on this study")
    expect_error(run("study", shutil.copy(file, out / "mine.toml"), "-o", out), 1, "lies in the study's own folder")
    (tmp_path / "study.partial").mkdir()
    expect_error(run("study", file, "-o", out), 1, "both exist", str(out))


@slow
def test_a_changed_list_of_clips_is_another_analysis(one_run, tmp_path):
    file, table = one_run
    clips = [row["path"] for row in table_of(table)]
    chosen = write(tmp_path / "list.txt", "\n".join(clips[:8]) + "\n")
    write(file, file.read_text() + f'[analyze]\nonly = "contribution"\nclips = "{chosen}"\n')
    out = tmp_path / "study"
    succeed("study", file, "-o", out)
    write(chosen, "\n".join(clips[:3]) + "\n")
    succeed("study", file, "-o", out)
    sizes = {len(path.read_text().splitlines()) for path in out.glob("analyses/*/clips.txt")}
    assert sizes == {3, 8}
    write(file, file.read_text()[:file.read_text().index("[analyze]")])
    succeed("study", file, "-o", out)
    assert not (out / "analyses.html").exists() and "[analyze]" not in (out / "study.toml").read_text()
    before = files_of(out)
    write(file, file.read_text().replace("seed = [1, 2]", "label-smoothing = [0, 0.1]"))
    expect_error(run("study", file, "-o", out), 1, "holds another study", "seed-")
    assert files_of(out) == before


@pytest.mark.parametrize("name", sorted(path.name for path in STUDIES.glob("*.toml")))
def test_the_studies_that_are_shipped_can_be_run(name, model, tmp_path, monkeypatch):
    write_wav(tmp_path / "a.wav", noise(0.2, seed=1))
    for corpus, speakers in (("ravdess", 24), ("emodb", 10)):
        for speaker in range(speakers):
            for label in range(4):
                shutil.copy(tmp_path / "a.wav", tmp_path / f"{corpus}-{speaker}-{label}.wav")
        write_table(tmp_path / f"{corpus}.csv",
                    [(f"{corpus}-{speaker}-{label}.wav", ["angry", "happy", "neutral", "sad"][label], str(speaker))
                     for speaker in range(speakers) for label in range(4)])
    monkeypatch.chdir(tmp_path)
    if run("fetch", "base").returncode != 0:
        pytest.skip("the weights of Whisper base are not on this machine")
    runs = succeed("study", STUDIES / name, "-o", "out", "--list").splitlines()
    assert len(runs) >= 2


@slow
def test_a_study_runs_in_slurm(grid, slurm, tmp_path):
    file = write(tmp_path / "s.toml", grid + '[slurm]\ntime = "00:10:00"\ncpus-per-task = 1\n')
    out = tmp_path / "study"
    submitted = start("study", file, "-o", out, "--slurm")  # the tasks start the program itself
    text, errors = submitted.communicate(timeout=120)
    assert submitted.returncode == 0, errors
    assert "3 of 3 runs" in text and "the report" in text
    again = run("study", file, "-o", out, "--status")
    assert again.returncode == 0, again.stderr
    assert "in Slurm)" in again.stdout or "trained" in again.stdout
    for _ in range(300):
        if (out / "report.html").exists():
            break
        time.sleep(1)
    logs = "\n".join(path.read_text() for path in [*tmp_path.rglob("slurm-*.log"), *tmp_path.glob("*report.log")])
    assert (out / "report.html").exists(), logs
    assert [row["run"] for row in table_of(out / "study.csv")] == NAMES
    assert "3 of 3 runs are trained" in succeed("study", file, "-o", out, "--status")


def test_without_slurm_the_error_says_so(grid, tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "PATH", "/nowhere:/bin" if not Path("/bin/sbatch").exists() else "/nowhere")
    process = start("study", write(tmp_path / "s.toml", grid), "-o", tmp_path / "study", "--slurm")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "there is no sbatch" in errors and "--list" in errors
