# SPDX-License-Identifier: Apache-2.0
"""A figure of an analysis: a Vega-Lite specification with its data, which notebooks draw."""
from __future__ import annotations

import copy
import importlib.util
from typing import Any


class Figure:
    """A Vega-Lite specification, which a notebook draws: as Vega-Lite, where the front end knows it, else as SVG.

    The SVG needs vl-convert-python, `altair()` needs altair: `pip install .[figures]`.
    """

    def __init__(self, name: str, spec: dict[str, Any]) -> None:
        self.name = name
        self.spec = spec

    def __repr__(self) -> str:
        return f"<loralens.Figure {self.name}>"

    def to_dict(self) -> dict[str, Any]:
        """A copy of the specification."""
        return copy.deepcopy(self.spec)

    def svg(self) -> str:
        """The figure as an image, drawn by vl-convert-python."""
        import vl_convert

        return vl_convert.vegalite_to_svg(self.spec)

    def altair(self) -> Any:
        """The figure as a chart of Altair."""
        import altair

        return altair.Chart.from_dict(self.to_dict())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        version = self.spec["$schema"].rsplit("/v", 1)[-1].split(".")[0]  # ".../vega-lite/v5.json"
        bundle = {f"application/vnd.vegalite.v{version}+json": self.spec, "text/plain": repr(self)}
        if importlib.util.find_spec("vl_convert"):
            bundle["image/svg+xml"] = self.svg()
        return bundle
