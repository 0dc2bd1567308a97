# SPDX-License-Identifier: Apache-2.0
"""Opened models: predictions, activations at any site, and interventions.

Shapes: B files, T positions (50 a second), D width of the encoder, C classes.
"""
from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from loralens.errors import UsageError
from loralens.torch_beside import torch_folder

torch_folder()  # an ImportError that says what to install, before the libraries fail to load

import torch  # noqa: E402

from loralens import _core  # noqa: E402

PathLike = Union[str, "os.PathLike[str]"]
# A function of one file's value, or one tensor for each file.
Patch = Union[Callable[[torch.Tensor], torch.Tensor], Sequence[torch.Tensor]]


def _paths(files: PathLike | Iterable[PathLike]) -> list[str]:
    if isinstance(files, (str, os.PathLike)):
        files = [files]
    return [os.fspath(file) for file in files]


def _replacement(site: str, patch: Patch, files: int) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """The patch as a function of a value and the number of its file."""
    if not callable(patch) and len(patch) != files:
        raise ValueError(f"patch of {site}: {len(patch)} tensors for {files} files: give one for each, or a function")

    def replace(value: torch.Tensor, file: int) -> torch.Tensor:
        new = patch(value) if callable(patch) else patch[file]
        if not isinstance(new, torch.Tensor):
            raise TypeError(f"patch of {site}: {type(new).__name__} instead of a tensor of shape {tuple(value.shape)}")
        return new

    return replace


@dataclass(frozen=True)
class Forward:
    """What a forward pass gives.

    logits: B x C, float32.
    sites: for each site that was asked for a list with one tensor for each file, in the order of the files: T x width;
        `pattern` H x T x T; `pooled`, `projected` and `logits` width.
    """

    logits: torch.Tensor
    sites: dict[str, list[torch.Tensor]]

    def __getitem__(self, site: str) -> list[torch.Tensor]:
        return self.sites[site]

    @property
    def probabilities(self) -> torch.Tensor:
        """Softmax of the logits: B x C."""
        return self.logits.softmax(-1)


class Model:
    """A run, a fold or an adapter that `load` has opened. Threads may share it."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self.classes: list[str] = opened.classes  # in the order of the logits
        self.folders: list[str] = opened.folders  # of each model whose probabilities are averaged
        self.base: str = opened.base  # name of the base model
        self.layers: int = opened.layers  # N

    def __repr__(self) -> str:
        return f"<loralens.Model {', '.join(self.folders)}: {', '.join(self.classes)}>"

    @property
    def sites(self) -> list[str]:
        """Names of all sites of a forward pass with adapters, in its order."""
        return self._opened.sites()

    def predict(self, files: PathLike | Iterable[PathLike]) -> list[dict[str, Any]]:
        """Predicts audio files, with the numbers that `loralens predict` prints.

        files: paths, or ids of segments ("a.wav#1.5-3"), of which `predict` decodes some ahead.
        Returns for each file, in order, a dict with `path`, `label`, `probabilities` (by class, the mean over the
        models) and `seconds`; a file that cannot be read has `path` and `error` alone. A file without sound has a
        `warning`. Other Python threads run meanwhile.
        """
        return [json.loads(line) for line in self._opened.predict(_paths(files))]

    def predict_frame(self, files: PathLike | Iterable[PathLike]) -> Any:
        """The predictions as a pandas.DataFrame with the columns path, label, p_<class>, seconds and error."""
        import pandas

        rows = [[row["path"], row.get("label"), *(row.get("probabilities", {}).get(name) for name in self.classes),
                 row.get("seconds"), row.get("error")] for row in self.predict(files)]
        columns = ["path", "label", *(f"p_{name}" for name in self.classes), "seconds", "error"]
        return pandas.DataFrame(rows, columns=columns)

    def forward(self, files: PathLike | Iterable[PathLike], sites: str | Iterable[str] = (), *, adapters: bool = True,
                patch: Mapping[str, Patch] | None = None) -> Forward:
        """Runs files through the model; returns logits and the activations at sites.

        files: paths or ids of segments. All of a file's windows pass in one go.
        sites: names such as "residual_out.3" or "adapter_up.5.v_proj" (`Model.sites` lists them).
        adapters: False runs the frozen encoder with the model's head.
        patch: for a site a function that gets the value of one file (a copy, which it may change) and returns a tensor
            of the same shape; or a list with a tensor for each file, such as another pass gave. Patches act before
            the values are kept, in the given order.
        Without gradients. The tensors are those of the pass, not copies; on the CPU or GPU of the model, and of the
        precision of the pass. Raises loralens.Error for a file that cannot be read, an unknown site, a site that the
        pass does not visit and a patch of another shape; an exception of a patch stays as it is.
        """
        paths = _paths(files)
        names = [sites] if isinstance(sites, str) else list(sites)
        patches = [(site, _replacement(site, value, len(paths))) for site, value in (patch or {}).items()]
        logits, values = self._opened.forward(paths, names, adapters, patches)
        return Forward(logits, dict(zip(names, values)))


def load(folder: PathLike, *, model: PathLike = "", classes: Sequence[str] = (), device: str = "auto",
         precision: str = "auto", threads: int = 0, input: str | None = None, tail: float | None = None) -> Model:
    """Opens a run (its final model, or else the mean of its folds), one of its models, or an adapter of PEFT.

    model: base model, if the folder names none. classes: names of the classes of a PEFT folder, in order.
    device: auto, cpu, cuda or cuda:N. precision: auto, fp32, bf16 or fp16 (GPU). threads: CPU threads; if not 0, it is
    also set for torch (torch.set_num_threads). input ("speech", which is the default, or "padded") and tail (seconds of
    silence, default 0.5): for a folder that another program saved; a model of loralens records them.
    Raises loralens.Error.
    """
    if input not in (None, "speech", "padded"):
        raise ValueError(f"input '{input}': choose speech or padded")
    choice = _core.ComputeChoice(device=device, precision=precision, threads=threads)
    given = _core.InputOptions(padded=input == "padded", tail=0.5 if tail is None else tail)
    opened = _core.open(os.fspath(folder), os.fspath(model), list(classes), given, choice)
    own = opened.input
    if (input is not None and own.padded != given.padded) or (tail is not None and own.tail != given.tail):
        raise UsageError(f"{folder} was trained with input '{'padded' if own.padded else 'speech'}' and a tail of "
                         f"{own.tail} s: leave input and tail out")
    return Model(opened)
