"""The installed package: its program, where it looks for LibTorch, and what importing costs."""
import pathlib
import subprocess
import sys

import pytest

import loralens
from loralens import program as launcher
from loralens import torch_beside

PACKAGE = pathlib.Path(loralens.__file__).parent


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_the_console_script_is_the_program(program, printed):
    assert PACKAGE.is_relative_to(sys.prefix)
    assert printed("--version").startswith("loralens ")
    refused = subprocess.run([program, "predict"], capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stderr.startswith("loralens: ")


def test_libtorch_is_that_beside_the_package():
    extension, = PACKAGE.glob("_core.*.so")
    for file, path in ((extension, "$ORIGIN/../torch/lib"), (launcher.PROGRAM, "$ORIGIN/../../torch/lib")):
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True).stdout
        paths = [line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "PATH)" in line]
        assert paths == [path]


def test_the_program_finds_libtorch(tmp_path, monkeypatch):
    loaded = subprocess.run(["ldd", launcher.PROGRAM], capture_output=True, text=True, check=True).stdout
    library, = {pathlib.Path(word).resolve() for word in loaded.split() if word.endswith("/libtorch_cpu.so")}
    assert library == (PACKAGE.parent / "torch/lib/libtorch_cpu.so").resolve()
    monkeypatch.setenv("LD_LIBRARY_PATH", "/more")
    assert launcher.environment()["LD_LIBRARY_PATH"] == "/more"
    monkeypatch.setattr(launcher, "torch_folder", lambda: tmp_path)
    assert launcher.environment()["LD_LIBRARY_PATH"] == f"{tmp_path}/lib:/more"


def test_names_are_imported_as_they_are_used():
    code = "import sys, loralens; from loralens import program; print('torch' in sys.modules, 'pandas' in sys.modules)"
    assert python(code).stdout == "False False\n"
    assert set(dir(loralens)) >= {"load", "Run", "Analysis", "train", "Error"}
    with pytest.raises(AttributeError, match="loralens has no 'lod'"):
        loralens.lod


def test_another_torch_is_refused_with_what_to_do(tmp_path):
    fake = tmp_path / "torch"
    fake.mkdir()
    (fake / "__init__.py").write_text("")
    (fake / "version.py").write_text("__version__ = '2.9.1+cpu'\n")
    done = python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import loralens; loralens.load('run')")
    assert f"loralens was built for torch {torch_beside.TORCH}, but torch 2.9 is installed" in done.stderr
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from loralens.program import main; main()"
    done = python(code)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("loralens: loralens was built for torch ")
