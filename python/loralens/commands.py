# SPDX-License-Identifier: Apache-2.0
"""The commands of the program as functions.

A keyword is a flag of the command, with underscores for hyphens: `learning_rate=1e-3` is `--learning-rate=0.001`, True
and False are `=true` and `=false`, None leaves the flag out, and `from_` is `--from`. A list is joined by commas, or
gives the flag several times where the command takes it several times (`corpus`, `against`). `loralens COMMAND --help`
and the documents describe the flags. Log lines and progress appear on sys.stderr as the program writes them. A command
that fails raises loralens.Error (or UsageError) with the program's one line.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Union

from loralens.analysis import Analysis
from loralens.errors import Error, UsageError
from loralens.program import PROGRAM, environment
from loralens.run import Run
from loralens.tables import PathLike

Paths = Union[PathLike, Iterable[PathLike]]

_SEVERAL_TIMES = {"corpus", "against"}
_PREFIX = "loralens: "


def _words(paths: Paths) -> list[str]:
    return [os.fspath(paths)] if isinstance(paths, (str, os.PathLike)) else [os.fspath(path) for path in paths]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _flags(options: dict[str, Any]) -> list[str]:
    """The keyword arguments as words of a command line."""
    words = []
    for name, value in options.items():
        flag = "--" + name.rstrip("_").replace("_", "-")
        if value is None:
            continue
        values = [_text(one) for one in value] if isinstance(value, (list, tuple, set)) else [_text(value)]
        if name not in _SEVERAL_TIMES:
            values = [",".join(values)]
        words += [f"{flag}={one}" for one in values]
    return words


def _run(command: str, arguments: list[str], options: dict[str, Any], *, partly: bool = False) -> str:
    """Runs a command of the program; returns its standard output. partly: output for some of the files is enough."""
    line = [PROGRAM, *command.split(), *_flags(options), *(["--"] if arguments else []), *arguments]
    process = subprocess.Popen(line, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace")
    try:
        output, last = _follow(process)
    except BaseException:  # an interrupt: the program keeps what a resumed command needs
        process.terminate()
        process.wait()
        raise
    if process.returncode == 0 or (partly and process.returncode == 1 and output):
        return output
    kind = UsageError if process.returncode == 2 else Error
    raise kind(last or f"loralens {command} ended with status {process.returncode}")


def _follow(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Copies log lines to sys.stderr until the program ends; returns its output and the text of its error line."""
    parts: list[str] = []
    reader = threading.Thread(target=lambda: parts.append(process.stdout.read()))
    reader.start()
    last = ""
    for text in process.stderr:
        if text.startswith(_PREFIX):
            last = text.removeprefix(_PREFIX).rstrip("\n")
        else:
            sys.stderr.write(text)
    process.wait()
    reader.join()
    return "".join(parts), last


def train(*, output: PathLike | None = None, resume: PathLike | None = None, merge: PathLike | None = None,
          **flags: Any) -> Run | None:
    """`loralens train`: trains a model for each fold. Returns the run.

    flags: model, corpus, method, folds, rank, seeds, epochs, jobs, ... `resume` goes on with an interrupted run,
    `merge` joins parts. With `fold` there is a part of the run alone, in OUTPUT.parts, and None is returned.
    """
    folder = next((path for path in (output, resume, merge) if path is not None), None)
    if folder is None:
        raise UsageError("train: name the folder of the run with output, resume or merge")
    _run("train", [], {"output": output, "resume": resume, "merge": merge} | flags)
    return Run(folder) if flags.get("fold") is None else None


def evaluate(run: PathLike, *, output: PathLike | None = None, **flags: Any) -> Run | dict[str, Any]:
    """`loralens evaluate`: scores on the run's own test folds, or on other corpora (`corpus`).

    Returns the evaluation as a Run if `output` names its folder, else the numbers that metrics.json would hold;
    `against`, one or several runs, adds `comparisons`.
    """
    if output is not None:
        _run("evaluate", [os.fspath(run)], {"output": output} | flags)
        return Run(output)
    return json.loads(_run("evaluate", [os.fspath(run)], {"json": True} | flags))


def analyze(runs: Paths, *, output: PathLike, **flags: Any) -> Analysis:
    """`loralens analyze`: one run, or several trainings of one. `only` names the analyses, `against` a frozen run."""
    _run("analyze", _words(runs), {"output": output} | flags)
    return Analysis(output)


def corpus(reader: str, root: PathLike, *, output: PathLike, **flags: Any) -> Path:
    """`loralens corpus READER ROOT`: writes the table of clips of a corpus; returns its path. Counts are printed."""
    print(_run(f"corpus {reader}", [os.fspath(root)], {"output": output} | flags), end="")
    return Path(output)


def audit(table: PathLike, **flags: Any) -> str:
    """`loralens audit`: leaks, copies and faulty audio of a table; returns the summary. `output` keeps all numbers."""
    return _run("audit", [os.fspath(table)], flags)


def synth(*, output: PathLike, **flags: Any) -> Path:
    """`loralens synth`: makes the synthetic corpus; returns the path of its clips.csv."""
    _run("synth", [], {"output": output} | flags)
    return Path(output) / "clips.csv"


def fetch(model: str, **flags: Any) -> Path:
    """`loralens fetch`: downloads a model, unless it is there; returns its folder."""
    return Path(_run("fetch", [model], flags).rstrip("\n"))


def import_model(source: PathLike, *, to: PathLike, **flags: Any) -> Path:
    """`loralens import`: converts a Whisper model to a Hugging Face folder; returns that folder."""
    _run("import", [os.fspath(source)], {"to": to} | flags)
    return Path(to)


def transcribe(model: PathLike, files: Paths, **flags: Any) -> list[dict[str, Any]]:
    """`loralens transcribe`: a dict for each file, with `path` and `text`, or `error` for one that cannot be read."""
    lines = _run("transcribe", [os.fspath(model), *_words(files)], flags, partly=True)
    return [json.loads(line) for line in lines.splitlines()]


def report(folders: Paths, **flags: Any) -> Path:
    """`loralens report`: makes the page of a folder, or one page of several (`output`); returns its path."""
    return Path(_run("report", _words(folders), flags).rstrip("\n"))


def study(file: PathLike, *, output: PathLike, **flags: Any) -> Path:
    """`loralens study`: trains and compares the runs of a grid; returns the folder of the study."""
    print(_run("study", [os.fspath(file)], {"output": output} | flags), end="")
    return Path(output)
