"""A run that the program analysed, with the clips of each fold and its models in transformers and PEFT."""
import collections
import copy
import csv
import dataclasses
import functools
import json
import pathlib

import analysis_models as whisper
import numpy
import reference
import torch
from analysis_models import Clip, Recording


@dataclasses.dataclass
class Fold:
    number: int
    models: dict  # by role
    quick: dict  # adapted and frozen in float32, for the many passes of erasure
    parts: dict[str, list[Clip]]  # test; sample (gradients, spectra, alignment, embedding); strict: fit (training)


class Case:
    """A run, the folder `out` of its analysis, and its models in Python. base: name of the cached encoder."""

    def __init__(self, run: pathlib.Path, out: pathlib.Path, corpus: pathlib.Path, untrained: pathlib.Path, base: str,
                 paper: bool, lists: dict[str, list[str]], only: list[str] | None = None):
        self.run, self.out, self.corpus, self.untrained, self.base = run, out, corpus, untrained, base
        self.paper, self.only = paper, only  # only: the analyses that were made; None: all
        config = json.loads((run / "fold-00" / "config.json").read_text())
        self.classes = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
        self.padded = config["loralens"]["input"] == "padded"
        self.layers = config["encoder_layers"]
        self.dtype = torch.float32 if self.padded else torch.float64  # float64 is too slow for 1,500 positions
        self.extractor = reference.extractor_of(base)
        with open(corpus, newline="") as file:
            self.table = list(csv.DictReader(file))
        self.parts = {0: lists} if paper else self.strict_parts(lists)

    def strict_parts(self, lists: dict[str, list[str]]) -> dict[int, dict[str, list[str]]]:
        """For each fold: the listed clips that are in its test part, and its training part (`fit`)."""
        with open(self.run / "folds.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        parts = {}
        for fold in sorted({int(row["fold"]) for row in rows}):
            held = {part: {row["id"] for row in rows if int(row["fold"]) == fold and row["part"] == part}
                    for part in ("train", "test")}
            parts[fold] = {name: [path for path in paths if path in held["test"]] for name, paths in lists.items()}
            parts[fold]["fit"] = sorted(held["train"])
        return parts

    def array(self, analysis: str, name: str) -> numpy.ndarray:
        with numpy.load(self.out / "arrays" / f"{analysis}.npz") as file:
            return file[name].astype(numpy.float64)

    @property
    def speakers(self) -> list[str]:
        """The speaker of each clip of the table, for intervals; empty by the published protocol, which has none."""
        return [] if self.paper else [row["speaker"] for row in self.table]

    @functools.cache
    def clip(self, identity: str) -> Clip:
        number = [row["path"] for row in self.table].index(identity)
        row = self.table[number]
        samples = reference.read_recording(self.corpus.parent / row["path"])
        return Clip(number, identity, self.classes.index(row["label"]), row["speaker"],
                    reference.features(self.extractor, samples, self.padded), -(-len(samples) // 320))

    @functools.cached_property
    def folds(self) -> list[Fold]:
        found = []
        for number, parts in self.parts.items():
            folder = self.run / f"fold-{number:02}"
            config = whisper.config_of(folder)
            common = (self.base, config, self.dtype)
            models = {"adapted": whisper.adapted_model(folder, *common),
                      "frozen": whisper.frozen_model(folder, *common),
                      "untrained": whisper.adapted_model(self.untrained, *common)}
            quick = {role: copy.deepcopy(models[role]).float() for role in ("adapted", "frozen")}
            found.append(Fold(number, models, quick, {part: [self.clip(path) for path in paths]
                                                      for part, paths in parts.items()}))
        return found

    def frames(self, clip: Clip, recording: Recording) -> int:
        """The number of a clip's frames, from the first, that analyses use."""
        return len(recording.normed) if self.paper else clip.speech

    @functools.cache
    def mean_parts(self, fold: int, role: str) -> dict:
        """{(layer, part): D}: each part's mean output over the positions of all training clips."""
        sums, count = collections.Counter(), 0
        for recording in self.recordings(fold, "fit", role):
            frames = self.frames(recording.clip, recording)
            count += frames
            for layer, (attention, mlp) in enumerate(zip(recording.attention, recording.mlp)):
                for part, value in (("attention", attention), ("mlp", mlp), ("layer", attention + mlp)):
                    sums[layer, part] = sums[layer, part] + value[:frames].sum(0)
        return {place: total / count for place, total in sums.items()}

    @functools.cache
    def recordings(self, fold: int, part: str, role: str, gradients: bool = False) -> list[Recording]:
        fold = next(f for f in self.folds if f.number == fold)
        return [Recording(fold.models[role], clip, gradients) for clip in fold.parts[part]]
