"""Tables in the forms that spreadsheets and other programs write, lists of files, and clips that cannot be read."""
import json
import shlex

import pytest

from support import MODEL, expect_error, expect_no_trace, noise, run, succeed, table_of, write_table, write_wav

HEADER = ("path", "label", "speaker")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows path, label, speaker of three speakers and two classes; paths are absolute."""
    folder = tmp_path_factory.mktemp("clips")
    names = [(label, speaker) for speaker in ("anna", "ben", "carl") for label in ("calm", "tense")]
    return [(str(write_wav(folder / f"{speaker}{label}.wav", noise(0.5, seed=i))), label, speaker)
            for i, (label, speaker) in enumerate(names)]


@pytest.fixture(scope="module")
def frozen(model):
    """Flags of a training of about a second, without a corpus."""
    return ["--model", model, "--folds", "speaker:3", "--method", "frozen", "--epochs", 1, "--threads", 1]


def text_of(rows, separator=",", header=HEADER, end="\n"):
    return end.join(separator.join(row) for row in [header, *rows]) + end


FORMS = {
    "semicolons": (lambda rows: text_of(rows, ";").encode(), "separated by ';'"),
    "separator-line": (lambda rows: ("sep=;\r\n" + text_of(rows, ";", end="\r\n")).encode(), "separated by ';'"),
    "tabs": (lambda rows: text_of(rows, "\t").encode(), ""),
    "utf-16-with-mark": (lambda rows: text_of(rows, "\t", end="\r\n").encode("utf-16"), ""),
    "utf-16-without-mark": (lambda rows: text_of(rows).encode("utf-16-le"), "UTF-16LE without a byte-order mark"),
    "utf-8-with-mark": (lambda rows: text_of(rows).encode("utf-8-sig"), ""),
    "lone-cr": (lambda rows: text_of(rows, end="\r").encode(), ""),
    "empty-columns": (lambda rows: text_of([(*row, "", "") for row in rows], header=(*HEADER, "", "")).encode(),
                      "2 columns without name and values are passed over"),
    "empty-rows": (lambda rows: (text_of(rows) + ",,\n,,\n").encode(), "2 rows without values are passed over"),
    "index-of-pandas": (lambda rows: text_of([(str(i), *row) for i, row in enumerate(rows)],
                                             header=("", *HEADER)).encode(), "numbers the rows is passed over"),
}


@pytest.mark.parametrize("name", FORMS)
def test_tables_of_other_forms_are_read_and_it_is_told(name, rows, tmp_path):
    content, told = FORMS[name]
    table = tmp_path / "clips.csv"
    table.write_bytes(content(rows))
    result = run("audit", table, "--no-audio", "--folds", "speaker:3")
    assert result.returncode == 0, result.stderr
    assert "6 clips of 6 files, 3 speakers" in result.stdout
    assert told in result.stderr and result.stderr.count("\n") == bool(told)
    printed = succeed("corpus", "table", table, "-o", tmp_path / "out.csv")
    assert told in printed
    assert [(row["label"], row["speaker"]) for row in table_of(tmp_path / "out.csv")] == [row[1:] for row in rows]


def test_a_training_on_a_table_with_semicolons(rows, frozen, tmp_path):
    table = tmp_path / "clips.csv"
    table.write_text(text_of(rows, ";"))
    succeed("train", *frozen, "--corpus", table, "-o", tmp_path / "run")
    assert len(table_of(tmp_path / "run" / "predictions.csv")) == 6


def test_rows_keep_their_numbers(rows, tmp_path):
    table = tmp_path / "clips.csv"
    table.write_text("sep=;\npath;label;speaker\n;;\na.wav;;anna\n")
    result = run("-q", "audit", table)
    expect_error(result, 1, "row 4", "label is empty")


@pytest.mark.parametrize("header, command", [
    (("file", "emotion", "speaker_id"), "--path-column file --label-column emotion --speaker-column speaker_id"),
    (("Path", "Label", "Speaker"), "--path-column Path --label-column Label --speaker-column Speaker"),
    (("audio file", "emotion", "take"), "--path-column 'audio file' --label-column emotion"),
])
def test_other_columns_are_listed_with_the_command_that_converts_the_table(header, command, rows, tmp_path):
    table = write_table(tmp_path / "list.csv", rows, header)
    result = run("-q", "audit", table)
    expect_error(result, 1, f"loralens corpus table {table} {command} -o {tmp_path / 'list-clips.csv'}")
    succeed("corpus", "table", table, *shlex.split(command), "-o", tmp_path / "list-clips.csv")
    assert len(table_of(tmp_path / "list-clips.csv")) == 6


def test_the_folder_of_the_audio(tmp_path):
    for i in (1, 2):
        write_wav(tmp_path / "audio" / f"{i}_a.wav", noise(0.2, seed=i))
    lines = [{"key": i, "wav": f"audio/{i}_a.wav", "emo": emotion} for i, emotion in ((1, "Angry"), (2, "Sad"))]
    table = tmp_path / "data" / "lists" / "train.jsonl"
    table.parent.mkdir(parents=True)
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    flags = ["--path-column", "wav", "--label-column", "emo", "--labels", "four"]
    printed = succeed("corpus", "table", table, *flags, "--speaker-pattern", r"/(\d)_", "-o", tmp_path / "found.csv")
    assert f"the table's paths are relative to {tmp_path}" in printed and "missing" not in printed
    assert table_of(tmp_path / "found.csv") == [
        {"path": "audio/1_a.wav", "label": "anger", "speaker": "1", "key": "1"},
        {"path": "audio/2_a.wav", "label": "sadness", "speaker": "2", "key": "2"}]
    given = succeed("corpus", "table", table, *flags, "--audio", tmp_path, "-o", tmp_path / "given.csv")
    assert "no speakers: --speaker-column names their column, or --speaker-pattern" in given
    assert [row["path"] for row in table_of(tmp_path / "given.csv")] == ["audio/1_a.wav", "audio/2_a.wav"]
    expect_error(run("corpus", "table", table, *flags, "--audio", tmp_path / "none", "-o", tmp_path / "x.csv"), 1,
                 "--audio", "no such folder")


@pytest.mark.parametrize("encode", [lambda text: text.replace("\n", "\r\n").encode(), lambda text: text.encode("utf-8-sig"),
                                    lambda text: text.encode("utf-16"), lambda text: text.replace("\n", "\r").encode()])
def test_lists_of_files_on_standard_input(encode, trained, clips, tmp_path):
    lines = encode(f"{clips[0]}\n{clips[1]}\n")
    (tmp_path / "list.txt").write_bytes(lines)
    with open(tmp_path / "list.txt") as file:
        result = run("predict", trained / "fold-00", "-", stdin=file, input=None)
    assert result.returncode == 0, result.stdout
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == [str(clip) for clip in clips[:2]]


def test_clips_that_cannot_be_read_are_named_all_or_left_out(rows, frozen, tmp_path):
    bad = [tmp_path / f"bad{i}.wav" for i in range(3)]
    for path in bad[:2]:
        path.write_bytes(b"")
    readable = write_table(tmp_path / "clips.csv", [*rows, *((path, "calm", "anna") for path in bad[:2])])
    out = tmp_path / "run"
    result = run("-q", "train", *frozen, "--corpus", readable, "-o", out)
    expect_error(result, 1, "2 of 8 clips cannot be read", *bad[:2], "--skip-unreadable")
    table = write_table(tmp_path / "clips.csv", [*rows, *((path, "calm", "anna") for path in bad)])
    expect_error(run("-q", "train", *frozen, "--corpus", table, "-o", out), 1, "1 of 9 audio files are missing", *bad,
                 "2 others cannot be read", "--skip-unreadable")
    expect_no_trace(out)
    result = run("train", *frozen, "--corpus", table, "--skip-unreadable", "-o", out)
    assert result.returncode == 0, result.stderr
    assert "left out: 3 of 9 clips, which cannot be read" in result.stderr
    skipped = table_of(out / "skipped.csv")
    assert [row["id"] for row in skipped] == [str(path) for path in bad]
    assert "empty" in skipped[0]["error"] and "no such file" in skipped[2]["error"]
    assert json.loads((out / "metrics.json").read_text())["skipped_clips"] == 3
    assert len(table_of(out / "predictions.csv")) == 6
    assert "skip-unreadable = true" in (out / "config.toml").read_text()
    succeed("analyze", out, "--only", "contribution", "--threads", 1, "-o", tmp_path / "analysis")  # the same clips
    succeed("train", *frozen, "--corpus", table, "--skip-unreadable", "--force", "-o", out)
    parts = [(row["id"], row["fold"], row["part"]) for row in table_of(out / "folds.csv")]
    parts += [(str(path), fold, "train") for path in bad for fold in sorted({fold for _, fold, _ in parts})]
    (tmp_path / "folds.csv").write_text(text_of(parts, header=("id", "fold", "part")))
    listed = ["train", *[f"file:{tmp_path / 'folds.csv'}" if word == "speaker:3" else word for word in frozen],
              "--corpus", table]
    succeed(*listed, "--skip-unreadable", "-o", tmp_path / "of-file")
    assert table_of(tmp_path / "of-file" / "folds.csv") == table_of(out / "folds.csv")
    (tmp_path / "folds.csv").write_text(text_of([*parts, ("other.wav", "0", "train")], header=("id", "fold", "part")))
    expect_error(run("-q", *listed, "--skip-unreadable", "-o", tmp_path / "x"), 1,
                 "no clip of the corpus has the id other.wav")
    (tmp_path / "all.csv").write_text(text_of([(str(path), "calm", "anna") for path in bad]))
    expect_error(run("-q", "train", *frozen, "--corpus", tmp_path / "all.csv", "--skip-unreadable", "-o", tmp_path / "x"),
                 1, "none of the 3 clips can be read")


def test_parts_of_a_run_leave_out_the_same_clips(rows, frozen, tmp_path):
    table = write_table(tmp_path / "clips.csv", [*rows, (tmp_path / "gone.wav", "calm", "anna")])
    out = tmp_path / "run"
    succeed("train", *frozen, "--corpus", table, "--skip-unreadable", "--jobs", 2, "-o", out)
    assert [row["id"] for row in table_of(out / "skipped.csv")] == [str(tmp_path / "gone.wav")]
    assert json.loads((out / "metrics.json").read_text())["skipped_clips"] == 1
    assert not (tmp_path / "run.parts").exists()


def test_folds_of_a_spreadsheet(rows, tmp_path):
    """A table of folds with semicolons."""
    table = write_table(tmp_path / "clips.csv", rows)
    folds = [(path, str(j), "test" if i // 2 == j else "train") for j in range(3) for i, (path, *_) in enumerate(rows)]
    (tmp_path / "folds.csv").write_text(text_of(folds, ";", ("id", "fold", "part")))
    printed = succeed("audit", table, "--no-audio", "--folds", tmp_path / "folds.csv")
    assert "fold" in printed and "no errors" in printed


def test_a_run_that_was_moved_with_its_corpus_and_model(rows, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "model").symlink_to(succeed("fetch", MODEL).strip())
    write_table(here / "clips.csv", rows)
    succeed("train", "--model", "model", "--corpus", "clips.csv", "--folds", "speaker:3", "--method", "frozen", "--epochs", 1,
            "--threads", 1, "-o", "run", cwd=here)
    here.rename(there)
    cheap = ["--only", "contribution", "--threads", 1, "-o", "out"]
    expect_error(run("analyze", "run", *cheap, cwd=there), 1, here / "model", "--model", "--corpus")
    expect_error(run("predict", "run", rows[0][0], cwd=there), 1, here / "model", "--model")
    expect_error(run("-q", "analyze", "run", "--model", "model", *cheap, cwd=there), 1, here / "clips.csv", "--corpus")
    flags = ["evaluate", "run", "--model", "model", "--corpus", "clips.csv", "--threads", 1]
    assert "the run was trained on 6 of these 6 clips" in run(*flags, cwd=there).stderr
    (there / "run" / "recordings.csv").unlink()  # as in runs of older versions
    result = run(*flags, cwd=there)
    assert result.returncode == 0 and "the run was trained on 6 of these 6 clips" in result.stderr
    assert "6 of these clips have ids of run/folds.csv" in result.stderr
