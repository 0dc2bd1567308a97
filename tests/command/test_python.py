"""The program of docs/python.md, on real weights: its probabilities are those of `loralens predict`."""
import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from support import slow, succeed

PAGE = Path(__file__).resolve().parents[2] / "docs/python.md"


def probabilities(folder, base, clip):
    """What the document's lines print."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.S).group(1)
    for name, value in {"folder": folder, "base": base, "clip": clip}.items():
        code, count = re.subn(rf"^{name} = .*$", f"{name} = {str(value)!r}", code, flags=re.M)
        assert count == 1
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    return eval(printed.getvalue())


@slow
@pytest.mark.parametrize("flags", [["--method", "lora"], ["--method", "dora"], ["--input", "padded"]], ids=" ".join)
def test_the_documents_lines_answer_as_predict_does(model, corpus, clips, tmp_path, flags):
    folds = ["--folds", "speaker:2", "--epochs", 1, "--head-epochs", 0, "--learning-rate", 1e-3, "--select", "last"]
    succeed("train", "--model", model, "--corpus", corpus, *folds, *flags, "--threads", 1, "-o", tmp_path / "run")
    folder, base = tmp_path / "run/fold-00", succeed("fetch", model).strip()
    for line in succeed("predict", "--precision", "fp32", folder, *clips[::16]).splitlines():
        expected = json.loads(line)
        found = probabilities(folder, base, expected["path"])
        assert found.keys() == expected["probabilities"].keys()
        for name, value in expected["probabilities"].items():
            assert found[name] == pytest.approx(value, abs=1e-4)
