"""Command tests of the corpus readers, on small trees of the same layout, and of the synthetic corpus."""
import pytest
import soundfile

from support import expect_error, expect_no_trace, files_of, noise, run, succeed, table_of, write_table, write_wav

READERS = ["audformat", "crema-d", "datasets", "emo-db", "emobox", "esd", "folders", "iemocap", "meld", "msp-improv",
           "msp-podcast", "ravdess", "savee", "table", "tess"]
FLAGS = {"--style": {"iemocap"}, "--segments": {"iemocap"}, "--perceived": {"crema-d"},
         "--speaker-pattern": {"folders", "table", "emobox", "datasets", "audformat"}, "--audio": {"table", "emobox"},
         "--path-column": {"table"}, "--start-column": {"table", "datasets"}, "--table": {"audformat"}}


def tree(root, names):
    for name in names:
        write_wav(root / name, noise(0.05))
    return root


@pytest.fixture
def ravdess(tmp_path):
    """A RAVDESS tree of three actors, with calm clips, a song and a file with another name."""
    styles = [(emotion, intensity) for emotion in range(1, 6) for intensity in (1, 2)]
    styles.remove((1, 2))  # RAVDESS has no strong neutral clips
    names = [f"Actor_{actor:02}/03-01-{emotion:02}-{intensity:02}-01-01-{actor:02}.wav"
             for actor in (1, 2, 3) for emotion, intensity in styles]
    return tree(tmp_path / "ravdess", [*names, "Actor_01/03-02-03-01-01-01-01.wav", "Actor_01/other.wav"])


@pytest.fixture
def emo_db(tmp_path):
    names = [f"wav/{speaker}a01{emotion}a.wav" for speaker in ("03", "08") for emotion in "WLEAFTN"]
    return tree(tmp_path / "emo-db", names)


def counts_in(text):
    """The words and numbers of a summary, without commas and colons."""
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
    assert "192" in printed  # the published number of angry clips, which differs here


def test_ravdess_in_four_classes(ravdess, tmp_path):
    printed = succeed("corpus", "ravdess", ravdess, "--labels", "four", "-o", tmp_path / "clips.csv")
    labels = [row["label"] for row in table_of(tmp_path / "clips.csv")]
    assert {label: labels.count(label) for label in labels} == {"neutral": 3, "happiness": 6, "sadness": 6, "anger": 6}
    assert "calm" in printed  # listed as left out


def test_emo_db(emo_db, tmp_path):
    succeed("corpus", "emo-db", emo_db, "-o", tmp_path / "clips.csv")
    rows = table_of(tmp_path / "clips.csv")
    speakers = {(row["speaker"], row["gender"], row["language"]) for row in rows}
    assert speakers == {("03", "male", "de"), ("08", "female", "de")}
    assert len(rows) == 14 and len({row["label"] for row in rows}) == 7
    succeed("corpus", "emo-db", emo_db, "--labels", "four", "-o", tmp_path / "four.csv")
    assert len(table_of(tmp_path / "four.csv")) == 8
    # The folder of the audio files may be given too.
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
    (["crema-d", "."], ["no CREMA-D", "AudioWAV/1001_DFA_ANG_XX.wav"]),
    (["esd", "."], ["no ESD", "0011/Angry/"]),
    (["meld", "."], ["no MELD", "train_sent_emo.csv"]),
    (["msp-improv", "."], ["no labels of MSP-IMPROV", "Evalution.txt"]),
    (["folders", "."], ["no audio in folders"]),
    (["emobox", "."], ["no lists of EmoBox", "fold_1/"]),
    (["msp-podcast", "."], ["no labels of MSP-Podcast", "Labels/labels_consensus.csv"]),
    (["savee", "."], ["no SAVEE", "DC_a01.wav"]),
    (["tess", "."], ["no TESS", "OAF_back_angry.wav"]),
    (["datasets", "."], ["no metadata.csv", "loralens corpus folders"]),
    (["audformat", "."], ["no db.yaml"]),
])
def test_what_is_no_such_corpus(arguments, words, tmp_path):
    expect_error(run("corpus", *arguments, "-o", "clips.csv", cwd=tmp_path), 1, *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments, words", [
    (["casia", "."], ["'casia'", "ravdess"]),
    ([], ["subcommand", "ravdess"]),
    (["emo-db", ".", "--style", "improvised"], ["--style"]),
    (["iemocap", ".", "--path-column", "wav"], ["--path-column"]),
    (["iemocap", ".", "--style", "natural"], ["--style", "'natural'", "improvised"]),
    (["crema-d", ".", "--perceived", "smell"], ["--perceived", "'smell'", "voice"]),
    (["folders", ".", "--speaker-pattern", "x"], ["--speaker-pattern", "group"]),
    (["emo-db", ".", "--labels", "six"], ["--labels", "'six'", "four"]),
    (["emo-db", ".", "--labels", "a=b,a=c"], ["--labels", "'a' is given twice"]),
])
def test_what_cannot_be_asked_for(arguments, words, tmp_path):
    expect_error(run("corpus", *arguments, *(["-o", "clips.csv"] if arguments else []), cwd=tmp_path), 2, *words)
    assert list(tmp_path.iterdir()) == []


