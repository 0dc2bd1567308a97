"""Readers of corpora from outside, on trees of the same layout, and the synthetic corpus."""
import pytest

from support import expect_error, expect_no_trace, files_of, noise, run, succeed, table_of, write_table, write_wav


def tree(root, names):
    for name in names:
        write_wav(root / name, noise(0.05))
    return root


@pytest.fixture
def ravdess(tmp_path):
    """Three actors; calm among the emotions, a song and a stray file among the clips."""
    styles = [(emotion, intensity) for emotion in range(1, 6) for intensity in (1, 2)]
    styles.remove((1, 2))  # neutral is never strong
    names = [f"Actor_{actor:02}/03-01-{emotion:02}-{intensity:02}-01-01-{actor:02}.wav"
             for actor in (1, 2, 3) for emotion, intensity in styles]
    return tree(tmp_path / "ravdess", [*names, "Actor_01/03-02-03-01-01-01-01.wav", "Actor_01/other.wav"])


@pytest.fixture
def emo_db(tmp_path):
    names = [f"wav/{speaker}a01{emotion}a.wav" for speaker in ("03", "08") for emotion in "WLEAFTN"]
    return tree(tmp_path / "emo-db", names)


def counts_in(text):
    """The numbers that stand behind words in a summary."""
    return text.replace(",", " ").replace(":", " ").split()


def test_ravdess(ravdess, tmp_path):
    out = tmp_path / "clips.csv"
    printed = succeed("corpus", "ravdess", ravdess, "-o", out)
    rows = table_of(out)
    assert len(rows) == 27
    assert {row["label"] for row in rows} == {"neutral", "calm", "happy", "sad", "angry"}
    assert {row["speaker"] for row in rows} == {"01", "02", "03"}
    assert all((tmp_path / row["path"]).is_file() for row in rows)
    row = next(row for row in rows if row["path"].endswith("03-01-05-02-01-01-02.wav"))
    assert (row["label"], row["gender"], row["intensity"]) == ("angry", "female", "strong")
    assert "27" in counts_in(printed)
    assert "passed over 1 files of song or video" in printed
    assert "passed over 1 audio files with other names" in printed
    assert "192" in printed  # the published number of angry clips, which these are not


def test_ravdess_in_four_classes(ravdess, tmp_path):
    printed = succeed("corpus", "ravdess", ravdess, "--labels", "four", "-o", tmp_path / "clips.csv")
    labels = [row["label"] for row in table_of(tmp_path / "clips.csv")]
    assert {label: labels.count(label) for label in labels} == {"neutral": 3, "happiness": 6, "sadness": 6, "anger": 6}
    assert "calm" in printed  # left out, and said


def test_emo_db(emo_db, tmp_path):
    succeed("corpus", "emo-db", emo_db, "-o", tmp_path / "clips.csv")
    rows = table_of(tmp_path / "clips.csv")
    speakers = {(row["speaker"], row["gender"], row["language"]) for row in rows}
    assert speakers == {("03", "male", "de"), ("08", "female", "de")}
    assert len(rows) == 14 and len({row["label"] for row in rows}) == 7
    succeed("corpus", "emo-db", emo_db, "--labels", "four", "-o", tmp_path / "four.csv")
    assert len(table_of(tmp_path / "four.csv")) == 8
    # The folder with the files themselves is fine too.
    succeed("corpus", "emo-db", emo_db / "wav", "-o", tmp_path / "again.csv")
    assert table_of(tmp_path / "again.csv") == rows


def test_a_table_with_columns_of_other_names(tmp_path):
    tree(tmp_path / "audio", ["a.wav", "b.wav"])
    rows = [("audio/a.wav", "ang", "s1", "quiet"), ("audio/b.wav", "hap", "s2", "loud")]
    theirs = write_table(tmp_path / "theirs.csv", rows, header=("file", "emotion", "who", "room"))
    out = tmp_path / "folder" / "clips.csv"
    out.parent.mkdir()
    flags = ["--path-column", "file", "--label-column", "emotion", "--speaker-column", "who"]
    printed = succeed("corpus", "table", theirs, *flags, "--labels", "ang=anger,hap=happiness", "-o", out)
    assert table_of(out) == [
        {"path": "../audio/a.wav", "label": "anger", "speaker": "s1", "room": "quiet"},
        {"path": "../audio/b.wav", "label": "happiness", "speaker": "s2", "room": "loud"}]
    assert "anger" in printed and "s2" in printed
    tabs = tmp_path / "theirs.tsv"
    tabs.write_text(theirs.read_text().replace(",", "\t"))
    assert succeed("corpus", "table", tabs, *flags, "-o", tmp_path / "tabs.csv")
    result = run("corpus", "table", theirs, "-o", tmp_path / "x.csv")
    expect_error(result, 1, "theirs.csv", "'path'", "file emotion who room")


def test_labels_from_a_file(ravdess, tmp_path):
    (tmp_path / "labels.txt").write_text("# two\nangry=active\nhappy=active\nsad=passive\n")
    succeed("corpus", "ravdess", ravdess, "--labels", tmp_path / "labels.txt", "-o", tmp_path / "clips.csv")
    assert {row["label"] for row in table_of(tmp_path / "clips.csv")} == {"active", "passive"}


@pytest.mark.parametrize("arguments, words", [
    (["ravdess", "."], ["no RAVDESS speech", "Actor_01/"]),
    (["emo-db", "."], ["no EMO-DB", "wav/03a01Fa.wav"]),
    (["iemocap", "."], ["Session1"]),
    (["iemocap", "none"], ["none"]),
    (["table", "none.csv"], ["none.csv"]),
    (["casia", "."], ["'casia'", "ravdess"]),
])
def test_what_is_no_such_corpus(arguments, words, tmp_path):
    expect_error(run("corpus", *arguments, "-o", "clips.csv", cwd=tmp_path), 1, *words)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_table_is_replaced_only_by_force(emo_db, tmp_path):
    out = tmp_path / "clips.csv"
    out.write_text("mine")
    expect_error(run("corpus", "emo-db", emo_db, "-o", out), 1, out, "exists already", "--force")
    assert out.read_text() == "mine"
    succeed("corpus", "emo-db", emo_db, "-o", out, "--force")
    assert len(table_of(out)) == 14


def test_synth_is_the_same_for_the_same_seed(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        printed = succeed("synth", "-o", tmp_path / name, "--voices", 2, "--sentences", 1, "--seed", seed)
        assert printed == f"{tmp_path / name / 'clips.csv'}\n"
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b") != files_of(tmp_path / "c")
    assert "SYNTHETIC" in (tmp_path / "a" / "README.md").read_text().upper()


@pytest.mark.parametrize("flags, words", [
    (["--voices", 0], ["1 to 12", "0"]),
    (["--sentences", 13], ["1 to 12", "13"]),
])
def test_synth_refuses_what_it_has_not(flags, words, tmp_path):
    expect_error(run("synth", "-o", tmp_path / "out", *flags), 2, *words)
    expect_no_trace(tmp_path / "out")
