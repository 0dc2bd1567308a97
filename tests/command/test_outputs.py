"""Which outputs --force may replace, redirected standard streams, and inputs that are not regular files."""
import os
import shutil
import subprocess

import pytest

from support import ENVIRONMENT, PROGRAM, expect_error, files_of, run, slow, succeed, table_of

ANALYSIS = ["--only", "contribution", "--threads", 1]


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the run that the test may change."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def synthetic(corpus, tmp_path):
    """The clips.csv of a copy of the corpus that the test may change."""
    return shutil.copytree(corpus.parent, tmp_path / "synthetic") / "clips.csv"


def expect_refused(folder, *arguments):
    """Asserts that the command with --force fails and that the files below `folder` are unchanged."""
    before = files_of(folder)
    expect_error(run("-q", *arguments, "--force"), 1, "an input of this command", "choose another")
    assert files_of(folder) == before


@slow
def test_an_output_that_is_its_own_input_is_refused(copy, synthetic, model, tmp_path):
    train = ["train", "--model", model, "--corpus", synthetic]
    (tmp_path / "link").symlink_to(synthetic.parent)
    for arguments in (
            ["analyze", copy, *ANALYSIS, "-o", copy],
            ["analyze", copy, *ANALYSIS, "-o", f"{copy}/"],
            ["analyze", copy / "fold-00", *ANALYSIS, "-o", copy],
            ["analyze", copy, *ANALYSIS, "-o", copy / "fold-00"],
            ["evaluate", copy, "-o", copy],
            ["evaluate", copy / "fold-00", "--corpus", synthetic, "-o", copy],
            ["evaluate", copy, "--corpus", synthetic, "-o", synthetic.parent],
            [*train, "-o", synthetic.parent],
            [*train, "-o", f"{tmp_path}/run/../synthetic"],
            ["train", "--model", model, "--corpus", tmp_path / "link" / "clips.csv", "-o", synthetic.parent],
            [*train, "--folds", f"file:{copy / 'folds.csv'}", "-o", copy],
            [*train, "--config", copy / "config.toml", "-o", copy],
            ["corpus", "table", synthetic, "-o", synthetic],
            ["audit", synthetic, "--no-audio", "-o", synthetic]):
        expect_refused(tmp_path, *arguments)


def test_audio_outside_the_table_is_an_input_too(synthetic, quick, tmp_path):
    table = tmp_path / "elsewhere.csv"
    table.write_text(synthetic.read_text().replace("\naudio/", f"\n{synthetic.parent}/audio/"))
    expect_refused(tmp_path, "train", *quick, "--corpus", table, "-o", synthetic.parent)


@slow
def test_force_replaces_only_what_the_program_wrote(copy, synthetic, trained, flags, corpus, tmp_path):
    for folder in (copy, synthetic.parent):
        (folder / "notes.txt").write_text("mine")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in ("config.toml", "metrics.json", "predictions.csv", "clips.csv", "README.md"):
        (foreign / name).write_text("mine")
    (tmp_path / "link").symlink_to(foreign)
    os.mkfifo(tmp_path / "fifo")
    before = files_of(tmp_path)
    for command in (["evaluate", trained], ["train", *flags], ["analyze", trained, *ANALYSIS], ["synth"]):
        expect_error(run("-q", *command, "-o", copy, "--force"), 1, copy, "notes.txt")
    for target, words in (("synthetic", "notes.txt"), ("foreign", "loralens did not write it"),
                          ("link", "symbolic link"), ("fifo", "FIFO"), ("foreign/config.toml", "is a file")):
        expect_error(run("-q", "evaluate", trained, "-o", tmp_path / target, "--force"), 1, target, words)
    for command in (["corpus", "table", corpus], ["audit", corpus, "--no-audio"], ["report", trained]):
        for target, words in (("foreign/config.toml", "it is no"), ("fifo", "FIFO")):
            expect_error(run("-q", *command, "-o", tmp_path / target, "--force"), 1, target, words)
    assert files_of(tmp_path) == before
    assert (tmp_path / "link").is_symlink() and (tmp_path / "fifo").is_fifo()


@slow
def test_force_replaces_what_each_command_wrote(trained, corpus, tmp_path):
    some = tmp_path / "some.txt"
    some.write_text("".join(f"{row['path']}\n" for row in table_of(corpus)[:4]))
    for command in (["evaluate", trained], ["synth", "--voices", 1, "--sentences", 1], ["corpus", "table", corpus],
                    ["audit", corpus, "--no-audio"], ["report", trained],
                    ["analyze", trained, *ANALYSIS, "--clips", some]):
        out = tmp_path / command[0]
        succeed("-q", *command, "-o", out)
        first = files_of(tmp_path)
        expect_error(run("-q", *command, "-o", out), 1, out, "exists already")
        succeed("-q", *command, "-o", out, "--force")
        assert set(files_of(tmp_path)) == set(first)


def test_the_page_of_a_folder_is_made_again_but_no_other_file(copy):
    succeed("report", copy)
    succeed("report", copy)
    (copy / "report.html").write_text("mine")
    expect_error(run("report", copy), 1, "report.html", "is not a page that")
    assert (copy / "report.html").read_text() == "mine"


