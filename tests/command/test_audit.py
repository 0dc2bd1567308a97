"""Command tests of loralens audit, and of the leaks that train refuses."""
import json
import os
import shutil
import subprocess
import wave

import pytest

from support import SANITIZED, expect_error, run, start, succeed, table_of, write_table


def rewrite(table, rows):
    write_table(table, [row.values() for row in rows], rows[0].keys())


@pytest.fixture
def frozen(model):
    """Training flags for a frozen encoder."""
    return ["--model", model, "--method", "frozen", "--epochs", 1, "--threads", 1]


def audit(table, folder, *flags):
    out = folder / "audit.json"
    page = succeed("audit", table, "-o", out, "--force", *flags)
    return page, json.loads(out.read_text())


def kinds(result, severity):
    return {finding["kind"] for finding in result["findings"] if finding["severity"] == severity}


@pytest.fixture
def table(corpus, tmp_path):
    """The table of a copy of the synthetic corpus that the test may change."""
    shutil.copytree(corpus.parent, tmp_path / "corpus")
    return tmp_path / "corpus" / "clips.csv"


def test_a_clean_corpus(table, tmp_path):
    page, result = audit(table, tmp_path, "--folds", "speaker:2")
    assert "32 clips of 32 files, 4 speakers, 2 sentences" in page and "no errors" in page
    assert not kinds(result, "error")
    assert result["clips"]["clips"] == 32 and len(result["folds"]) == 2
    for fold in result["folds"]:
        parts = fold["parts"]
        assert parts["train"]["clips"] + parts["development"]["clips"] + parts["test"]["clips"] == 32
        assert {c["clips"] for c in parts["test"]["classes"].values()} == {4}
        assert sum(c["seconds"] for c in parts["test"]["classes"].values()) == pytest.approx(parts["test"]["seconds"])
    assert result["audio"]["rates"] == {"16000": 32}
    assert result["audio"]["seconds"]["total"] == pytest.approx(sum(
        p["seconds"] for p in result["folds"][0]["parts"].values()))


def copy_under_another_speaker(table):
    """Adds a copy of a clip, softer and 50 ms later, as a clip of another speaker."""
    rows = table_of(table)
    first, other = rows[0], next(row for row in rows if row["speaker"] != rows[0]["speaker"])
    with wave.open(str(table.parent / first["path"])) as source:
        parameters, frames = source.getparams(), source.readframes(source.getnframes())
    samples = memoryview(frames).cast("h")
    softer = b"\0\0" * 800 + b"".join(int(s / 4).to_bytes(2, "little", signed=True) for s in samples)
    with wave.open(str(table.parent / "copy.wav"), "wb") as copy:
        copy.setparams(parameters)
        copy.writeframes(softer)
    rewrite(table, rows + [{**first, "path": "copy.wav", "speaker": other["speaker"]}])
    return first["path"]


def test_a_copy_is_found_and_train_refuses_it(table, tmp_path, frozen):
    original = copy_under_another_speaker(table)
    page, result = audit(table, tmp_path, "--folds", "speaker:4")
    assert kinds(result, "error") == {"near_identical_audio"}
    assert "errors, which train refuses" in page
    (pair,) = result["audio"]["near_identical"]
    assert sorted(pair["clips"]) == sorted([original, "copy.wav"])
    assert abs(pair["shift"]) == pytest.approx(0.05, abs=0.011) and pair["distance"] < 0.1
    train = ["train", *frozen, "--corpus", table, "--folds", "speaker:4", "-o", tmp_path / "run"]
    expect_error(run(*train), 1, "the same recording, changed a little", "copy.wav", "--allow-leaks")
    assert not (tmp_path / "run").exists()
    succeed(*train, "--allow-leaks")
    page, result = audit(table, tmp_path, "--folds", tmp_path / "run" / "folds.csv", "--no-audio")
    assert result["scheme"].startswith("file:") and len(result["folds"]) == 4 and "audio" not in result


