"""The list of all rows, in the order of measurement, and the folder in which they run."""
import contextlib
import pathlib
import shutil
import tempfile

import analyses
import encoder
import growth
import kernel_rows
import processors
import program
import speech
import training
import transcription
from measure import ROOT, Place
from rows import Row


def all_rows(place: Place) -> list[Row]:
    modules = (program, encoder, transcription, kernel_rows, processors, training, analyses, growth)
    return [row for module in modules for row in module.rows(place)]


def listed() -> str:
    return "\n".join(f"{row.name:14}{row.summary}" for row in all_rows(Place(pathlib.Path(), [], quick=False)))


def chosen(place: Place, names: list[str]) -> list[Row]:
    rows = all_rows(place)
    unknown = set(names) - {row.name for row in rows}
    if unknown:
        raise SystemExit(f"bench: there is no row {' '.join(sorted(unknown))}: choose among {' '.join(row.name for row in rows)}")
    return [row for row in rows if row.name in names or not (names or row.named_only)]


@contextlib.contextmanager
def place(corpus: pathlib.Path | None, quick: bool):
    """The Place of the rows, with a work folder that is removed at the end."""
    corpora = speech.find_corpora(corpus.resolve() if corpus else None, ROOT.parent / "shared" / "corpora")
    work = pathlib.Path(tempfile.mkdtemp(prefix="work-", dir=ROOT / "build" / "bench"))
    try:
        yield Place(work, corpora, quick)
    finally:
        shutil.rmtree(work)
