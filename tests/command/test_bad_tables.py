"""Tables of clips that cannot be trained on: each is refused in one line, and no output remains."""
import json
import os
import shutil
import subprocess

import pytest

from support import PROGRAM, expect_error, expect_no_trace, noise, run, succeed, table_of, write_table, write_wav


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    """Rows path, label, speaker of three speakers and two classes."""
    folder = tmp_path_factory.mktemp("clips")
    names = [(label, speaker) for speaker in ("anna", "ben", "carl") for label in ("calm", "tense")]
    return [(write_wav(folder / f"{speaker}{label}.wav", noise(0.5, seed=i)), label, speaker)
            for i, (label, speaker) in enumerate(names)]


def write_bad_table(name, rows, path):
    """Writes the bad table of this name; returns the training flags that it needs."""
    (first, label, speaker), *rest = rows
    if name == "empty":
        path.write_text("")
    elif name == "no-rows":
        write_table(path, [])
    elif name == "no-label-column":
        write_table(path, [(clip, who) for clip, _, who in rows], header=("path", "speaker"))
    elif name == "no-speaker-column":
        write_table(path, [(clip, what) for clip, what, _ in rows], header=("path", "label"))
    elif name == "column-twice":
        write_table(path, [(*row, row[1]) for row in rows], header=("path", "label", "speaker", "label"))
    elif name == "short-row":
        write_table(path, [*rest, (first, label)])
    elif name == "open-quote":
        path.write_text(f'path,label,speaker\n"{first},{label},{speaker}\n')
    elif name == "empty-label":
        write_table(path, [*rest, (first, "", speaker)])
    elif name == "empty-speaker":
        write_table(path, [*rest, (first, label, "")])
    elif name == "duplicate-path":
        write_table(path, [*rows, (first, label, speaker)])
    elif name == "missing-files":
        write_table(path, [*rest, ("gone/a.wav", label, speaker), ("gone/b.wav", label, speaker)])
    elif name == "no-label-of-the-map":
        write_table(path, rows)
        return ["--labels", "ang=anger,sad=sadness"]
    elif name == "map-twice":
        write_table(path, rows)
        return ["--labels", "calm=good,calm=bad"]
    elif name == "no-map":
        write_table(path, rows)
        return ["--labels", "six"]
    elif name == "one-class":
        write_table(path, [(clip, "calm", who) for clip, _, who in rows])
    elif name == "one-class-of-the-map":
        write_table(path, rows)
        return ["--labels", "calm=calm"]
    elif name == "one-speaker":
        write_table(path, [(clip, what, "anna") for clip, what, _ in rows])
    elif name == "two-speakers":  # one speaker trains, and none remains for the development part
        write_table(path, [row for row in rows if row[2] != "carl"])
        return ["--folds", "speaker:2"]
    elif name == "fewer-speakers-than-folds":
        write_table(path, rows)
        return ["--folds", "speaker:4"]
    elif name == "random-folds":
        write_table(path, rows)
        return ["--folds", "random:2"]
    elif name == "leaking-column":
        write_table(path, [(*row, i % 2) for i, row in enumerate(rows)], header=("path", "label", "speaker", "half"))
        return ["--folds", "column:half"]
    elif name == "no-such-column":
        write_table(path, rows)
        return ["--folds", "column:room"]
    elif name == "no-sessions":
        write_table(path, rows)
        return ["--folds", "session"]
    elif name == "no-such-folds":
        write_table(path, rows)
        return ["--folds", "speakers:3"]
    elif name == "folds-of-other-clips":
        write_table(path, rows)
        write_table(path.with_name("folds.csv"), [("x.wav", 0, "test")], header=("id", "fold", "part"))
        return ["--folds", f"file:{path.with_name('folds.csv')}"]
    elif name == "half-a-segment":
        write_table(path, [(*row, 0.1) for row in rows], header=("path", "label", "speaker", "start"))
    elif name == "backward-segment":
        write_table(path, [(*row, 0.3, 0.2) for row in rows], header=("path", "label", "speaker", "start", "end"))
    elif name == "segment-beyond-the-end":
        write_table(path, [(*row, 0.1, 9) for row in rows], header=("path", "label", "speaker", "start", "end"))
    elif name in ENCODINGS:
        column, bad = ENCODINGS[name]
        lines = [b"path,label,speaker,text,corpus,gender", *(f"{c},{w},{s},a text,here,f".encode() for c, w, s in rows)]
        cells = lines[3].split(b",")
        cells[column] = bad
        lines[3] = b",".join(cells)
        path.write_bytes(b"\n".join(lines) + b"\n")
    elif name in SPELLINGS:
        column, other = SPELLINGS[name]
        header = ("path", "label", "speaker", "session", "corpus", "gender")
        table = [[*row, "one", "here", "female"] for row in rows]
        table[0][column] = other
        write_quoted(path, [header, *table])
    elif name == "labels-of-the-map-in-another-spelling":
        write_table(path, [(clip, "Calm" if what == "calm" else what, who) for clip, what, who in rows])
        return ["--labels", "calm,tense"]
    elif name == "column-in-another-spelling":
        write_table(path, [(*row, "one") for row in rows], header=("path", "label", "speaker", "Corpus"))
    elif name == "map-in-latin-1":
        write_table(path, rows)
        path.with_name("map.txt").write_bytes("calm=gut\ntense=ungef\u00e4hr\n".encode("latin-1"))
        return ["--labels", path.with_name("map.txt")]
    elif name == "folds-in-latin-1":
        write_table(path, rows)
        path.with_name("folds.csv").write_bytes(b"id,fold,part\n" + f"{first},0,test\n".encode() + b"T\xfcr.wav,0,train\n")
        return ["--folds", f"file:{path.with_name('folds.csv')}"]
    elif name == "folds-in-another-spelling":
        write_table(path, rows)
        write_table(path.with_name("folds.csv"), [(str(first).upper(), 0, "test")], header=("id", "fold", "part"))
        return ["--folds", f"file:{path.with_name('folds.csv')}"]
    elif name == "binary":
        path.write_bytes(bytes(range(256)) * 10)
    return []


