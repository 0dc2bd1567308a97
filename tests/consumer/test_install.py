"""`cmake --install`: the installed program and package need neither the checkout nor the folder they were installed in."""
import json
import os
import pathlib
import subprocess
import wave

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = os.environ["LORALENS_BUILD"]
CHECKOUT = str(HERE.parents[1])


def output(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The installed folder, moved after the installation."""
    folder = tmp_path_factory.mktemp("install")
    output("cmake", "--install", BUILD, "--prefix", folder / "first")
    (folder / "first").rename(folder / "moved")
    yield folder / "moved"
    subprocess.run(["rm", "-r", folder], check=True)  # half a GB


def libraries(program):
    """The files of the shared libraries that a program loads."""
    loaded = output("ldd", program)
    assert "not found" not in loaded
    return [line.split("=> ")[1].split(" (")[0] for line in loaded.splitlines() if "=> /" in line]


def test_the_program_runs_on_the_libtorch_beside_it(prefix):
    program = prefix / "bin/loralens"
    assert output(program, "--version", cwd="/").startswith("loralens ")
    used = [pathlib.Path(file).resolve() for file in libraries(program)]
    assert prefix / "lib/loralens/libtorch_cpu.so" in used
    assert not [file for file in used if file.is_relative_to(CHECKOUT)]
    dynamic = output("readelf", "-d", program)
    assert "[$ORIGIN/../lib/loralens]" in dynamic and CHECKOUT not in dynamic


def test_no_installed_cmake_file_names_the_checkout(prefix):
    for file in (prefix / "lib/cmake/loralens").iterdir():
        assert CHECKOUT not in file.read_text() and str(prefix.parent) not in file.read_text(), file


def test_a_project_finds_the_package_and_uses_the_library(prefix, tmp_path):
    with wave.open(str(tmp_path / "second.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(range(100)) * 320)  # 1 s
    output("cmake", "-G", "Ninja", "-S", HERE, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    output("cmake", "--build", tmp_path / "build")
    consumer = tmp_path / "build/consumer"
    assert not [file for file in libraries(consumer) if pathlib.Path(file).resolve().is_relative_to(CHECKOUT)]
    facts = json.loads(output(consumer, tmp_path / "second.wav"))
    assert (facts["seconds"], facts["positions"], facts["width"]) == (1, 50, 16)
    assert facts["mean"] == pytest.approx(0, abs=1e-4)
    assert facts["mean square"] == pytest.approx(1, abs=1e-4)  # each row normalised
    missing = subprocess.run([consumer, tmp_path / "none.wav"], capture_output=True, text=True)
    assert missing.returncode == 1 and "none.wav" in missing.stderr
