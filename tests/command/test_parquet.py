"""Command tests of `loralens corpus datasets` on Parquet and Arrow files, which Python's pyarrow writes here."""
import json
import os
import sys
from pathlib import Path

import pytest
import soundfile

import support
from support import expect_error, expect_no_trace, files_of, noise, run, succeed, table_of, write_wav

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed (setup/requirements-test.txt)")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (setup/requirements-test.txt)")

EMO_DB = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "emodb"
AUDIO = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
NAMES = ["anger", "joy"]


@pytest.fixture(autouse=True)
def python(monkeypatch):
    monkeypatch.setitem(support.ENVIRONMENT, "LORALENS_PYTHON", sys.executable)


@pytest.fixture
def wav(tmp_path):
    write_wav(tmp_path / "one.wav", noise(0.05))
    return (tmp_path / "one.wav").read_bytes()


def table(audio, labels, label_type=pyarrow.int64(), names=NAMES, **columns):
    """A table as datasets writes it: audio as pairs (bytes, path), ClassLabels, and the features in the metadata."""
    audio = [None if pair is None else {"bytes": pair[0], "path": pair[1]} for pair in audio]
    arrays = {"audio": pyarrow.array(audio, AUDIO), "label": pyarrow.array(labels, label_type),
              **{name: pyarrow.array(values) for name, values in columns.items()}}
    features = {"audio": {"_type": "Audio"}, "label": {"names": names, "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pyarrow.table(arrays).replace_schema_metadata(metadata)


def write(data, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(data, path)
    return path


def read(root, out, *flags):
    printed = succeed("corpus", "datasets", root, "-o", out, *flags)
    return printed, table_of(out)


def test_shards_become_audio_and_a_table(wav, tmp_path):
    pairs = [(wav + bytes([n] * 2), f"clips/{n}.wav") for n in range(5)]
    for split, shard, part in [("train", "0", slice(0, 2)), ("train", "1", slice(2, 4)), ("test", "0", slice(4, 5))]:
        count = len(pairs[part])
        write(table(pairs[part], [0, 1][:count], speaker_id=[7, 8][:count], transcription=["Oh.", None][:count],
                    loud=[0.5, 1.0][:count], vector=[[1.0], [2.0]][:count]),
              tmp_path / "set" / "data" / f"{split}-0000{shard}-of-0000{2 if split == 'train' else 1}.parquet")
    out = tmp_path / "clips.csv"
    printed, rows = read(tmp_path / "set", out)
    assert [row["path"] for row in rows] == [f"clips-audio/{n}.wav" for n in range(5)]
    assert [row["label"] for row in rows] == ["anger", "joy", "anger", "joy", "anger"]
    assert [row["speaker"] for row in rows] == ["7", "8", "7", "8", "7"]
    assert [row["split"] for row in rows] == ["train"] * 4 + ["test"]
    assert [row["text"] for row in rows] == ["Oh.", "", "Oh.", "", "Oh."]
    assert [row["loud"] for row in rows] == ["0.5", "1.0", "0.5", "1.0", "0.5"]
    for n, row in enumerate(rows):
        assert (tmp_path / row["path"]).read_bytes() == pairs[n][0]
    assert f"the audio of 5 clips is written to {tmp_path / 'clips-audio'}" in printed
    assert "vector" in printed and "the column 'speaker_id' is taken as speaker" in printed
    sources = table_of(tmp_path / "clips-audio" / "sources.csv")
    assert sources[0] == {"file": "4.wav", "source": "data/test-00000-of-00001.parquet", "row": "1",
                          "path": "clips/4.wav"}
    # One file; what is there is replaced by --force alone, with the classes that are asked for.
    one = tmp_path / "set" / "data" / "test-00000-of-00001.parquet"
    expect_error(run("corpus", "datasets", one, "-o", out), 1, "clips.csv exists already")
    _, rows = read(one, out, "--force", "--labels", "anger=anger")
    assert [row["path"] for row in rows] == ["clips-audio/4.wav"]
    assert set(files_of(tmp_path / "clips-audio")) == {"4.wav", "sources.csv"}


@pytest.mark.skipif(not EMO_DB.is_dir(), reason="EMO-DB is not on this machine")
def test_clips_of_emo_db_come_back_byte_for_byte(tmp_path):
    files = [file for file in sorted(EMO_DB.rglob("*")) if file.suffix in (".wav", ".flac")][::20]
    emotions = dict(zip("WLEAFTN", ["anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"]))
    names = sorted(emotions.values())
    data = table([(file.read_bytes(), file.name) for file in files],
                 [names.index(emotions[file.stem[5]]) for file in files], names=names)
    write(data, tmp_path / "emodb" / "data" / "train-00000-of-00001.parquet")
    _, rows = read(tmp_path / "emodb", tmp_path / "clips.csv", "--speaker-pattern", r"^(\d\d)")
    assert len(rows) == len(files) > 10
    by_name = {Path(row["path"]).name: row for row in rows}
    for file in files:
        row = by_name[file.name]
        assert (tmp_path / row["path"]).read_bytes() == file.read_bytes()
        assert (row["label"], row["speaker"]) == (emotions[file.stem[5]], file.stem[:2])
    expected = tmp_path / "expected.csv"
    succeed("corpus", "emo-db", EMO_DB, "-o", expected)
    labels = {Path(row["path"]).name: row["label"] for row in table_of(expected)}
    assert all(labels[name] == row["label"] for name, row in by_name.items())


def test_names_are_safe_and_never_overwrite_each_other(wav, tmp_path):
    paths = ["../../x.wav", "/etc/x.wav", None, "", "a.wav", "b/a.wav", "..\\..\\c.wav", ".hidden", "sources.csv",
             "no/"]
    write(table([(wav + bytes([n]), path) for n, path in enumerate(paths)], [0] * len(paths)),
          tmp_path / "set" / "train.parquet")
    folder = tmp_path / "out"
    folder.mkdir()
    _, rows = read(tmp_path / "set", folder / "clips.csv")
    names = {Path(row["path"]).name for row in rows}
    assert names == {"x.wav", "x-2.wav", "clip.wav", "clip-2.wav", "clip-3.wav", "a.wav", "a-2.wav", "c.wav",
                     "hidden.wav", "sources.csv.wav"}
    written = {path.read_bytes() for path in (folder / "clips-audio").glob("*.wav")}
    assert written == {wav + bytes([n]) for n in range(10)}
    assert {path.name for path in tmp_path.iterdir()} == {"one.wav", "set", "out"}
    assert {path.name for path in folder.iterdir()} == {"clips.csv", "clips-audio"}


def test_arrow_files_and_samples_in_columns(wav, tmp_path):
    data = table([(wav, "a.wav"), (wav, "b.wav")], [0, 1])
    folder = tmp_path / "saved" / "train"
    folder.mkdir(parents=True)
    with pyarrow.ipc.new_stream(folder / "data-00000-of-00001.arrow", data.schema) as file:
        file.write_table(data)
    _, rows = read(tmp_path / "saved", tmp_path / "saved.csv")
    assert [(row["path"], row["label"], row["split"]) for row in rows] == [
        ("saved-audio/a.wav", "anger", "train"), ("saved-audio/b.wav", "joy", "train")]
    with pyarrow.ipc.new_file(tmp_path / "one.arrow", data.schema) as file:
        file.write_table(data)
    assert len(read(tmp_path / "one.arrow", tmp_path / "one.csv")[1]) == 2
    samples = noise(0.1)[:, 0].astype("float32")
    audio = [{"array": samples, "sampling_rate": 8000, "path": None}] * 2
    write(pyarrow.table({"audio": audio, "emotion": ["joy", "anger"]}), tmp_path / "samples.parquet")
    _, rows = read(tmp_path / "samples.parquet", tmp_path / "samples.csv")
    heard, rate = soundfile.read(tmp_path / rows[0]["path"], dtype="float32")
    assert rate == 8000 and (heard == samples).all()
    assert {row["path"]: row["label"] for row in rows} == {
        "samples-audio/clip.wav": "joy", "samples-audio/clip-2.wav": "anger"}


def test_columns_of_paths_name_files_of_the_folder(wav, tmp_path):
    (tmp_path / "set" / "clips").mkdir(parents=True)
    (tmp_path / "set" / "clips" / "a.wav").write_bytes(wav)
    write(pyarrow.table({"file_name": ["clips/a.wav"], "emotion": ["joy"]}), tmp_path / "set" / "train.parquet")
    printed, rows = read(tmp_path / "set", tmp_path / "clips.csv")
    assert [(row["path"], row["label"]) for row in rows] == [("set/clips/a.wav", "joy")]
    expect_no_trace(tmp_path / "clips-audio")
    for path in ["../set/clips/a.wav", str(tmp_path / "set" / "clips" / "a.wav"), "clips/b.wav", None]:
        data = pyarrow.table({"file_name": ["clips/a.wav", path], "emotion": ["joy"] * 2})
        write(data, tmp_path / "set" / "train.parquet")
        expect_error(run("corpus", "datasets", tmp_path / "set", "-o", tmp_path / "x.csv"), 1, "row 2: no audio")
        expect_no_trace(tmp_path / "x.csv")


def hostile(kind, wav, path):
    """Writes a file that cannot be read; returns words of the error."""
    good = table([(wav, f"{n}.wav") for n in range(30)], [0] * 30)
    if kind == "cut":
        write(good, path)
        path.write_bytes(path.read_bytes()[:-100])
        return ["train.parquet: this Parquet or Arrow file cannot be read"]
    if kind == "damaged":
        parquet.write_table(good, path, write_page_checksum=True)
        content = bytearray(path.read_bytes())
        content[200:1000] = os.urandom(800)
        path.write_bytes(content)
        return ["train.parquet"]
    if kind == "empty":
        path.write_bytes(b"")
        return ["train.parquet: this Parquet or Arrow file cannot be read"]
    if kind == "text":
        path.write_text("PAR1 and no more")
        return ["train.parquet: this Parquet or Arrow file cannot be read"]
    if kind == "class":
        write(table([(wav, "a.wav")] * 3, [0, 2, -7]), path)
        return ["2 of 3 rows cannot be used", "row 2: the column 'label' has the class 2", "row 3", "the class -7"]
    if kind == "bytes":
        write(table([(wav, "a.wav"), (None, "b.wav"), (b"", None), None], [0] * 4), path)
        return ["3 of 4 rows cannot be used", "row 2: no audio, and no file 'b.wav'", "row 3: no audio",
                "row 4: no audio"]
    if kind == "type":
        write(pyarrow.table({"audio": [{"bytes": 1, "path": "a.wav"}], "label": ["joy"]}), path)
        return ["the column 'audio' holds struct<bytes: int64, path: string>, which is no audio"]
    if kind == "no audio":
        write(pyarrow.table({"sound": [1], "label": ["joy"]}), path)
        return ["it has no column of audio", "sound label"]
    if kind == "no label":
        write(table([(wav, "a.wav")], [0]).drop_columns("label"), path)
        return ["there is no column 'label' for the label"]
    if kind == "metadata":
        write(good.replace_schema_metadata({"huggingface": "[" * 100000}), path)
        return ["train.parquet: this Parquet or Arrow file cannot be read"]
    if kind == "names":
        write(table([(wav, "a.wav")], [0], names=[1, {"a": 2}]), path)
        return ["train.parquet", "label"]
    if kind == "zero":
        write(table([(wav, "a.wav")], ["jo\0y"], pyarrow.string(), names=None), path)
        return ["label", "jo\\x00y"]
    if kind == "spelling":
        write(table([(wav, "a.wav"), (wav, "b.wav")], ["joy", "Joy"], pyarrow.string(), names=None), path)
        return ["Joy"]
    if kind == "utf-8":
        bad = pyarrow.Array.from_buffers(pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\2\0\0\0"),
                                                               pyarrow.py_buffer(b"\xff\xfe")])
        write(table([(wav, "a.wav")], [0]).append_column("note", bad), path)
        return ["row 1", "utf-8"]
    if kind == "rows":
        write(table([None] * 200_000, [0] * 200_000), path)
        return ["10000 of 10001 rows cannot be used", "and 9980 more"]
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", ["cut", "damaged", "empty", "text", "class", "bytes", "type", "no audio", "no label",
                                  "metadata", "names", "zero", "spelling", "utf-8", "rows"])
