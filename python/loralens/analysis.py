# SPDX-License-Identifier: Apache-2.0
"""The folder of `loralens analyze`: tables, arrays, figures and verdicts."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loralens.errors import Error
from loralens.figure import Figure
from loralens.tables import PathLike, folder_of, read_json, read_table

if TYPE_CHECKING:
    import numpy
    import pandas

_TEXT = ("analysis", "protocol", "model", "variant", "module", "component", "metric", "class", "estimand")


def _figure(folder: Path, name: str) -> Figure:
    file = folder / "figures" / f"{name}.vl.json"
    if not file.exists():
        names = ", ".join(sorted(path.name.removesuffix(".vl.json") for path in file.parent.glob("*.vl.json")))
        raise Error(f"{folder} has no figure '{name}': its figures are {names}")
    return Figure(name, read_json(file))


class Findings:
    """What one analysis found."""

    def __init__(self, folder: Path, name: str, summary: dict[str, Any]) -> None:
        self.name = name
        self.summary = summary  # the analysis's entry in summary.json: `measures`, `source`, `notes`, ...
        self._folder = folder

    def __repr__(self) -> str:
        return f"<loralens.Findings {self.name}: {len(self.table)} rows, figures {', '.join(self.figures)}>"

    @property
    def reading(self) -> str:
        """What the numbers say, in words."""
        return self.summary["reading"]

    @cached_property
    def table(self) -> "pandas.DataFrame":
        """Every number, one a row (docs/formats.md): model, variant, layer, metric, value, low, high, n, ..."""
        return read_table(self._folder / "tables" / f"{self.name}.csv", _TEXT)

    @cached_property
    def arrays(self) -> dict[str, "numpy.ndarray"]:
        """Values of single clips or positions, by name; empty where the analysis has none."""
        import numpy

        file = self._folder / "arrays" / f"{self.name}.npz"
        if not file.exists():
            return {}
        with numpy.load(file) as arrays:
            return dict(arrays)

    @property
    def figures(self) -> list[str]:
        """Names of its figures."""
        return [figure["name"] for figure in self.summary["figures"]]

    def figure(self, name: str) -> Figure:
        """One of `figures`."""
        return _figure(self._folder, name)


class Analysis(Mapping[str, Findings]):
    """The analyses of a folder by name: `Analysis("analysis")["logit-lens"].table`.

    folder: what `loralens analyze` wrote. Raises loralens.Error for another folder.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder: Path = folder_of(folder, "summary.json", "analyze")

    def __repr__(self) -> str:
        return f"<loralens.Analysis {self.folder}: {', '.join(self)}>"

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json: `about` (run, model, protocol, clips, scores, comparison) and `analyses`."""
        return read_json(self.folder / "summary.json")

    @cached_property
    def claims(self) -> "pandas.DataFrame":
        """The verdicts on the paper's claims: claim, verdict, evidence, analysis."""
        return read_table(self.folder / "claims.csv")

    @property
    def page(self) -> Path:
        """The report, a page for the browser."""
        return self.folder / "report.html"

    def figure(self, name: str) -> Figure:
        """A figure of any of the analyses."""
        return _figure(self.folder, name)

    def __getitem__(self, name: str) -> Findings:
        found = [entry for entry in self.summary["analyses"] if entry["name"] == name]
        if not found:
            raise Error(f"{self.folder} has no analysis '{name}': it has {', '.join(self)}")
        return Findings(self.folder, name, found[0])

    def __iter__(self) -> Iterator[str]:
        return (entry["name"] for entry in self.summary["analyses"])

    def __len__(self) -> int:
        return len(self.summary["analyses"])
