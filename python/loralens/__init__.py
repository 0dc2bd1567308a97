# SPDX-License-Identifier: Apache-2.0
"""LoRA for speech emotion recognition with Whisper, and what it did inside the encoder.

    import loralens
    run = loralens.train(model="base", corpus="clips.csv", folds="speaker:5", output="run")
    run.metrics["uar"]                                     # the scores
    model = loralens.load("run/fold-00")
    model.predict(["a.wav"])                               # label and probabilities
    model.forward(["a.wav"], sites=["residual_out.3"])     # activations; patch= replaces them

docs/python.md describes the package. Names are imported as they are used: torch is loaded by `load` alone.
"""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from loralens.errors import Error, UsageError

if TYPE_CHECKING:
    from loralens.analysis import Analysis
    from loralens.commands import (analyze, audit, corpus, evaluate, fetch, import_model, report, study, synth, train,
                                   transcribe)
    from loralens.figure import Figure
    from loralens.model import Forward, Model, load
    from loralens.run import Run

_MODULES = {"Analysis": "analysis", "Figure": "figure", "Forward": "model", "Model": "model", "load": "model",
            "Run": "run"} | dict.fromkeys(
                ("analyze", "audit", "corpus", "evaluate", "fetch", "import_model", "report", "study", "synth", "train",
                 "transcribe"), "commands")

__all__ = ["Error", "UsageError", *sorted(_MODULES)]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"loralens has no '{name}': its names are {', '.join(__all__)}")
    return getattr(importlib.import_module(f"loralens.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