# A column, and the badly encoded bytes of its cell in the fourth row.
ENCODINGS = {
    "latin-1-path": (0, b"T\xfcr.wav"),
    "latin-1-label": (1, b"gel\xf6st"),
    "latin-1-speaker": (2, b"J\xfcrgen"),
    "windows-1252-text": (3, b"don\x92t"),
    "overlong-corpus": (4, b"\xc0\xafhere"),
    "surrogate-gender": (5, b"\xed\xa0\x80"),
    "zero-byte-text": (3, b"a\0text"),
}
COLUMNS = ("path", "label", "speaker", "text", "corpus", "gender")

# The first row: anna, calm, session one, corpus here, female. A column, and a second spelling of its value.
SPELLINGS = {
    "speaker-in-capitals": (2, "ANNA"),
    "speaker-with-a-space": (2, "anna "),
    "speaker-with-a-no-break-space": (2, "anna\u00a0"),
    "speaker-with-a-zero-width-space": (2, "an\u200bna"),
    "speaker-in-full-width": (2, "\uff41nna"),
    "label-in-capitals": (1, "Calm"),
    "session-with-a-space": (3, " one"),
    "corpus-in-capitals": (4, "HERE"),
    "gender-in-capitals": (5, "Female"),
}


def write_quoted(path, rows):
    """Writes a table with all cells in quotes, which keep the spaces around names."""
    path.write_text("".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows), encoding="utf-8")
    return path


def seen(name):
    """A name as errors show it: invisible characters as escaped bytes."""
    return name.replace("\u00a0", r"\xc2\xa0").replace("\u200b", r"\xe2\x80\x8b")


