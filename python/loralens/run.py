# SPDX-License-Identifier: Apache-2.0
"""The folder of a run of `loralens train`, or of an evaluation on another corpus."""
from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loralens.errors import Error
from loralens.tables import PathLike, folder_of, read_json, read_table

if TYPE_CHECKING:
    import pandas

    from loralens.model import Model

_TEXT = ("id", "speaker", "label", "predicted")


class Run:
    """Scores, predictions, histories and models of a run. Files are read as they are asked for.

    folder: what `loralens train` or `loralens evaluate -o` wrote. Raises loralens.Error for another folder.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder: Path = folder_of(folder, "metrics.json", "train or evaluate")

    def __repr__(self) -> str:
        return f"<loralens.Run {self.folder}: {len(self.models)} models>"

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json: `uar`, `war`, `macro_f1` with intervals, `recall`, `confusion`, `classes`, ..."""
        return read_json(self.folder / "metrics.json")

    @cached_property
    def predictions(self) -> "pandas.DataFrame":
        """predictions.csv: id, fold, speaker, label, predicted, p_<class>, seed: a row a test clip and training."""
        return read_table(self.folder / "predictions.csv", _TEXT)

    @cached_property
    def folds(self) -> "pandas.DataFrame":
        """folds.csv: id, fold, part (train, development, test or unused)."""
        return read_table(self.folder / "folds.csv", ("id", "part"))

    @property
    def models(self) -> dict[str, Path]:
        """The folders of the models by name: "fold-00", "seed-43/fold-00", "final", ..."""
        found = sorted([*self.folder.glob("fold-*"), *self.folder.glob("seed-*/fold-*"), *self.folder.glob("final"),
                        *self.folder.glob("seed-*/final")])
        return {str(path.relative_to(self.folder)): path for path in found if path.is_dir()}

    @cached_property
    def history(self) -> "pandas.DataFrame":
        """history.csv of all models, a row for each epoch, with the model's name in the column `model`."""
        import pandas

        files = {name: path / "history.csv" for name, path in self.models.items()}
        parts = [read_table(file).assign(model=name) for name, file in files.items() if file.exists()]
        if not parts:
            raise Error(f"{self.folder} has no history.csv: its models were not trained in epochs")
        return pandas.concat(parts, ignore_index=True)

    def load(self, name: str | None = None, **options: Any) -> "Model":
        """Opens one of `models` by its name; without a name the run: its final model, or the mean of its folds.

        options: those of loralens.load.
        """
        from loralens.model import load

        if name is not None and name not in self.models:
            raise Error(f"{self.folder} has no model '{name}': its models are {', '.join(self.models)}")
        return load(self.folder if name is None else self.models[name], **options)
