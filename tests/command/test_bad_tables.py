"""Tables of clips that cannot be trained on: each is refused in one line, and nothing is left behind."""
import pytest

from support import expect_error, expect_no_trace, noise, run, table_of, write_table, write_wav


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    """Three speakers, two classes: path, label, speaker."""
    folder = tmp_path_factory.mktemp("clips")
    names = [(label, speaker) for speaker in ("anna", "ben", "carl") for label in ("calm", "tense")]
    return [(write_wav(folder / f"{speaker}{label}.wav", noise(0.5, seed=i)), label, speaker)
            for i, (label, speaker) in enumerate(names)]


def write_bad_table(name, rows, path):
    """Writes the bad table; the flags that belong to it."""
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
    elif name == "two-speakers":  # one trains, none is left for the development part
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
    elif name == "binary":
        path.write_bytes(bytes(range(256)) * 10)
    return []


BAD_TABLES = {
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
    status = 2 if name == "no-such-folds" else 1  # that one is wrong on the command line, whatever the table
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
