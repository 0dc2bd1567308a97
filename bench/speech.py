"""Clips for the rows: those of the available corpora, and clips that are joined and cut to the lengths of IEMOCAP's."""
import csv
import functools
import math
import pathlib
import random
import statistics

from measure import Place, loralens

RATE = 16000
MEAN_SECONDS = 4.6  # mean of the 5,531 clips of IEMOCAP in four classes
SPREAD = 0.6  # standard deviation of the logarithm; clips are 0.6 to 30 s


def find_corpora(folder: pathlib.Path | None, default: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
    """[(reader, folder)] of EMO-DB and RAVDESS in `folder` itself or its subfolders; without `folder` in `default`."""
    found = []
    for place in (folder or default, (folder or default) / "emodb", (folder or default) / "ravdess"):
        if (place / "wav").is_dir():
            found.append(("emo-db", place))
        elif any(place.glob("Actor_*")):
            found.append(("ravdess", place))
    if folder and not found:
        raise SystemExit(f"bench: {folder} holds neither EMO-DB (wav/) nor RAVDESS (Actor_*/), nor folders emodb or ravdess that do")
    return found


def write_table(path: pathlib.Path, rows: list[dict]) -> pathlib.Path:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ("path", "label", "speaker"), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_table(path: pathlib.Path) -> list[dict]:
    with open(path, newline="") as file:
        return [row | {"path": str((path.parent / row["path"]).resolve())} for row in csv.DictReader(file)]


@functools.cache
def corpus_rows(work: pathlib.Path, program: pathlib.Path, corpora: tuple) -> list[dict]:
    rows = []
    for reader, folder in corpora:
        table = work / f"{reader}.csv"
        loralens(Place(work, [], False, program=program), "corpus", reader, folder, "--labels", "four", "-o", table)
        rows += read_table(table)
    if not corpora:
        if not (work / "synthetic").exists():
            loralens(Place(work, [], False, program=program), "synth", "-o", work / "synthetic")
        rows = read_table(work / "synthetic" / "clips.csv")
    return rows


def clips_at_hand(place: Place) -> list[dict]:
    """Rows path, label, speaker of all clips of anger, happiness, neutral and sadness; EMO-DB first."""
    return corpus_rows(place.work, place.program, tuple(place.corpora))


def iemocap_lengths(count: int) -> list[float]:
    """Seconds of `count` clips: quantiles of a log-normal distribution, scaled to IEMOCAP's mean; shuffled, seed 0."""
    normal = statistics.NormalDist()
    values = [math.exp(SPREAD * normal.inv_cdf((i + 0.5) / count)) for i in range(count)]
    scale = MEAN_SECONDS / statistics.fmean(values)
    lengths = [min(30.0, max(0.6, scale * value)) for value in values]
    random.Random(0).shuffle(lengths)
    return lengths


def write_joined(place: Place, folder: pathlib.Path, lengths: list[float]) -> pathlib.Path:
    """Writes clips of these lengths and their table. A clip joins clips of one class and is cut to its length.

    Clip i has the class i mod 4 and joins the next unused clips of that class. Ten speakers in turn.
    """
    import soundfile  # imported here, so that --list works without it

    table = folder / "clips.csv"
    if table.exists():
        return table
    folder.mkdir(parents=True)
    by_class = {}
    for row in clips_at_hand(place):
        by_class.setdefault(row["label"], []).append(row["path"])
    labels = sorted(by_class)
    next_clip = dict.fromkeys(labels, 0)
    rows = []
    for number, seconds in enumerate(lengths):
        label = labels[number % len(labels)]
        samples = []
        while len(samples) < round(seconds * RATE):
            paths = by_class[label]
            more, rate = soundfile.read(paths[next_clip[label] % len(paths)], dtype="float32")
            if rate != RATE or more.ndim != 1:
                raise SystemExit(f"bench: {paths[next_clip[label] % len(paths)]}: clips to be joined must be 16 kHz mono")
            samples.extend(more)
            next_clip[label] += 1
        path = folder / f"{number:04}.wav"
        soundfile.write(path, samples[:round(seconds * RATE)], RATE, subtype="PCM_16")
        rows.append({"path": path.name, "label": label, "speaker": f"s{number // len(labels) % 10}"})
    return write_table(table, rows)


def joined(place: Place, count: int) -> pathlib.Path:
    """The table of `count` clips with the lengths of IEMOCAP's clips."""
    return write_joined(place, place.work / f"iemocap-lengths-{count}", iemocap_lengths(count))


def equal_clips(place: Place, count: int, seconds: float) -> pathlib.Path:
    """The table of `count` clips of this length."""
    return write_joined(place, place.work / f"equal-{count}-{seconds:g}", [seconds] * count)


def one_fold(table: pathlib.Path, train: int, test: int) -> list[str]:
    """Training flags for one fold: the first `train` clips of the table train, the next `test` clips test."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))[:train + test]
    part = write_table(table.parent / f"first-{train}-{test}.csv", rows)
    folds = table.parent / f"fold-{train}-{test}.csv"
    lines = ["id,fold,part"] + [f"{row['path']},0,{'train' if i < train else 'test'}" for i, row in enumerate(rows)]
    folds.write_text("\n".join(lines) + "\n")
    return ["--corpus", str(part), "--folds", f"file:{folds}", "--allow-leaks"]


def seconds_of(table: pathlib.Path) -> list[float]:
    import soundfile

    return [soundfile.info(row["path"]).frames / RATE for row in read_table(table)]
