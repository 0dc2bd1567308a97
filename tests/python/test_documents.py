"""The Python of docs/python.md and README.md runs, and the notebook of examples/."""
import json
import re
import shutil

import pytest
from conftest import MODEL, ROOT

import loralens

QUICK = f'model="{MODEL}", epochs=1, head_epochs=1, threads=1, '


def blocks(document):
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.S)


@pytest.fixture(scope="module")
def folder(model, clips, tmp_path_factory):
    """A folder in which the documents' names a.wav and b.wav exist."""
    folder = tmp_path_factory.mktemp("documents")
    for name, clip in zip(("a.wav", "b.wav"), clips):
        shutil.copy(clip, folder / name)
    return folder


def test_the_blocks_of_the_document_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    first, second, _ = blocks("docs/python.md")  # the last: transformers alone, tests/command/test_python.py
    assert 'model="base", ' in first
    exec(first.replace('model="base", ', QUICK), {})
    names = {}
    exec(second, names)
    assert names["passed"]["residual_out.3"][0].shape[1] == 384
    assert (names["patched"].logits - names["passed"].logits).abs().max() > 1e-4  # the site is above an adapted layer


def test_the_block_of_the_readme_runs(folder, clips, corpus, monkeypatch, tmp_path):
    shutil.copytree(corpus.parent, tmp_path, dirs_exist_ok=True)
    shutil.copy(folder / "a.wav", tmp_path)
    monkeypatch.chdir(tmp_path)
    block, = blocks("README.md")
    assert 'model="base", ' in block and "speaker:10" in block
    exec(block.replace('model="base", ', QUICK).replace("speaker:10", "speaker:2"), {})
    assert loralens.Run("run").models


def test_the_notebook_runs(model, tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    file, = (ROOT / "examples").glob("*.ipynb")
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    place = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    figure = notebook.cells[-1].outputs[0].data
    assert any(name.startswith("application/vnd.vegalite") for name in figure)
    assert json.dumps(figure)
