"""Kills trainings and studies at random moments and starts them again until they end: the results must have the bits of
those that nobody killed.

    tests/kills.py PROGRAM [--trainings N] [--studies N] [--seed S]

N: the number of kills, spread over as many trainings (studies) as it takes. PROGRAM: build/release/loralens. The model
is a tiny random one, so that a training takes about a second. The exit status is 1 if a file differs or is missing, or
if a temporary file is left.
"""
import argparse
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "command"))
os.environ["LORALENS"] = ""

import tiny_whisper as tiny  # noqa: E402

ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
STUDY = """[train]
model = "model"
corpus = "clips.csv"
folds = "speaker:2"
epochs = 3
head-epochs = 1
select = "last"
threads = 1
[grid]
rank = [2, 4]
[compare]
rank = "2"
[analyze]
only = "contribution"
threads = 1
"""
TRAINING = ["train", "--model", "model", "--corpus", "clips.csv", "--folds", "speaker:2", "--epochs", "6",
            "--head-epochs", "1", "--rank", "4", "--watch", "2", "--seeds", "2", "--final", "--threads", "1"]


def digests(folder):
    """The SHA-256 of each file, by its path in the folder. Paths of the output folder inside files are masked."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes().replace(str(folder).encode(), b"OUT")
                                                          .replace(folder.name.encode(), b"OUT")).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"}


def finish(commands, done, killed, longest, generator, where):
    """Starts commands(attempt) until one ends by itself, or done() after a kill; kills at a random moment while kills
    are left."""
    for attempt in range(1000):
        process = subprocess.Popen(commands(attempt), cwd=where, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        if killed() > 0:
            time.sleep(generator.uniform(0.02, longest))
            if process.poll() is None:
                process.kill()
                killed(1)
        error = process.communicate()[1]
        if process.returncode == 0 or done():
            return
        if process.returncode > 0:
            sys.exit(f"attempt {attempt}: {error}")
    sys.exit("a command does not come to its end")


def campaign(name, commands, done, kills, generator, where):
    left = [0]

    def killed(count=0):
        left[0] -= count
        return left[0]

    began = time.monotonic()
    reference = where / f"{name}-reference"
    finish(lambda attempt: commands(reference, attempt), lambda: False, killed, 0, generator, where)
    longest, expected = time.monotonic() - began, digests(reference)
    left[0], number = kills, 0
    while left[0] > 0:
        number += 1
        out = where / f"{name}-{number}"
        finish(lambda attempt: commands(out, attempt), lambda: done(out), killed, 1.2 * longest, generator, where)
        found = digests(out)
        differing = sorted(path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path))
        rest = [path.name for path in where.iterdir() if path.name.startswith(out.name + ".")]
        if differing or rest:
            sys.exit(f"{out}: differ from {reference}: {differing}; left: {rest}")
    print(f"{name}: {kills} kills in {number} runs of {len(expected)} files, all with the same bits", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program", type=pathlib.Path)
    arguments.add_argument("--trainings", type=int, default=100)
    arguments.add_argument("--studies", type=int, default=30)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    program, generator = given.program.resolve(), random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        where = pathlib.Path(folder)
        tiny.material_of(where)
        (where / "study.toml").write_text(STUDY)

        def training(out, attempt):
            if (where / f"{out.name}.partial" / "config.toml").exists():
                return [program, "train", "--resume", out]
            return [program, *TRAINING, "-o", out, "--force"]

        campaign("training", training, pathlib.Path.exists, given.trainings, generator, where)
        campaign("study", lambda out, attempt: [program, "study", "study.toml", "-o", out], lambda out: False,
                 given.studies, generator, where)


main()
