# SPDX-License-Identifier: Apache-2.0
"""The torch that is installed beside this package, whose libraries the package runs on."""
from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from loralens.built_for import TORCH


def torch_folder() -> Path:
    """The folder of the package torch, found without importing it.

    Raises ImportError if there is no torch, or one of another minor version than that for which loralens was built:
    LibTorch's libraries fit within a minor version alone.
    """
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"loralens runs on torch {TORCH}, which is not installed: pip install 'torch=={TORCH}.*'")
    folder = Path(found.submodule_search_locations[0])
    version = re.search(r"^__version__ = '(\d+\.\d+)", (folder / "version.py").read_text(), re.M)
    found_version = version[1] if version else "of an unknown version"
    if found_version != TORCH:
        raise ImportError(f"loralens was built for torch {TORCH}, but torch {found_version} is installed: "
                          f"pip install 'torch=={TORCH}.*', or build loralens again beside the torch that is there")
    return folder
