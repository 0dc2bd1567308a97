"""CONTRIBUTING.md, "A new ...", is true and complete: a toy analysis, method, reader and command are added to a copy of
src/ as the lists say, are built with the library, and run.

Only the new sources are compiled and the translation units of the edited ones, whose objects replace those of the
static library."""
import concurrent.futures
import csv
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ["LORALENS_BUILD"])
sys.path.insert(0, str(ROOT / "tests/command"))

from support import noise, write_wav  # noqa: E402

MODEL = "tiny.en"


class Kind(NamedTuple):
    section: str  # of CONTRIBUTING.md
    source: str  # the new file
    edits: dict  # {a line of a listed file: the line that is inserted behind it}


KINDS = {
    "analysis": Kind("A new analysis", "src/analysis/toy/toy.cc", {
        "std::unique_ptr<Analysis> make_dynamics(const Setting& setting);":
            "\nstd::unique_ptr<Analysis> make_toy(const Setting& setting);",
        ".make = make_dynamics,\n     .chapter = Chapter::adapters},":
            '{.name = "toy", .summary = "positions of a clip", .make = make_toy},'}),
    "method": Kind("A new adaptation method", "src/adapter/toy.cc", {
        "const Method& frozen_method();": "\nconst Method& toy_method();",
        "&frozen_method(),": "&toy_method(),"}),
    "reader": Kind("A new corpus reader", "src/corpus/readers/toy.cc", {
        "const Reader& table_reader();": "\nconst Reader& toy_reader();",
        "&folders_reader(),": "&toy_reader(),"}),
    "command": Kind("A new command", "src/cli/toy.cc", {
        "void add_report(CLI::App& app);": "\nvoid add_toy(CLI::App& app);",
        "add_report(app);": "add_toy(app);"}),
}


def listed(section):
    """The files and folders of src/ that a section of CONTRIBUTING.md names, with the toy's name."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    part = text[text.index(f"## {section}\n"):].split("\n## ")[0]
    return [name.replace("<name>", "toy") for name in re.findall(r"`(src/[^`]+)`", part)]


def add(kind, tree):
    """Adds the toy of a kind to a copy of the tree. Returns the touched files: the new one, then the edited ones."""
    names = listed(kind.section)
    assert any(kind.source.startswith(name) for name in names), f"{kind.section} names no place for {kind.source}"
    touched = [kind.source]
    for text, inserted in kind.edits.items():
        holders = [name for name in names if (tree / name).is_file() and text in (tree / name).read_text()]
        assert len(holders) == 1, f"{kind.section}: '{text}' is in {holders}, expected one of the listed files"
        file = tree / holders[0]
        file.write_text(file.read_text().replace(text, text + inserted, 1))
        touched += [name for name in holders if name not in touched]
    return touched


COMMANDS = json.loads((BUILD / "compile_commands.json").read_text())


def translation_unit(source, tree):
    """The file to compile for a source of the copied tree: itself, or a copy of the unity file that includes it."""
    for entry in COMMANDS:
        file = pathlib.Path(entry["file"])
        if file.parent.name == "Unity" and f'"{ROOT}/{source}"' in file.read_text():
            copy = tree / file.name
            copy.write_text(file.read_text().replace(f"{ROOT}/", ""))
            return copy.name
    return source


def compiled(source, tree):
    """The object of a source of the copied tree, compiled as the build compiles the program's main file."""
    command = next(entry for entry in COMMANDS if entry["file"] == str(ROOT / "src/cli/main.cc"))["command"]
    flags = [*shlex.split(command.replace(f"{ROOT}/src", "src")), "-I."]
    target = source.replace("/", "-") + ".o"
    flags[flags.index("-o") + 1] = target
    flags[flags.index("-c") + 1] = source
    launcher = [program for program in [shutil.which("ccache")] if program]
    done = subprocess.run([*launcher, *flags], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tree / target


@pytest.fixture(scope="module")
def touched(tree):
    return {name: add(kind, tree) for name, kind in KINDS.items()}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "src", tree / "src")
    for name, kind in KINDS.items():
        (tree / kind.source).parent.mkdir(exist_ok=True)
        shutil.copy(HERE / f"{name}.cc", tree / kind.source)
    return tree


@pytest.fixture(scope="module")
def program(tree, touched):
    edited = [file for files in touched.values() for file in files if file.endswith(".cc")]
    sources = sorted({translation_unit(file, tree) for file in edited})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda source: str(compiled(source, tree)), sources))
    commands = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", "loralens"], capture_output=True, text=True)
    link = commands.stdout.splitlines()[-1]
    before, main, after = re.fullmatch(r"(.*? )(\S*main\.cc\.o)( .*)", link).groups()
    after = re.sub(r"-o \S+", f"-o {tree}/loralens", after, count=1)
    done = subprocess.run(before + main + " " + shlex.join(objects) + after, shell=True, cwd=BUILD, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree / "loralens"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Eight files of half a second, of two speakers and two labels."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(8):
        write_wav(folder / f"s{number % 2}_{'high' if number < 4 else 'low'}_{number}.wav", noise(0.5, seed=number))
    return folder


def output(program, *arguments):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_few_files_are_touched(touched):
    """With its own test each is four files, besides the documents."""
    assert {name: len(files) for name, files in touched.items()} == {
        "analysis": 3, "method": 2, "reader": 2, "command": 3}


def test_the_command_runs(program, recordings):
    assert "toy" in output(program, "--help")
    assert float(output(program, "toy", recordings / "s0_high_0.wav")) == 0.5


def test_reader_method_and_analysis_run(program, recordings, tmp_path):
    output(program, "corpus", "toy", recordings, "-o", tmp_path / "clips.csv")
    with open(tmp_path / "clips.csv", newline="") as file:
        clips = list(csv.DictReader(file))
    assert [(clip["speaker"], clip["label"]) for clip in clips[:4]] == [
        ("s0", "high"), ("s0", "high"), ("s0", "low"), ("s0", "low")]
    if subprocess.run([program, "fetch", MODEL], capture_output=True, env=os.environ | {"HF_HUB_OFFLINE": "1"}).returncode:
        pytest.skip(f"the weights of Whisper {MODEL} are not on this machine")
    run = tmp_path / "run"
    output(program, "train", "--model", MODEL, "--corpus", tmp_path / "clips.csv", "--method", "toy", "--folds", "speaker:2",
           "--epochs", 1, "--head-epochs", 0, "--threads", 1, "--select", "last", "-o", run)
    assert json.loads((run / "fold-00/config.json").read_text())["loralens"]["method"] == "toy"
    output(program, "analyze", run / "fold-00", "--only", "toy", "-o", tmp_path / "analysis")
    with open(tmp_path / "analysis/tables/toy.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["metric"], float(row["value"]), row["n"]) for row in rows] == [("positions", 25, "4")]