def test_help_names_the_readers_and_only_their_own_flags():
    assert all(name in succeed("corpus", "--help") for name in READERS)
    for name in READERS:
        text = succeed("corpus", name, "--help")
        assert "--labels" in text
        assert {flag for flag in FLAGS if flag in text} == {flag for flag in FLAGS if name in FLAGS[flag]}


@pytest.fixture
def trees(tmp_path):
    """For each reader a tree with an angry clip of 1 s of one speaker and a neutral one of another."""
    root = tmp_path / "corpora"
    names = {
        "crema-d": ["AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1002_DFA_NEU_XX.wav"],
        "emo-db": ["wav/03a01Wa.wav", "wav/08a01Na.wav"],
        "esd": ["0001/Angry/train/0001_000351.wav", "0011/Neutral/0011_000001.wav"],
        "folders": ["Angry/1_a.wav", "neutral/2_a.wav"],
        "iemocap": ["Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
                    "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav"],
        "meld": ["train_splits/dia0_utt0.wav", "train_splits/dia0_utt1.wav"],
        "msp-improv": ["session1/S01A/S/MSP-IMPROV-S01A-F01-S-FM01.wav",
                       "session1/S01A/S/MSP-IMPROV-S01A-M01-S-FM02.wav"],
        "ravdess": ["Actor_01/03-01-05-01-01-01-01.wav", "Actor_02/03-01-01-01-01-01-02.wav"],
        "table": ["a.wav", "b.wav"],
        "emobox": ["wav/1_a.wav", "wav/2_a.wav"],
        "msp-podcast": ["Audios/MSP-PODCAST_0001_0001.wav", "Audios/MSP-PODCAST_0002_0001.wav"],
        "savee": ["AudioData/DC/a01.wav", "AudioData/JE/n01.wav"],
        "tess": ["OAF_angry/OAF_back_angry.wav", "YAF_neutral/YAF_back_neutral.wav"],
        "datasets": ["test/1_a.wav", "train/2_a.wav"],
        "audformat": ["wav/1_a.wav", "wav/2_a.wav"],
    }
    for reader, clips in names.items():
        for name in clips:
            write_wav(root / reader / name, noise(1))
    texts = {
        "esd/0001/0001.txt": "0001_000351\t好\t生气\n".encode("gb2312"),
        "esd/0011/0011.txt": "0011_000001\tGood.\tNeutral\r\n".encode("utf-16"),
        "iemocap/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt":
            b"% header\n\n[1.0000 - 1.5000]\tSes01F_impro01_F000\tang\t[2.5, 2.5, 2.5]\nC-E2:\tAnger;\t()\n"
            b"[1.5000 - 2.2500]\tSes01F_impro01_M000\tneu\t[2.5, 2.5, 2.5]\n",
        "meld/train_sent_emo.csv":
            b"Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
            b"1,\"No, no!\",Ross,anger,negative,0,0\n2,Well.,Joey,neutral,neutral,0,1\n",
        "msp-improv/Evalution.txt":
            b"UTD-IMPROV-S01A-F01-S-FM01.avi; A; A:2.6; V:3.4; D:3.0 ; N:3.8;\nr-1; Angry; Angry; A:2; V:2; D:2; N:2;\n"
            b"\nUTD-IMPROV-S01A-M01-S-FM02.avi; N; A:2.6; V:3.4; D:NaN ; N:3.8;\n",
        "datasets/test/metadata.csv": b"file_name,label,speaker\n1_a.wav,Angry,1\n",
        "datasets/train/metadata.jsonl": b'{"file_name": "2_a.wav", "label": "Neutral", "speaker": 2}\n',
        "audformat/db.yaml": b"name: audformat\ntables:\n  emotion: {type: filewise}\n",
        "audformat/db.emotion.csv": b"file,emotion,speaker\nwav/1_a.wav,Angry,1\nwav/2_a.wav,Neutral,2\n",
        "emobox/emobox_test_fold_1.jsonl":
            b'{"wav": "wav/1_a.wav", "emo": "Angry", "dataset": "emobox"}\n'
            b'{"wav": "wav/2_a.wav", "emo": "Neutral", "dataset": "emobox"}\n',
        "msp-podcast/Labels/labels_consensus.csv":
            b"FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
            b"MSP-PODCAST_0001_0001.wav,A,4.2,3.1,4.4,1,Male,Train\nMSP-PODCAST_0002_0001.wav,N,4,4,4,2,Female,Test1\n",
        "table/list.jsonl": b'{"path": "a.wav", "label": "Angry", "speaker": 1}\n'
                            b'{"path": "b.wav", "label": "NEU", "speaker": 2}\n',
    }
    for name, content in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def test_four_classes_fit_every_reader(trees, tmp_path):
    assert {folder.name for folder in trees.iterdir()} == set(READERS)
    for name in READERS:
        root = trees / name / "list.jsonl" if name == "table" else trees / name
        flags = ["--speaker-pattern", r"/(\d)_"] if name in ("folders", "emobox") else []
        out = tmp_path / f"{name}.csv"
        printed = succeed("corpus", name, root, "--labels", "four", *flags, "-o", out)
        assert printed.startswith("2 clips\nby label: anger 1, neutral 1\n"), printed
        assert "missing" not in printed
        rows = table_of(out)
        assert [row["label"] for row in rows] == ["anger", "neutral"]
        assert len({row["speaker"] for row in rows} - {""}) == 2
        assert all((tmp_path / row["path"]).is_file() for row in rows)
        assert name in ("folders", "table", "datasets") or {row["corpus"] for row in rows} == {name}