def test_neighbours_stay(trained, tmp_path):
    for name in ("out.partial", "out.old", "out.partial-abcdef"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("mine")
    before = files_of(tmp_path)
    for force in ([], ["--force"], ["--force"]):
        succeed("evaluate", trained, "-o", tmp_path / "out", *force)
        assert {name: content for name, content in files_of(tmp_path).items() if not name.startswith("out/")} == before


def test_a_partial_folder_of_another_program_is_refused(flags, tmp_path):
    partial = tmp_path / "run.partial"
    partial.mkdir()
    for name in ("thesis.txt", ".lock"):
        (partial / name).write_text("epochs = 2\n")
        before = files_of(tmp_path)
        for arguments in (["-o", tmp_path / "run"], ["-o", tmp_path / "run", "--force"]):
            expect_error(run("train", *flags, *arguments), 1, partial, "move it away")
        assert run("train", "--resume", tmp_path / "run").returncode != 0
        assert files_of(tmp_path) == before


def test_a_profile_replaces_a_profile_only(trained, clips, tmp_path):
    (tmp_path / "mine.json").write_text("{}")
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    for name, words in (("mine.json", "not a profile"), ("link", "symbolic link"), ("fifo", "FIFO"), (".", "folder")):
        expect_error(run("predict", trained, clips[0], f"--profile={tmp_path / name}"), 1, "--profile=", words)
    expect_error(run("predict", trained, clips[0], "--profile=/dev/null"), 1, "--profile=", "device")
    assert (tmp_path / "mine.json").read_text() == "{}"
    for _ in range(2):
        succeed("predict", trained, clips[0], f"--profile={tmp_path / 'profile.json'}")


def exit_status(*arguments, **streams):
    """Runs the program with shell redirections of its streams; returns the completed process."""
    command = " ".join(f"'{word}'" for word in (PROGRAM, *arguments))
    redirected = " ".join(streams.values())
    return subprocess.run(["bash", "-c", f"{command} {redirected}"], env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=300)


@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-", "2> >(exit)"])
def test_standard_error_changes_no_result(redirection, trained, clips, tmp_path):
    good = exit_status("predict", trained, clips[0], "--profile", stderr=redirection)
    assert good.returncode == 0 and good.stdout == succeed("predict", trained, clips[0])
    assert exit_status("predict", trained, tmp_path / "gone.wav", stderr=redirection).returncode == 1
    assert exit_status("predict", "--no-such-flag", stderr=redirection).returncode == 2


@slow
def test_a_training_needs_no_standard_error(trained, flags, tmp_path):
    assert exit_status("train", *flags, "-o", tmp_path / "full", stderr="2> /dev/full").returncode == 0
    assert exit_status("train", *flags, "-o", tmp_path / "closed", stderr="0<&- 2>&-").returncode == 0
    assert files_of(tmp_path / "full") == files_of(tmp_path / "closed") == files_of(trained)


@pytest.mark.parametrize("redirection", [">&-", "> /dev/full", "<&- >&- 2>&-"])
def test_results_that_cannot_be_printed_are_an_error(redirection, trained, clips):
    before = files_of(trained)
    for arguments in (["predict", trained, clips[0]], ["evaluate", trained], ["--help"]):
        result = exit_status(*arguments, stdout=redirection)
        assert result.returncode == 1
        assert "2>" in redirection or "cannot write" in result.stderr
    assert files_of(trained) == before


def endless(kind, folder):
    path = folder / kind
    if kind == "fifo":
        os.mkfifo(path)
    else:
        with open(path, "wb") as file:  # a sparse file
            file.truncate(1 << 40)
    return path


@pytest.mark.parametrize("kind", ["fifo", "terabyte"])
def test_what_is_no_file_is_read_by_nobody(kind, trained, corpus, adapter, model, clips, tmp_path):
    path = endless(kind, tmp_path)
    for arguments in (["audit", path, "--no-audio"],
                      ["corpus", "table", path, "-o", tmp_path / "out.csv"],
                      ["train", "--model", model, "--corpus", path, "-o", tmp_path / "out"],
                      ["train", "--model", model, "--corpus", corpus, "--folds", f"file:{path}",
                       "-o", tmp_path / "out"],
                      ["evaluate", trained, "--config", path],
                      ["analyze", trained, *ANALYSIS, "--clips", path, "-o", tmp_path / "out"],
                      ["import", path, "--to", tmp_path / "out"]):
        result = run(*arguments)
        assert result.returncode in (1, 2) and str(path) in result.stderr, (arguments, result.stderr)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        folder = shutil.copytree(adapter, tmp_path / name)
        (folder / name).unlink()
        (folder / name).symlink_to(path)
        result = run("predict", folder, clips[0], "--model", model)
        assert result.returncode == 1 and name in result.stderr
    for name in ("metrics.json", "predictions.csv"):
        folder = shutil.copytree(trained, tmp_path / name)
        (folder / name).unlink()
        (folder / name).symlink_to(path)
        assert run("evaluate", folder, "-o", tmp_path / "out").returncode == 1
    assert not (tmp_path / "out").exists()
