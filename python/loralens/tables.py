# SPDX-License-Identifier: Apache-2.0
"""Reading the files of output folders (docs/formats.md)."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from loralens.errors import Error

if TYPE_CHECKING:
    import pandas

PathLike = Union[str, "os.PathLike[str]"]


def folder_of(path: PathLike, file: str, command: str) -> Path:
    """The path of a folder that `command` wrote. Error unless it holds this file."""
    folder = Path(path)
    if not (folder / file).is_file():
        raise Error(f"{folder} has no {file}: give a folder that {command} wrote")
    return folder


def read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Error(f"{file}: {error}") from error


def read_table(file: Path, text: tuple[str, ...] = ()) -> "pandas.DataFrame":
    """A CSV file; an empty cell is missing. Numbers are those of the file to the last bit.

    text: columns that stay text, such as an id that looks like a number.
    """
    import pandas

    try:
        columns = pandas.read_csv(file, nrows=0).columns
        return pandas.read_csv(file, dtype={name: str for name in columns if name in text}, keep_default_na=False,
                               na_values=[""], engine="python")  # Python reads numbers exactly
    except (OSError, ValueError) as error:
        raise Error(f"{file}: {error}") from error
