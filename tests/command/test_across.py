"""Several corpora: joint training, leaving one out, evaluation on other corpora, and the report that compares them."""
import json
import math
import shutil
import signal
import time

import numpy
import pytest
from sklearn import metrics as sklearn_metrics

from support import CLASSES, expect_error, expect_no_trace, files_of, run, slow, start, succeed, table_of, write_table

COLUMNS = ("path", "label", "speaker", "gender", "text", "corpus")


@pytest.fixture(scope="session")
def corpora(model, tmp_path_factory):
    """Tables of two corpora; the speakers of both are called 1 to 4, and the second has no sadness."""
    folder = tmp_path_factory.mktemp("corpora")
    succeed("synth", "-o", folder / "synthetic", "--voices", 8, "--sentences", 2)
    rows = table_of(folder / "synthetic" / "clips.csv")
    speakers = sorted({row["speaker"] for row in rows})
    tables = []
    for name, half in (("east", speakers[::2]), ("west", speakers[1::2])):
        own = [[f"synthetic/{row['path']}", row["label"], 1 + half.index(row["speaker"]), row["gender"], row["text"],
                name]
               for row in rows if row["speaker"] in half and (name, row["label"]) != ("west", "sadness")]
        tables.append(write_table(folder / f"{name}.csv", own, COLUMNS))
    return tables


@pytest.fixture(scope="session")
def both(corpora):
    return ["--corpus", corpora[0], "--corpus", corpora[1]]