def test_what_is_wrong_with_files(table, tmp_path):
    rows = table_of(table)
    (table.parent / rows[0]["path"]).write_bytes(b"RIFF")
    (table.parent / rows[1]["path"]).unlink()
    shutil.copy(table.parent / rows[2]["path"], table.parent / rows[3]["path"])
    rows[3]["label"] = "anger" if rows[2]["label"] != "anger" else "neutral"
    rewrite(table, rows)
    page, result = audit(table, tmp_path)
    assert {entry["id"] for entry in result["audio"]["unreadable"]} == {rows[0]["path"], rows[1]["path"]}
    assert result["audio"]["identical"] == [[rows[2]["path"], rows[3]["path"]]]
    assert len(result["audio"]["label_conflicts"]) == 1
    assert kinds(result, "error") == {"unreadable"} and {"identical", "label_conflicts"} <= kinds(result, "remark")
    assert result["folds"] == [] and "audio: 30 of 32 clips read" in page


def test_unseen_speakers_and_sentences(corpus, tmp_path, frozen):
    succeed("train", *frozen, "--corpus", corpus, "--folds", "speaker-text:2x2", "--select", "last", "-o", tmp_path / "run")
    texts = {row["path"]: row["text"] for row in table_of(corpus)}
    speakers = {row["path"]: row["speaker"] for row in table_of(corpus)}
    folds = table_of(tmp_path / "run" / "folds.csv")
    for fold in "0123":
        of = {part: {row["id"] for row in folds if row["fold"] == fold and row["part"] == part}
              for part in ("train", "test", "unused")}
        assert len(of["train"]) == len(of["test"]) == 8 and len(of["unused"]) == 16
        for values in (texts, speakers):
            assert not {values[i] for i in of["train"]} & {values[i] for i in of["test"]}
    assert len(table_of(tmp_path / "run" / "predictions.csv")) == 32
    page, result = audit(corpus, tmp_path, "--folds", tmp_path / "run" / "folds.csv")
    assert not kinds(result, "error") and "texts" not in kinds(result, "remark")
    assert [fold["unused"] for fold in result["folds"]] == [16] * 4


def test_bad_calls(corpus, tmp_path):
    assert run("audit", corpus, "--folds", "speaker").returncode == 0
    expect_error(run("audit", corpus, "--folds", "nonsense"), 2, "are not known")
    expect_error(run("audit", corpus, "--folds", "ravdess-6"), 1, "defined for ravdess alone")
    expect_error(run("audit", tmp_path / "none.csv"), 1, "none.csv")
    (tmp_path / "out.json").write_text("mine")
    expect_error(run("audit", corpus, "--no-audio", "-o", tmp_path / "out.json"), 1, "exists already")
    assert (tmp_path / "out.json").read_text() == "mine"


def memory_of(*arguments):
    """Peak memory (KiB) of a command, whose exit status must be 0."""
    process = start(*arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss


def test_a_hundred_thousand_rows(tmp_path):
    table = tmp_path / "clips.csv"
    with open(table, "w") as out:
        out.write("path,label,speaker,session,text\n")
        for i in range(100_000):
            out.write(f"speaker_{i % 997:04}/utterance_{i:06}.wav,c{i % 8},s{i % 997:04},{i % 5},Sentence number {i % 5000}.\n")
    out = tmp_path / "audit.json"
    memory = memory_of("audit", table, "--folds", "speaker:10", "--no-audio", "-o", out)
    result = json.loads(out.read_text())
    assert result["clips"]["clips"] == 100_000 and result["clips"]["speakers"] == 997
    for fold in result["folds"]:
        assert abs(fold["parts"]["test"]["clips"] - 10_000) < 200
    # Subtracts the memory of LibTorch, 120 MB or with CUDA 480. Sanitizers keep freed memory.
    assert memory - memory_of("--version") < 180_000 or SANITIZED
