"""predict -o: a file of predictions that an interrupted command goes on with, and --shard."""
import json
import signal
import time

import pytest
from support import expect_error, run, start, succeed, table_of


@pytest.fixture(scope="module")
def files(corpus):
    return [str(corpus.parent / row["path"]) for row in table_of(corpus)]


@pytest.fixture(scope="module")
def fold(trained):
    return trained / "fold-00"


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def expect_alike(path, other):
    """Both files have the same lines; numbers may differ by rounding, since files form other batches after a resume."""
    first, second = (lines_of(one) if one.suffix == ".jsonl" else table_of(one) for one in (path, other))
    for line, expected in zip(first, second, strict=True):
        assert list(line) == list(expected)
        for key, value in expected.items():
            if key == "probabilities":
                assert line[key] == pytest.approx(value, abs=1e-5)
            elif key.startswith("p_") and value:
                assert float(line[key]) == pytest.approx(float(value), abs=1e-5)
            else:
                assert line[key] == value


def test_the_lines_are_those_of_standard_output(fold, files, tmp_path):
    printed = [json.loads(line) for line in succeed("predict", fold, *files).splitlines()]
    succeed("predict", fold, *files, "-o", tmp_path / "all.jsonl")
    written = lines_of(tmp_path / "all.jsonl")
    models = {line.pop("model") for line in written}
    assert written == printed and len(models) == 1
    succeed("predict", fold, *files, "-o", tmp_path / "all.csv")
    for row, line in zip(table_of(tmp_path / "all.csv"), printed, strict=True):
        assert (row["path"], row["label"], float(row["seconds"])) == (line["path"], line["label"], line["seconds"])
        assert {f"p_{name}": str(p) for name, p in line["probabilities"].items()}.items() <= row.items()
        assert {row["model"]} == models


@pytest.mark.parametrize("name", ["part.jsonl", "part.csv"])
def test_goes_on_after_the_last_whole_line(fold, files, tmp_path, name):
    whole, part = tmp_path / f"whole-{name}", tmp_path / name
    bad = tmp_path / 'no, "audio".wav'
    bad.write_text("no audio")
    paths = [*files[:3], str(bad), *files[3:6]]
    assert run("predict", fold, *paths, "-o", whole).returncode == 1
    text = whole.read_bytes()
    for size in (0, 5, len(text) // 3, len(text) // 2, len(text) - 1, len(text)):
        part.write_bytes(text[:size])
        result = run("predict", fold, *paths, "-o", part)
        assert result.returncode == 1 and "1 of 7 files could not be read" in result.stderr
        expect_alike(part, whole)
        assert part.read_bytes()[:len(kept := text[:size][:text[:size].rfind(b"\n") + 1])] == kept  # the lines it had


def test_other_files_and_models_are_refused_and_nothing_is_changed(fold, trained, files, tmp_path):
    out = tmp_path / "out.jsonl"
    succeed("predict", fold, *files[:4], "-o", out)
    text = out.read_bytes()
    expect_error(run("predict", fold, files[1], "-o", out), 1, "line 1", "the next file of this command")
    expect_error(run("predict", fold, *files[:3], "-o", out), 1, "line 4", "not among the files")
    expect_error(run("predict", trained / "fold-01", *files[:4], "-o", out), 1, "line 1", "another model")
    assert out.read_bytes() == text
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    expect_error(run("predict", fold, files[0], "-o", other), 1, "the first line is not that of predict")
    assert other.read_text() == "a,b\n1,2\n"
    for name, text in (("own.jsonl", '{"my": "only copy"}'), ("own.csv", "a,b\r1,2\r"), ("quote.csv", '5" disk,x\n1,2\n')):
        own = tmp_path / name
        own.write_text(text, newline="")
        expect_error(run("predict", fold, files[0], "-o", own), 1, "its last line has no end and is none of predict")
        assert own.read_bytes() == text.encode()
    expect_error(run("-q", "predict", fold, *files[:4], "--classes", "a,b,c,d", "-o", out), 1, "line 1", "another model")
    expect_error(run("predict", fold, files[0], "-o", tmp_path / "x.txt"), 2, ".jsonl or .csv")
    expect_error(run("predict", fold, files[0], "-o", tmp_path), 2, ".jsonl or .csv")


def test_odd_paths_are_found_again(fold, files, tmp_path):
    odd = [f"{tmp_path}/a\t", f"{tmp_path}/ä, \"b\".wav", files[0]]
    for name in ("odd.csv", "odd.jsonl"):
        for _ in range(2):
            result = run("predict", fold, "-", "-o", tmp_path / name, input="".join(f"{path}\n" for path in odd))
            assert "2 of 3 files could not be read" in result.stderr
        rows = table_of(tmp_path / name) if name == "odd.csv" else lines_of(tmp_path / name)
        assert [row["path"] for row in rows] == odd


def test_shards_together_are_all_files(fold, files, tmp_path):
    listed = "".join(f"{path}\n" for path in files)
    for part in (1, 2, 3):
        succeed("predict", fold, "-", "--shard", f"{part}/3", "-o", tmp_path / f"{part}.csv", input=listed)
    found = [row["path"] for part in (1, 2, 3) for row in table_of(tmp_path / f"{part}.csv")]
    assert sorted(found) == sorted(files)
    assert [row["path"] for row in table_of(tmp_path / "2.csv")] == files[1::3]
    for shard in ("0/3", "4/3", "1", "a/b", "1/0", "-1/2"):
        expect_error(run("predict", fold, files[0], "--shard", shard), 2, "--shard", "I/N")


def test_a_killed_prediction_goes_on(fold, files, tmp_path):
    listed = tmp_path / "paths.txt"
    listed.write_text("".join(f"{path}\n" for path in files * 40))
    out, whole = tmp_path / "killed.jsonl", tmp_path / "whole.jsonl"
    for _ in range(3):
        with open(listed) as paths:
            program = start("predict", fold, "-", "--threads", 1, "-o", out, stdin=paths)
            size = out.stat().st_size if out.exists() else 0
            while program.poll() is None and not (out.exists() and out.stat().st_size > size + 2000):
                time.sleep(0.01)
            program.send_signal(signal.SIGKILL)
            program.wait()
    for path in (out, whole):
        succeed("predict", fold, "-", "--threads", 1, "-o", path, input=listed.read_text())
    expect_alike(out, whole)
    assert len(lines_of(out)) == 40 * len(files)