def test_folders_name_what_they_pass_over(tmp_path):
    """All containers that the decoder reads are clips; other files are counted by extension."""
    root = tmp_path / "tree"
    for i, extension in enumerate(("sph", "w64", "caf", "au")):
        path = root / ("anger", "sadness")[i % 2] / f"speaker{i % 2}.{extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(0.2, seed=i), 16000, format={"sph": "NIST"}.get(extension, extension.upper()))
    (root / "anger" / "notes.txt").write_text("x")
    printed = succeed("corpus", "folders", root, "-o", tmp_path / "clips.csv")
    assert printed.startswith("4 clips\n") and "passed over 1 files that are no audio (.txt 1)" in printed
    assert "unreadable" not in succeed("audit", tmp_path / "clips.csv")


def test_meld_as_video_and_the_silent_clip_of_crema_d(trees, tmp_path):
    for path in (trees / "meld" / "train_splits").iterdir():
        path.rename(path.with_suffix(".mp4"))
    printed = succeed("corpus", "meld", trees / "meld", "-o", tmp_path / "meld.csv")
    assert "2 clips are there as video (.mp4) alone" in printed
    assert f"for f in {trees / 'meld' / 'train_splits'}/*.mp4; do ffmpeg" in printed
    write_wav(trees / "crema-d" / "AudioWAV" / "1076_MTI_SAD_XX.wav", noise(1, loudness=0))
    printed = succeed("corpus", "crema-d", trees / "crema-d", "-o", tmp_path / "crema-d.csv")
    assert "1076_MTI_SAD_XX.wav has no sound in the corpus itself" in printed


def test_utterances_of_iemocap_as_segments(trees, tmp_path):
    root = trees / "iemocap"
    write_wav(root / "Session1/dialog/wav/Ses01F_impro01.wav", noise(2.25, channels=2))
    printed = succeed("corpus", "iemocap", root, "--segments", "-o", tmp_path / "clips.csv")
    assert "segments of dialog/wav" in printed and "not inside" not in printed
    rows = table_of(tmp_path / "clips.csv")
    assert [(row["path"], row["start"], row["end"], row["speaker"]) for row in rows] == [
        ("corpora/iemocap/Session1/dialog/wav/Ses01F_impro01.wav", "1", "1.5", "1F"),
        ("corpora/iemocap/Session1/dialog/wav/Ses01F_impro01.wav", "1.5", "2.25", "1M")]
    write_wav(root / "Session1/dialog/wav/Ses01F_impro01.wav", noise(2))
    printed = succeed("corpus", "iemocap", root, "--segments", "--force", "-o", tmp_path / "clips.csv")
    assert "1 of 2 segments are not inside their file" in printed and "2.25 s" in printed


def test_an_existing_table_is_replaced_only_by_force(emo_db, tmp_path):
    out = tmp_path / "clips.csv"
    out.write_text("mine")
    expect_error(run("corpus", "emo-db", emo_db, "-o", out), 1, out, "exists already", "--force")
    assert out.read_text() == "mine"
    expect_error(run("corpus", "emo-db", emo_db, "-o", out, "--force"), 1, out, "not a table of clips")
    assert out.read_text() == "mine"
    out.write_text("path,label,speaker\na.wav,anger,1\n")
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
