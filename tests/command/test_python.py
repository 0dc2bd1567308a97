"""The last program of docs/python.md and those of model cards, on real weights: their probabilities are those of `loralens
predict`."""
import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from support import slow, succeed

PAGE = Path(__file__).resolve().parents[2] / "docs/python.md"


def program(page, **values):
    """The last lines of Python on a page, with other values of these variables."""
    code = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)[-1]
    for name, value in values.items():
        code, count = re.subn(rf"^{name} = .*$", f"{name} = {str(value)!r}", code, flags=re.M)
        assert count == 1
    return code


def printed(code):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code, {})
    return eval(output.getvalue())


@slow
@pytest.mark.parametrize("flags", [["--method", "lora"], ["--method", "dora"], ["--method", "full"], ["--input", "padded"]], ids=" ".join)
def test_the_lines_of_the_card_and_the_document_answer_as_predict_does(model, corpus, clips, tmp_path, flags):
    folds = ["--folds", "speaker:2", "--epochs", 1, "--head-epochs", 0, "--learning-rate", 1e-3, "--select", "last"]
    succeed("train", "--model", model, "--corpus", corpus, *folds, *flags, "--threads", 1, "-o", tmp_path / "run")
    folder, base = tmp_path / "run/fold-00", succeed("fetch", model).strip()
    for line in succeed("predict", "--precision", "fp32", folder, *clips[::16]).splitlines():
        expected = json.loads(line)
        values = {"folder": folder, "clip": expected["path"]} | ({} if "full" in flags else {"base": base})
        code = program(folder / "README.md", **values)
        if "full" not in flags:
            assert code == program(PAGE, **values)
        found = printed(code)
        assert found.keys() == expected["probabilities"].keys()
        for name, value in expected["probabilities"].items():
            assert found[name] == pytest.approx(value, abs=1e-4)