BAD_TABLES = {
    **{name: ["clips.csv", "row 4", f"'{COLUMNS[column]}'", "iconv"] for name, (column, _) in ENCODINGS.items()},
    **{name: ["row 2", "row ", f"the {('path', 'label', 'speaker', 'session', 'corpus', 'gender')[column]} '{seen(other)}'",
              "two spellings"] for name, (column, other) in SPELLINGS.items()},
    "labels-of-the-map-in-another-spelling": ["'Calm'", "'calm'", "spelling"],
    "column-in-another-spelling": ["'Corpus'", "'corpus'"],
    "map-in-latin-1": ["map.txt", "line 2", "iconv"],
    "folds-in-latin-1": ["folds.csv", "row 3", "'id'", "iconv"],
    "folds-in-another-spelling": ["folds.csv", "row 2", "another spelling"],
    "missing": ["cannot read"],
    "empty": ["empty", "first line"],
    "no-rows": ["no clips"],
    "no-label-column": ["column 'label'", "path,label,speaker"],
    "no-speaker-column": ["column 'speaker'", "path,label,speaker"],
    "column-twice": ["'label' twice"],
    "short-row": ["row 7", "2 cells", "3"],
    "open-quote": ["quote"],
    "empty-label": ["row 7", "label is empty"],
    "empty-speaker": ["1 of 6 clips", "no speaker"],
    "duplicate-path": ["row 8", "row 2", "annacalm.wav"],
    "missing-files": ["2 of 7 audio files are missing", "gone/a.wav", "gone/b.wav"],
    "no-label-of-the-map": ["calm", "tense"],
    "map-twice": ["'calm' is given twice"],
    "no-map": ["'six'", "four"],
    "one-class": ["'calm'", "two classes"],
    "one-class-of-the-map": ["'calm'", "two classes"],
    "one-speaker": ["'anna'", "second"],
    "two-speakers": ["3 speakers"],
    "fewer-speakers-than-folds": ["3 speakers", "speaker:3"],
    "random-folds": ["speaker", "allow leaks"],
    "leaking-column": ["anna", "allow leaks"],
    "no-such-column": ["'room'"],
    "no-sessions": ["no session"],
    "no-such-folds": ["'speakers:3'", "speaker:K"],
    "folds-of-other-clips": ["folds.csv", "x.wav"],
    "half-a-segment": ["start and end"],
    "backward-segment": ["row 2", "0.2", "0.3"],
    "segment-beyond-the-end": ["9", "inside"],
    "binary": ["clips.csv"],
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_a_bad_table_is_refused(name, rows, model, tmp_path):
    table = tmp_path / "clips.csv"
    flags = write_bad_table(name, rows, table)
    if "--folds" not in flags:
        flags += ["--folds", "speaker:3"]
    result = run("-q", "train", "--model", model, "--corpus", table, *flags, "--threads", 1, "-o", tmp_path / "run")
    status = 2 if name == "no-such-folds" else 1  # a usage error, independent of the table
    expect_error(result, status, *BAD_TABLES[name])
    expect_no_trace(tmp_path / "run")


def test_labels_outside_the_map_are_said(rows, model, tmp_path):
    clips = write_table(tmp_path / "clips.csv", [*rows, (rows[0][0].with_name("x.wav"), "bored", "anna")])
    write_wav(rows[0][0].with_name("x.wav"), noise(0.5))
    result = run("train", "--model", model, "--corpus", clips, "--labels", "calm,tense", "--folds", "speaker:3",
                 "--method", "frozen", "--epochs", 1, "-o", tmp_path / "run")
    assert result.returncode == 0
    assert "left out: 1 clips labelled bored" in result.stderr
    assert len(table_of(tmp_path / "run" / "predictions.csv")) == 6


def test_random_folds_with_the_flag(rows, model, tmp_path):
    clips = write_table(tmp_path / "clips.csv", rows)
    result = run("-q", "train", "--model", model, "--corpus", clips, "--folds", "random:2", "--allow-leaks",
                 "--method", "frozen", "--epochs", 1, "-o", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert len(table_of(tmp_path / "run" / "predictions.csv")) == 6


def test_utf_16_with_its_mark_is_read(rows, model, tmp_path):
    table = write_table(tmp_path / "clips.csv", [(*row, "T\u00fcr") for row in rows], ("path", "label", "speaker", "text"))
    table.write_bytes(table.read_text(encoding="utf-8").encode("utf-16"))
    succeed("train", "--model", model, "--corpus", table, "--folds", "speaker:3", "--method", "frozen", "--epochs", 1,
            "-o", tmp_path / "run")
    assert {row["speaker"] for row in table_of(tmp_path / "run" / "predictions.csv")} == {"anna", "ben", "carl"}


# Clips of one speaker in two tables without the column corpus: it is unknown whether they are of one corpus.
def test_a_speaker_in_two_tables(rows, model, tmp_path):
    train = ["train", "--model", model, "--folds", "speaker:2", "--method", "frozen", "--epochs", 1, "--select", "last",
             "-o", tmp_path / "run"]
    first, second = (write_table(tmp_path / f"part{i}.csv", rows[i::2]) for i in range(2))
    expect_error(run(*train, "-q", "--corpus", first, "--corpus", second), 1, "'anna'", f"{first}: row 2",
                 f"{second}: row 2", "column 'corpus'")
    expect_no_trace(tmp_path / "run")
    header = ("path", "label", "speaker", "corpus")
    for i, table in enumerate((first, second)):
        write_table(table, [(*row, "one") for row in rows[i::2]], header)
    succeed(*train, "--corpus", first, "--corpus", second)
    tested = {(row["fold"], row["speaker"]) for row in table_of(tmp_path / "run" / "predictions.csv")}
    assert len(tested) == 3  # each speaker is tested in one fold


def test_the_audit_tells_of_two_spellings(rows, tmp_path):
    table = [list(row) for row in rows]
    table[1][2] = "Anna "
    out = succeed("audit", write_quoted(tmp_path / "clips.csv", [("path", "label", "speaker"), *table]), "--folds", "speaker:2")
    assert "the speaker 'anna'" in out and "'Anna '" in out and "two spellings" in out


@pytest.mark.parametrize("arguments", [["train", "--corpus", b"T\xfcr.csv", "-o", "run"], ["report", b"T\xfcr"],
                                       ["audit", "clips.csv", "-o", b"T\xfcr.json"]])
def test_arguments_are_utf_8(arguments, tmp_path):
    words = [word.encode() if isinstance(word, str) else word for word in arguments]
    result = subprocess.run([PROGRAM.encode(), *words], capture_output=True, text=True, cwd=tmp_path)
    expect_error(result, 2, "T\\xfcr", "not UTF-8")


def test_a_file_whose_name_is_not_utf_8(trained, clips, tmp_path):
    name = os.fsencode(tmp_path / "T") + b"\xfcr.wav"
    shutil.copy(clips[0], name)
    result = subprocess.run([PROGRAM, "-q", "predict", trained, name, clips[0]], capture_output=True, text=True)
    bad, good = map(json.loads, result.stdout.splitlines())
    assert result.returncode == 1 and "UTF-8" in bad["error"] and bad["path"].endswith("T\\xfcr.wav")
    assert good["path"] == str(clips[0]) and "label" in good
