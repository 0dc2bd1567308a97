"""The commands of docs/how-to.md, on a small corpus."""
import re
import shlex
import shutil
from pathlib import Path

import pytest

from support import MODEL, slow, succeed

DOCUMENT = Path(__file__).parents[2] / "docs" / "how-to.md"
STUDY = """
[train]
model = "{model}"
corpus = "clips.csv"
folds = "speaker:2"
method = "frozen"
[grid]
seed = [1, 2]
"""


def commands():
    blocks = re.findall(r"```(?:\w+)?\n(.*?)```", DOCUMENT.read_text(), re.S)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.startswith("loralens ")]


@slow
def test_the_commands_of_the_document_run(model, corpus, trained, clips, tmp_path, monkeypatch):
    shutil.copytree(corpus.parent, tmp_path, dirs_exist_ok=True)
    shutil.copy(clips[0], tmp_path / "a.wav")
    (tmp_path / "adapter").mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(trained / "fold-00" / name, tmp_path / "adapter")
    (tmp_path / "paths.txt").write_text("".join(f"{path}\n" for path in clips))
    (tmp_path / "study.toml").write_text(STUDY.format(model=MODEL))
    monkeypatch.chdir(tmp_path)
    shorter = {"base": MODEL, "speaker:5": "speaker:2", "3": "1"}
    assert any(line.startswith("find ") and line.endswith("> paths.txt") for line in DOCUMENT.read_text().splitlines())
    for _, command, *words in commands():
        words = [shorter.get(word, word) for word in words]
        if command == "train":
            words += ["--epochs", 1, "--head-epochs", 1, "--threads", 1]
        redirected = words[words.index("<") + 1:] if "<" in words else []
        words = words[:words.index("<")] if redirected else words
        succeed(command, *words, input="".join(Path(name).read_text() for name in redirected))
    assert len(commands()) >= 9
    python = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)[1]
    names = {}
    exec(python, names)
    assert names["layer_3"].shape == (len(names["ids"]), 384) and names["clip"].shape[1] == 384
    assert (tmp_path / "analysis" / "claims.csv").exists() and (tmp_path / "study" / "report.html").exists()
