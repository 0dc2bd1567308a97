"""Segments (start and end in a table) give the same results as separately cut clips, in every command."""
import json
import wave

import pytest
from numpy import format_float_positional

from support import run, succeed, table_of, write_table


@pytest.fixture(scope="module")
def joined(corpus, tmp_path_factory):
    """The table of the corpus with the clips of each speaker joined in one file."""
    folder = tmp_path_factory.mktemp("joined")
    rows, recordings = [], {}
    for row in table_of(corpus):
        with wave.open(str(corpus.parent / row["path"])) as file:
            rate, samples = file.getframerate(), file.readframes(file.getnframes())
        recording = recordings.setdefault(row["speaker"], bytearray())
        start, end = len(recording) // 2, (len(recording) + len(samples)) // 2
        recording += samples
        rows.append((f"{row['speaker']}.wav", row["label"], row["speaker"], *(format_float_positional(n / rate, trim="-") for n in (start, end))))
    for speaker, samples in recordings.items():
        with wave.open(str(folder / f"{speaker}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples)
    return write_table(folder / "joined.csv", rows, header=("path", "label", "speaker", "start", "end"))


@pytest.fixture(scope="module")
def ids(joined):
    """The ids of the segments with absolute paths, in the order of the table."""
    return [str(joined.parent / f"{row['path']}#{row['start']}-{row['end']}") for row in table_of(joined)]


def evaluated(trained, table, folder):
    succeed("evaluate", trained, "--corpus", table, "-o", folder)
    rows = table_of(folder / "predictions.csv")
    return [row["id"] for row in rows], [[row[name] for name in row if name.startswith("p_")] for row in rows]


def test_evaluate_hears_the_same(trained, corpus, joined, ids, tmp_path):
    segments, heard = evaluated(trained, joined, tmp_path / "segments")
    clips, expected = evaluated(trained, corpus, tmp_path / "clips")
    assert [str(joined.parent / name) for name in segments] == 2 * ids  # the models of both folds
    assert clips == 2 * [row["path"] for row in table_of(corpus)]
    assert heard == expected


def test_predict_takes_ids(trained, corpus, ids):
    files = [corpus.parent / row["path"] for row in table_of(corpus)]
    expected = [json.loads(line) for line in succeed("predict", trained, *files).splitlines()]
    given = [json.loads(line) for line in succeed("predict", trained, *ids).splitlines()]
    assert [line["path"] for line in given] == ids
    assert [{**line, "path": ""} for line in given] == [{**line, "path": ""} for line in expected]


def test_predict_of_a_segment_beyond_the_end(trained, joined):
    result = run("predict", trained, f"{joined.parent / table_of(joined)[0]['path']}#0-1000")
    assert result.returncode == 1
    assert "is not inside the file" in json.loads(result.stdout)["error"]


def test_a_run_on_segments_can_be_analysed_by_ids(quick, joined, ids, tmp_path):
    succeed("train", *quick, "--corpus", joined, "--method", "frozen", "-o", tmp_path / "run")
    names = [row["id"] for row in table_of(tmp_path / "run" / "folds.csv")]
    assert {str(joined.parent / name) for name in names} == set(ids)
    some = tmp_path / "some.txt"
    some.write_text("".join(f"{name}\n" for name in [ids[3], ids[0]]))
    succeed("analyze", tmp_path / "run", "--only", "logit-lens", "--threads", 1, "--clips", some, "-o", tmp_path / "out")
    used = (tmp_path / "out" / "clips.txt").read_text().splitlines()
    assert [str(joined.parent / name) for name in used] == [ids[3], ids[0]]