@pytest.fixture(scope="session")
def runs(quick, both, corpora, tmp_path_factory):
    """{name: folder}: LoRA and frozen runs on each corpus, their evaluations on the other, and a joint run."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("lora", "frozen"):
        for own, other in (corpora, corpora[::-1]):
            name = f"{method}-{own.stem}"
            succeed("train", *quick, "--corpus", own, "--method", method, "-o", folder / name)
            succeed("evaluate", folder / name, "--corpus", other, "-o", folder / f"{name}-on-{other.stem}")
    succeed("train", *quick, *both, "--balance", "corpora,classes", "-o", folder / "joint")
    return {path.name: path for path in folder.iterdir()}


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def score_of(rows, score, **options):
    return score([row["label"] for row in rows], [row["predicted"] for row in rows], **options)


# Joint training


def test_a_joint_run_knows_its_corpora_and_keeps_their_speakers_apart(runs, corpora):
    joint = runs["joint"]
    rows = table_of(joint / "predictions.csv")
    assert {row["speaker"] for row in rows} == {f"{name}/{i}" for name in ("east", "west") for i in range(1, 5)}
    assert sorted(row["id"] for row in rows) == sorted(row["path"] for table in corpora for row in table_of(table))
    metrics = metrics_of(joint)
    assert metrics["trained_on"] == metrics["tested_on"] == metrics["corpus"] == ["east", "west"]
    assert metrics["classes"] == CLASSES and metrics["speakers"] == 8
    for group in metrics["groups"]["corpus"]:
        own = [row for row in rows if row["speaker"].startswith(group["value"])]
        assert group["clips"] == len(own) == (32 if group["value"] == "east" else 24)
        assert group["uar"]["value"] == pytest.approx(score_of(own, sklearn_metrics.balanced_accuracy_score))
        if group["uar"]["low"] is None:
            assert group["uar"]["reason"]
        else:
            assert group["uar"]["low"] <= group["uar"]["value"] <= group["uar"]["high"]
    config = (joint / "config.toml").read_text()
    assert f'corpus = ["{corpora[0]}", "{corpora[1]}"]' in config.replace("'", '"')
    assert 'balance = "corpora,classes"' in config.replace("'", '"')


def test_an_epoch_holds_corpora_and_classes_equally_often(runs, corpora):
    labels = [{row["path"]: row["label"] for row in table_of(table)} for table in corpora]
    train = [row["id"] for row in table_of(runs["joint"] / "folds.csv") if (row["fold"], row["part"]) == ("0", "train")]
    classes = [len({own[clip] for clip in train if clip in own}) for own in labels]
    assert classes == [4, 3]
    draws = 12 * math.ceil(math.ceil(len(train) / 2) / 12)  # per corpus: a multiple of 4 and of 3 classes
    steps = int(table_of(runs["joint"] / "fold-00" / "history.csv")[0]["steps"])
    assert steps == math.ceil(2 * draws / 8)


def test_a_joint_run_is_done_again_analysed_and_used(runs, corpora, tmp_path):
    joint = runs["joint"]
    succeed("train", "--config", joint / "config.toml", "-o", "again", cwd=tmp_path)
    assert files_of(tmp_path / "again") == files_of(joint)
    succeed("analyze", joint, "--only", "contribution", "-o", tmp_path / "analysis")
    about = json.loads((tmp_path / "analysis" / "summary.json").read_text())["about"]
    assert about["corpus"] == ["east", "west"] and about["clips"] == 56 and about["speakers"] == 8
    wave = corpora[0].parent / table_of(corpora[0])[0]["path"]
    assert json.loads(succeed("predict", joint, wave))["path"] == str(wave)
    assert json.loads(succeed("evaluate", joint, "--json")) == metrics_of(joint)


@slow
def test_a_joint_run_that_is_killed_ends_with_the_same_bits(quick, both, runs, tmp_path):
    target, checkpoint = tmp_path / "run", tmp_path / "run.partial" / "fold-00.partial" / "checkpoint.safetensors"
    process = start("train", *quick, *both, "--balance", "corpora,classes", "-o", target)
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    succeed("train", "--resume", target)
    assert files_of(target) == files_of(runs["joint"])


def test_a_corpus_is_left_out(quick, both, tmp_path):
    flags = [flag for flag in quick if flag != "speaker:2"]
    flags[flags.index("--folds")] = "--folds=column:corpus"
    succeed("train", *flags, *both, "--method", "frozen", "-o", tmp_path / "run")
    metrics = metrics_of(tmp_path / "run")
    assert [(fold["trained_on"], fold["tested_on"]) for fold in metrics["folds"]] == [(["west"], ["east"]),
                                                                                     (["east"], ["west"])]
    rows = table_of(tmp_path / "run" / "predictions.csv")
    assert {(row["fold"], row["speaker"][:4]) for row in rows} == {("0", "east"), ("1", "west")}


def test_what_cannot_be_joined_is_refused(quick, corpora, both, tmp_path):
    out = ["-o", tmp_path / "run"]
    (tmp_path / "other").mkdir()
    rows = [list(row.values()) for row in table_of(corpora[0])]
    same_ids = write_table(tmp_path / "other" / "third.csv", rows, COLUMNS)
    expect_error(run("train", *quick, "--corpus", corpora[0], "--corpus", same_ids, *out), 1, rows[0][0], corpora[0],
                 same_ids, "another folder")
    rows = [[corpora[0].parent / row[0], *row[1:-1]] for row in rows]
    same_name = write_table(tmp_path / "other" / "east.csv", rows, COLUMNS[:-1])
    expect_error(run("train", *quick, "--corpus", corpora[0], "--corpus", same_name, *out), 1, "'east'", "'corpus'")
    expect_error(run("train", *quick, "--corpus", corpora[0], "--corpus", corpora[0], *out), 1, "given twice")
    expect_error(run("train", *quick, "--corpus", corpora[0], "--balance", "corpora", *out), 1, "--balance corpora",
                 "'east'", "--corpus")
    expect_error(run("train", *quick, *both, "--balance", "speakers", *out), 2, "--balance")
    expect_error(run("train", *quick, *both, "--balance", "classes", "--class-weights", "true", *out), 2,
                 "--class-weights", "--balance classes")
    expect_no_trace(tmp_path / "run")


# Evaluation on other corpora


def test_evaluation_says_what_trained_and_what_tested(runs):
    metrics = metrics_of(runs["lora-east-on-west"])
    assert metrics["trained_on"] == ["east"] and metrics["tested_on"] == ["west"] and metrics["trained_clips"] == 0
    assert metrics["method"] == "lora" and metrics["run"] == str(runs["lora-east"])
    assert metrics["clips"] == 24 and metrics["predictions"] == 48  # two folds, so two models
    assert metrics["confusion"][CLASSES.index("sadness")] == [0, 0, 0, 0]
    assert metrics["recall"]["sadness"] is None and metrics["recall_intervals"]["sadness"]["low"] is None


def test_scores_are_those_of_scikit_learn(runs):
    for name in ("lora-east-on-west", "lora-west-on-east", "joint"):
        rows, metrics = table_of(runs[name] / "predictions.csv"), metrics_of(runs[name])
        for fold in metrics["folds"]:
            own = [row for row in rows if row["fold"] == str(fold["fold"])]
            assert fold["war"] == pytest.approx(score_of(own, sklearn_metrics.accuracy_score))
            assert fold["macro_f1"] == pytest.approx(
                score_of(own, sklearn_metrics.f1_score, average="macro", zero_division=0))
            present = sorted({row["label"] for row in own})
            assert fold["uar"] == pytest.approx(
                score_of(own, sklearn_metrics.recall_score, average="macro", labels=present))


def test_calibration_is_that_of_numpy(runs):
    for name in ("lora-east", "lora-east-on-west"):
        rows, metrics = table_of(runs[name] / "predictions.csv"), metrics_of(runs[name])
        confidence = numpy.array([max(float(row[f"p_{c}"]) for c in metrics["classes"]) for row in rows])
        right = numpy.array([row["label"] == row["predicted"] for row in rows])
        bins = numpy.digitize(confidence, numpy.arange(1, 16) / 15, right=True)
        ece = sum(abs(right[bins == b].sum() - confidence[bins == b].sum()) for b in range(15)) / len(rows)
        assert metrics["calibration"]["ece"] == pytest.approx(ece, abs=1e-12)
        assert [b["predictions"] for b in metrics["calibration"]["bins"]] == numpy.bincount(bins, minlength=15).tolist()


def test_scores_by_gender_and_text(runs, corpora):
    rows, metrics = table_of(runs["lora-east"] / "predictions.csv"), metrics_of(runs["lora-east"])
    clips = {row["path"]: row for row in table_of(corpora[0])}
    assert set(metrics["groups"]) == {"gender", "text"}
    for column, groups in metrics["groups"].items():
        assert [group["value"] for group in groups] == sorted({row[column] for row in clips.values()})
        for group in groups:
            own = [row for row in rows if clips[row["id"]][column] == group["value"]]
            assert group["clips"] == len(own)
            assert group["war"]["value"] == pytest.approx(score_of(own, sklearn_metrics.accuracy_score))
            assert group["uar"]["value"] == pytest.approx(score_of(own, sklearn_metrics.balanced_accuracy_score))


def test_clips_that_trained_the_run_are_told(runs, both):
    result = run("evaluate", runs["frozen-east"], *both, "--json")
    assert result.returncode == 0 and "the run was trained on 32 of these 56 clips" in result.stderr
    metrics = json.loads(result.stdout)
    assert metrics["trained_clips"] == 32 and metrics["tested_on"] == ["east", "west"]


# The report


def texts(page, name):
    return page.locator(f'.plot[data-figure="{name}"] .mark-text.role-mark text').all_text_contents()


def test_the_matrix_of_training_and_test_corpora(runs, open_page, tmp_path):
    out = tmp_path / "across.html"
    succeed("report", *[runs[name] for name in sorted(runs)], "-o", out)
    page = open_page(out)
    expected = {metrics_of(runs[name])["uar"]["pooled"] for name in runs if name != "joint"}
    expected |= {group["uar"]["value"] for group in metrics_of(runs["joint"])["groups"]["corpus"]}
    shown = [text for text in texts(page, "across-corpora") if text and " to " not in text]
    assert len(shown) == 10
    near = [[abs(float(text) - value) < 0.000501 for value in expected] for text in shown]  # JavaScript rounds halves up
    assert all(map(any, near)) and all(map(any, zip(*near)))
    intervals = {f"{uar['low']:.3f} to {uar['high']:.3f}"
                 for uar in (metrics_of(runs[name])["uar"] for name in runs if name != "joint") if uar["low"] is not None}
    assert intervals <= set(texts(page, "across-corpora"))
    labels = page.locator('.plot[data-figure="across-corpora"] .role-axis-label text').all_text_contents()
    assert {"east", "west", "east + west"} <= set(labels)
    headers = page.locator('.plot[data-figure="across-corpora"] .column-header text, '
                           '.plot[data-figure="across-corpora"] .role-row-header text').all_text_contents()
    assert {"lora", "frozen"} <= set(headers) | set(page.locator(
        '.plot[data-figure="across-corpora"] svg text').all_text_contents())


def pooled_difference(runs, score: str) -> float:
    """lora-east - frozen-east, from the confusion of all folds together."""
    values = []
    for name in ("lora-east", "frozen-east"):
        confusion = numpy.array(metrics_of(runs[name])["confusion"])
        right = numpy.diag(confusion)
        values.append(right.sum() / confusion.sum() if score == "war" else (right / confusion.sum(1)).mean())
    return values[0] - values[1]


def test_runs_on_the_same_clips_are_tested_against_each_other(runs, tmp_path):
    out = tmp_path / "page.html"
    succeed("report", runs["lora-east"], runs["frozen-east"], runs["lora-west"], "-o", out)
    page = out.read_text()
    assert "lora-east − frozen-east" in page and "lora-east − lora-west" not in page
    assert f"<td>UAR</td><td>{pooled_difference(runs, 'uar'):+.3f}</td>".replace("-0.000", "+0.000") in \
        page.replace("-0.000", "+0.000")


def test_an_analysis_tests_its_run_against_the_other(runs, tmp_path):
    succeed("analyze", runs["lora-east"], "--against", runs["frozen-east"], "--only", "contribution", "-o",
            tmp_path / "analysis")
    comparison = json.loads((tmp_path / "analysis" / "summary.json").read_text())["about"]["comparison"]
    assert comparison["folds"] == 2 and comparison["speakers"] == 4
    folds = [[fold["war"] for fold in metrics_of(runs[name])["folds"]] for name in ("lora-east", "frozen-east")]
    war = comparison["war"]
    assert war["estimand"] == "pooled" and war["difference"] == pytest.approx(pooled_difference(runs, "war"))
    assert war["fold_mean"] == pytest.approx(numpy.mean(numpy.subtract(*folds))) and 0 <= war["p_folds"] <= 1
    if war["low"] is None:
        assert war["p"] is None and war["reason"]
    else:
        assert war["low"] <= war["difference"] <= war["high"] and 0 < war["p"] <= 1 and war["detectable"] > 0
    page = (tmp_path / "analysis" / "report.html").read_text()
    assert '<h3>Differences</h3>' in page and "lora-east − frozen-east" in page


def test_an_evaluation_compares_runs_of_the_same_clips(runs, corpora, tmp_path):
    copy = shutil.copytree(runs["lora-east"], tmp_path / "copy")
    folders = [runs["lora-east"], "--against", runs["frozen-east"], "--against", copy]
    text = succeed("evaluate", *folders, "-o", tmp_path / "out")
    assert f"difference from {runs['frozen-east']}" in text and f"UAR       {pooled_difference(runs, 'uar'):+.3f}" in text
    other, itself = metrics_of(tmp_path / "out")["comparisons"]
    assert other["against"] == str(runs["frozen-east"].resolve())
    assert other["uar"]["difference"] == pytest.approx(pooled_difference(runs, "uar"))
    assert itself["uar"]["difference"] == 0
    p = [comparison["war"]["p"] for comparison in (other, itself) if comparison["war"]["p"] is not None]
    if len(p) == 2:  # Holm: the smaller p counts twice
        assert other["war"]["p_adjusted"] == pytest.approx(min(1, max(2 * min(p), other["war"]["p"])))
    succeed("evaluate", tmp_path / "out", "--json")
    expect_error(run("evaluate", runs["lora-east"], "--against", runs["lora-west"]), 1, "--against",
                 "its classes, folds, test clips and number of trainings must be those of")
    expect_error(run("evaluate", runs["lora-east"], "--against", runs["frozen-east"], "--corpus", corpora[1]), 2, "--against",
                 "evaluate both on the corpus")


def test_a_run_has_a_page_of_its_own(runs, open_page, tmp_path):
    page = tmp_path / "page.html"
    succeed("report", runs["lora-east"], "-o", page)
    opened = open_page(page)
    assert opened.locator('.plot[data-figure="reliability"] .mark-line path').count() == 2  # the curve and the diagonal
    text = opened.locator("#scores").inner_text()
    assert "By gender" in text and "calibration error" in text


def test_metrics_of_before_still_open(runs, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    metrics = metrics_of(runs["lora-east"])
    for key in ("calibration", "groups", "recall_intervals", "trained_on", "tested_on", "predictions"):
        del metrics[key]
    for fold in metrics["folds"]:
        del fold["trained_on"], fold["tested_on"]
    (old / "metrics.json").write_text(json.dumps(metrics))
    succeed("report", old, "-o", tmp_path / "alone.html")
    succeed("report", old, runs["frozen-east"], runs["lora-east-on-west"], "-o", tmp_path / "both.html")
    assert "across-corpora" in (tmp_path / "both.html").read_text()
