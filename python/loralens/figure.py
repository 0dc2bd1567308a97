# SPDX-License-Identifier: Apache-2.0
"""A figure of an analysis: a Vega-Lite specification with its data, which notebooks draw."""
from __future__ import annotations

import copy
from typing import Any


class Figure:
    """A Vega-Lite specification. JupyterLab, VS Code and Colab draw it; `altair()` makes an object of Altair."""

    def __init__(self, name: str, spec: dict[str, Any]) -> None:
        self.name = name
        self.spec = spec

    def __repr__(self) -> str:
        return f"<loralens.Figure {self.name}>"

    def to_dict(self) -> dict[str, Any]:
        """A copy of the specification."""
        return copy.deepcopy(self.spec)

    def altair(self) -> Any:
        """The figure as a chart of Altair, which must be installed (`pip install loralens[altair]`)."""
        import altair

        return altair.Chart.from_dict(self.to_dict())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        version = self.spec["$schema"].rsplit("/v", 1)[-1].split(".")[0]  # ".../vega-lite/v5.json"
        return {f"application/vnd.vegalite.v{version}+json": self.spec, "text/plain": repr(self)}
