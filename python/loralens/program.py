# SPDX-License-Identifier: Apache-2.0
"""The program `loralens` that the package holds."""
from __future__ import annotations

import os
import sys
from pathlib import Path

from loralens.torch_beside import torch_folder

PROGRAM = Path(__file__).with_name("bin") / "loralens"


def environment() -> dict[str, str]:
    """The environment in which the program finds LibTorch.

    The program looks for it beside the package. If torch is in another folder (an environment that sees the packages
    of a second one), LD_LIBRARY_PATH names its libraries.
    """
    libraries = torch_folder() / "lib"
    beside = PROGRAM.parents[2] / "torch" / "lib"
    if libraries == beside:
        return dict(os.environ)
    paths = [str(libraries), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    return os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(paths)}


def main() -> None:
    """The console script: becomes the program, with the same arguments."""
    try:
        variables = environment()
    except ImportError as error:
        sys.exit(f"loralens: {error}")
    os.execve(PROGRAM, ["loralens", *sys.argv[1:]], variables)
