"""Command tests of what several threads do at once: files are decoded while others are encoded. `./run-tests threads`
runs them in a build with the thread sanitizer, which ends a command with exit status 66 where it finds a data race."""
import json

import pytest

import tiny_whisper as tiny
from support import ENVIRONMENT, SANITIZED, expect_error, noise, run, succeed, table_of, write_wav

# Without the flag, files are decoded by as many threads as there are cores, and OMP_NUM_THREADS=1 (support.py) leaves
# LibTorch one thread: the sanitizer does not see how threads of OpenMP wait for each other.
SEVERAL = [] if SANITIZED else ["--threads", 2]


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A folder with a transcriber `model`, a corpus and 30 clips, of which one is no audio."""
    folder = tmp_path_factory.mktemp("threads")
    tiny.material_of(folder)
    (folder / "many").mkdir()
    for n in range(30):
        write_wav(folder / "many" / f"{n:02}.wav", noise(0.3 + 0.05 * n, rate=8000 if n % 3 else 16000, seed=n))
    (folder / "many" / "07.wav").write_text("no audio")
    return folder


@pytest.fixture(scope="module")
def trained(material):
    flags = ["--model", material / "model", "--corpus", material / "clips.csv", "--folds", "speaker:2", "--rank", 2]
    succeed("train", *flags, "--targets", "v_proj", "--epochs", 1, *SEVERAL, "-o", material / "run")
    return material / "run"


def test_a_training_with_several_threads(trained):
    rows = table_of(trained / "predictions.csv")
    assert len(rows) == 8 and {row["fold"] for row in rows} == {"0", "1"}


def test_predictions_are_the_same_with_any_number_of_threads(trained, material):
    files = sorted((material / "many").iterdir())
    results = [run("predict", trained, *files, *flags) for flags in (["--threads", 1], SEVERAL)]
    lines = [[json.loads(line) for line in result.stdout.splitlines()] for result in results]
    assert [result.returncode for result in results] == [1, 1], results[1].stderr
    for one, two, file in zip(*lines, files, strict=True):
        assert one["path"] == two["path"] == str(file)
        assert one.keys() == two.keys()
        assert ("error" in one) == (file.name == "07.wav")
        if "error" not in one:
            assert one["label"] == two["label"]
            assert one["probabilities"] == pytest.approx(two["probabilities"], abs=1e-6)


def test_a_limit_of_openmp_is_never_exceeded(trained, material):
    file = material / "many" / "00.wav"
    environment = ENVIRONMENT | {"OMP_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "2"}
    result = run("predict", trained, file, "--threads", 2, env=environment)
    expect_error(result, 2, "--threads 2: OMP_THREAD_LIMIT allows 1")
    limited = json.loads(run("predict", trained, file, env=environment).stdout)
    assert limited == json.loads(succeed("predict", trained, file, "--threads", 1))


def test_an_audit_and_states_with_several_threads(trained, material, tmp_path):
    succeed("audit", material / "clips.csv", "--threads", 2)
    succeed("analyze", trained, "--only", "contribution", *SEVERAL, "-o", tmp_path / "analysis")
    assert table_of(tmp_path / "analysis" / "tables" / "contribution.csv")