def test_hostile_files_are_an_error_and_nothing_is_written(kind, wav, tmp_path):
    path = tmp_path / "set" / "train.parquet"
    path.parent.mkdir()
    words = hostile(kind, wav, path)
    expect_error(run("corpus", "datasets", tmp_path / "set", "-o", tmp_path / "clips.csv"), 1, *words)
    assert {path.name for path in tmp_path.iterdir()} == {"one.wav", "set"}


def test_other_readers_and_a_missing_pyarrow_say_what_to_do(wav, tmp_path, monkeypatch):
    path = write(table([(wav, "a.wav")], [0]), tmp_path / "set" / "train.parquet")
    for reader, root in [("folders", tmp_path / "set"), ("table", tmp_path / "set"), ("table", path)]:
        result = run("corpus", reader, root, "-o", tmp_path / "clips.csv")
        expect_error(result, 1, f"loralens corpus datasets {root} -o clips.csv")
    bare = tmp_path / "bare"
    bare.write_text(f"#!/bin/sh\nexec {sys.executable} -I -S \"$@\"\n")
    bare.chmod(0o755)
    monkeypatch.setitem(support.ENVIRONMENT, "LORALENS_PYTHON", str(bare))
    result = run("corpus", "datasets", path, "-o", tmp_path / "clips.csv")
    expect_error(result, 1, "No module named 'pyarrow'", f"{bare} -m pip install pyarrow")
    # A module of this name in the working directory is not run.
    (tmp_path / "pyarrow.py").write_text("raise SystemExit('run')")
    monkeypatch.setitem(support.ENVIRONMENT, "LORALENS_PYTHON", sys.executable)
    succeed("corpus", "datasets", path, "-o", tmp_path / "clips.csv", cwd=tmp_path)
