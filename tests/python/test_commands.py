"""The commands as functions: they do what the program does, and raise its line."""
import json
import subprocess

import pytest

import loralens
from loralens.commands import _flags


def test_keywords_are_flags():
    assert _flags({"learning_rate": 1e-3, "final": True, "by_length": False, "corpus": ["a.csv", "b.csv"],
                   "layers": [0, 2], "from_": "adapter", "output": None}) == [
        "--learning-rate=0.001", "--final=true", "--by-length=false", "--corpus=a.csv", "--corpus=b.csv",
        "--layers=0,2", "--from=adapter"]


def test_a_training_equals_that_of_the_program(flags, run, printed, tmp_path):
    words = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    printed("train", *words, "--targets", "v_proj,out_proj,fc1", "--layers", "all", "-o", tmp_path / "run")
    other = loralens.Run(tmp_path / "run")
    assert other.metrics == run.metrics and other.predictions.equals(run.predictions)


def test_an_error_is_the_line_of_the_program(program, corpus, tmp_path, capfd):
    with pytest.raises(loralens.UsageError) as error:
        loralens.train(corpus=corpus, metod="lora", output=tmp_path / "run")
    done = subprocess.run([program, "train", f"--corpus={corpus}", "--metod=lora", f"--output={tmp_path / 'run'}"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr == f"loralens: {error.value}\n"
    with pytest.raises(loralens.Error, match="none.csv") as error:
        loralens.train(model="tiny.en", corpus=tmp_path / "none.csv", output=tmp_path / "run")
    assert not isinstance(error.value, loralens.UsageError) and "\n" not in str(error.value)
    with pytest.raises(loralens.UsageError, match="name the folder of the run"):
        loralens.train(corpus=corpus)
    assert not (tmp_path / "run").exists()


def test_evaluations_audits_and_pages(run, padded, corpus, printed, tmp_path):
    scores = loralens.evaluate(run, against=[padded], threads=1)
    assert scores == json.loads(printed("evaluate", run.folder, "--against", padded.folder, "--json"))
    assert scores["comparisons"][0]["uar"]["difference"] == pytest.approx(
        run.metrics["uar"]["pooled"] - padded.metrics["uar"]["pooled"])
    other = loralens.evaluate(run, corpus=corpus, output=tmp_path / "other", threads=1)
    assert isinstance(other, loralens.Run) and other.metrics["run"].endswith("run")
    assert "speaker" in loralens.audit(corpus, folds="speaker:2", output=tmp_path / "audit.json")
    assert json.loads((tmp_path / "audit.json").read_text())
    page = loralens.report([run, other], output=tmp_path / "page.html")
    assert page == tmp_path / "page.html" and page.stat().st_size > 100_000


def test_tables_and_models(corpus, model, tmp_path, capfd):
    folder = loralens.fetch(model)
    assert (folder / "config.json").exists()
    table = loralens.corpus("table", corpus, output=tmp_path / "table.csv")
    assert table.read_text().startswith("path,label,speaker") and "16" in capfd.readouterr().out


def test_transcripts_keep_files_that_cannot_be_read(model, clips, tmp_path):
    found = loralens.transcribe(model, [clips[0], tmp_path / "none.wav"], threads=1)
    assert found[0]["path"] == str(clips[0]) and "text" in found[0] and "none.wav" in found[1]["error"]
    with pytest.raises(loralens.Error):
        loralens.transcribe(tmp_path / "no-model", [clips[0]])
