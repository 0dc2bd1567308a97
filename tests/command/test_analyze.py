"""Command tests of loralens analyze and of its report."""
import json

import numpy
import pytest

from support import expect_error, expect_no_trace, files_of, run, slow, succeed, table_of

COLUMNS = ("analysis,protocol,model,variant,fold,seed,step,layer,module,component,metric,class,value,low,high,n,"
           "estimand,p,p_adjusted,null_low,null_high,null_draws").split(",")
ANALYSES = ["contribution", "logit-lens", "erasure", "ablation", "patching", "difference-lens", "probes",
            "spectrum", "alignment", "gradients", "embedding", "dynamics"]
CHEAP = ["--only", "contribution,logit-lens", "--threads", 1]


def rows(folder, analysis, **where):
    table = table_of(folder / "tables" / f"{analysis}.csv")
    return [row for row in table if all(row[column] == value for column, value in where.items())]


@pytest.fixture(scope="module")
def some(corpus, tmp_path_factory):
    """A file for --clips with half of the clips: those of the first sentence."""
    paths = [row["path"] for row in table_of(corpus) if row["text"] == table_of(corpus)[0]["text"]]
    path = tmp_path_factory.mktemp("lists") / "some.txt"
    path.write_text("\n".join(paths) + "\n")
    return path


@pytest.fixture(scope="module")
def strict(trained, tmp_path_factory):
    """The folder of all analyses of a run of two folds."""
    folder = tmp_path_factory.mktemp("strict") / "analysis"
    succeed("analyze", trained, "--threads", 1, "-o", folder)
    return folder


@slow
def test_all_analyses_leave_tables_figures_and_a_page(strict):
    files = files_of(strict)
    assert {f"tables/{name}.csv" for name in ANALYSES} <= set(files)
    assert {"summary.json", "report.html", "clips.txt"} <= set(files)
    for name in ANALYSES:
        table = table_of(strict / "tables" / f"{name}.csv")
        assert table and list(table[0]) == COLUMNS
        for row in table:
            assert row["analysis"] == name and row["protocol"] == "strict" and row["seed"] == "42"
            assert numpy.isfinite(float(row["value"]))
            assert not row["low"] or float(row["low"]) <= float(row["high"])
    assert len(files["report.html"]) < 3_000_000
    for name in files:
        if name.startswith("figures/"):
            assert json.loads(files[name])["$schema"].startswith("https://vega.github.io/schema/vega-lite/")


@slow
def test_one_run_has_no_interval_of_its_weights_and_a_note_says_why(strict):
    weights = [row for row in rows(strict, "spectrum", fold="") if row["component"] == "delta-weight"]
    assert weights and {(row["estimand"], row["low"]) for row in weights} == {("fold-mean", "")}
    notes = {a["name"]: a["notes"] for a in json.loads((strict / "summary.json").read_text())["analyses"]}
    assert sum("one run does not show the variation between runs" in note for note in notes["spectrum"]) == 1
    drops = [row for row in rows(strict, "erasure", fold="") if row["metric"] == "score"]
    assert {row["low"] for row in drops} == {""}
    assert sum("few clips whose answer changes" in note for note in notes["erasure"]) == 1


@slow
def test_a_run_of_two_folds_has_rows_of_both_and_of_all(strict, corpus):
    assert {row["fold"] for row in rows(strict, "contribution")} == {"", "0", "1"}
    pooled = rows(strict, "contribution", fold="", model="adapted")
    assert {row["n"] for row in pooled} == {str(len(table_of(corpus)))}
    assert {row["estimand"] for row in pooled} == {"pooled"}
    assert {row["estimand"] for row in rows(strict, "contribution") if row["fold"]} == {""}
    assert (strict / "clips.txt").read_text().count("\n") == len(table_of(corpus))


@slow
def test_the_last_layer_of_the_lens_is_the_model(strict, trained):
    accuracy = rows(strict, "logit-lens", fold="", model="adapted", variant="", metric="accuracy", layer="3")
    scores = json.loads((trained / "metrics.json").read_text())
    right = sum(scores["confusion"][i][i] for i in range(4)) / sum(map(sum, scores["confusion"]))
    assert float(accuracy[0]["value"]) == pytest.approx(right, abs=1 / 32)  # bf16, fp32: one clip may differ


@slow
def test_paper_names_what_the_contract_names(trained, some, tmp_path):
    folder = tmp_path / "paper"
    analyses = "contribution,logit-lens,erasure,spectrum,alignment"
    few = tmp_path / "few.txt"
    few.write_text("\n".join(some.read_text().splitlines()[:5]))
    succeed("analyze", trained, "--protocol", "paper", "--only", analyses, "--clips", few, "--gradient-clips", few,
            "--threads", 1, "-o", folder)
    assert (folder / "clips.txt").read_text() == few.read_text() + "\n"
    words = {analysis: {(row["component"], row["metric"]) for row in rows(folder, analysis, variant="")}
             for analysis in analyses.split(",")}
    kinds = ["attention", "mlp", "layer"]
    assert words["contribution"] == {(c, m) for c in kinds for m in ("relative_norm", "cosine")}
    assert {m for _, m in words["logit-lens"]} >= {"kl", "overlap", "logit"}
    assert words["erasure"] >= {("layer", m) for m in ("accuracy_drop", "loss_increase", "confidence_drop", "score")}
    assert words["erasure"] >= {("first-k", m) for m in ("accuracy", "loss", "confidence")}
    measures = ("sv90", "effective_rank", "stable_rank", "participation_ratio")
    assert words["spectrum"] == {(c, m) for c in ("A", "B", "A-gradient", "B-gradient") for m in measures}
    assert not words.pop("alignment")  # the published CKA flattens clips, so it needs padded input
    for analysis in words:
        assert {row["fold"] for row in rows(folder, analysis)} == {"0"}
        assert {row["low"] for row in rows(folder, analysis)} == {""}


def test_a_list_says_which_clips(trained, some, tmp_path):
    folder = tmp_path / "listed"
    succeed("analyze", trained, *CHEAP, "--clips", some, "-o", folder)
    assert (folder / "clips.txt").read_text() == some.read_text()
    assert {row["n"] for row in rows(folder, "contribution", fold="")} == {"16"}


def test_reference_clips_are_audio_files_of_a_list(trained, corpus, some, tmp_path):
    """The difference lens adds the mean difference of these files, not that of training clips."""
    names = tmp_path / "names.txt"
    names.write_text("\n".join(row["path"] for row in table_of(corpus)[:3]) + "\n")
    arguments = ["analyze", trained / "fold-00", "--threads", 1, "--clips", some, "--only"]
    result = run(*arguments, "difference-lens", "--reference-clips", names, "-o", tmp_path / "none")
    expect_error(result, 1, "names.txt, line 1: there is no file")
    expect_no_trace(tmp_path / "none")
    listed = tmp_path / "reference.txt"
    listed.write_text("".join(f"{corpus.parent / name}\n" for name in names.read_text().splitlines()))
    succeed(*arguments, "difference-lens", "--reference-clips", listed, "-o", tmp_path / "lens")
    shares = rows(tmp_path / "lens", "difference-lens", component="delta", metric="constant_share")
    numbers = {row["variant"]: int(row["n"]) for row in shares}
    assert set(numbers) == {"reference", "training", "test"} and numbers["reference"] == 3
    assert numbers["test"] == len((tmp_path / "lens" / "clips.txt").read_text().split())
    assert {row["variant"] for row in rows(tmp_path / "lens", "difference-lens", component="steered")} == {"reference"}
    assert set((tmp_path / "lens" / "clips.txt").read_text().split()) <= set(some.read_text().split())
    result = run(*arguments, "contribution", "--reference-clips", listed, "-o", tmp_path / "other")
    assert result.returncode == 0 and "without effect: --reference-clips" in result.stderr


def test_steering_is_made_only_by_name(trained, some, tmp_path):
    few = tmp_path / "few.txt"
    few.write_text("\n".join(some.read_text().splitlines()[:6]))
    succeed("analyze", trained, "--threads", 1, "--clips", few, "--only", "steering", "-o", tmp_path / "steering")
    found = rows(tmp_path / "steering", "steering", component="one-other", variant="dose-1", fold="")
    assert {(row["model"], row["layer"]) for row in found} == {(m, str(l)) for m in ("adapted", "frozen") for l in range(4)}
    assert {row["null_draws"] for row in found} == {"199"} and all(0 < float(row["p"]) <= 1 for row in found)


def test_neurons_are_made_only_by_name(trained, some, tmp_path):
    few = tmp_path / "few.txt"
    few.write_text("\n".join(some.read_text().splitlines()[:4]))
    succeed("analyze", trained, "--threads", 1, "--clips", few, "--only", "neurons", "-o", tmp_path / "neurons")
    found = rows(tmp_path / "neurons", "neurons", component="own-one-other", variant="silenced", fold="")
    assert {row["model"] for row in found} == {"adapted", "frozen"}
    assert {row["null_draws"] for row in found} == {"199"} and all(0 < float(row["p"]) <= 1 for row in found)


def test_states_are_exchanged_only_by_name(trained, tmp_path):
    folder = tmp_path / "exchanged"
    succeed("analyze", trained, "--threads", 1, "--only", "interchange", "-o", folder)
    found = rows(folder, "interchange", metric="follows", fold="")
    models = {(row["model"], row["variant"]) for row in found}
    assert models and models <= {("adapted", ""), ("adapted", "head-refitted"), ("frozen", "head-refitted")}
    for key in models:
        layers = [row for row in found if (row["model"], row["variant"]) == key and row["component"] == "subspace"]
        assert [row["layer"] for row in layers] == ["0", "1", "2", "3"]
        assert all(0 <= float(row["value"]) <= 1 and 0 < int(row["n"]) <= 32 for row in layers)
    with numpy.load(folder / "arrays" / "interchange.npz") as arrays:
        for name in arrays:
            basis = arrays[name]
            assert numpy.allclose(basis.T @ basis, numpy.eye(basis.shape[1]), atol=1e-6), name


def test_depth_is_made_only_by_name(trained, some, tmp_path):
    succeed("analyze", trained / "fold-00", "--threads", 1, "--clips", some, "--only", "depth", "-o", tmp_path / "depth")
    found = rows(tmp_path / "depth", "depth", component="centroid", metric="log_probability")
    assert len(found) == 1 and found[0]["null_draws"] == "19"
    assert float(found[0]["null_low"]) < float(found[0]["null_high"])


def test_concepts_are_erased_only_by_name(trained, some, tmp_path):
    few = tmp_path / "few.txt"
    few.write_text("\n".join(some.read_text().splitlines()[::4]))
    folder = tmp_path / "erased"
    succeed("analyze", trained, "--threads", 1, "--clips", few, "--only", "erasure-of-concepts", "-o", folder)
    found = rows(folder, "erasure-of-concepts", fold="", metric="log_probability")
    changed = {row["component"] for row in found if row["variant"] == "change"}
    assert changed == {"emotion", "text"}  # the training part of each fold is one speaker's
    for row in found:
        assert numpy.isfinite(float(row["value"]))
    notes = json.loads((folder / "summary.json").read_text())["analyses"][0]["notes"]
    assert sum("gender is not erased" in note for note in notes) == 2


def expect_paths_and_shares(folder, layers):
    """The tables of `paths` and `attribution`, by their sum rules."""
    effects = {(row["layer"], row["component"]): float(row["value"])
               for row in rows(folder, "paths", metric="effect", variant="", fold="")}
    assert {layer for layer, component in effects if component == "total"} == layers
    for layer in layers:
        assert effects[layer, "direct"] + effects[layer, "relayed"] == pytest.approx(effects[layer, "total"], abs=1e-9)
    for model in ("adapted", "frozen", "adapted-frozen"):
        shares = {(row["layer"], row["component"]): float(row["value"])
                  for row in rows(folder, "attribution", model=model, metric="logit", variant="", fold="")}
        parts = sum(shares[str(layer), part] for layer in range(4) for part in ("attention", "mlp"))
        whole = parts + shares["-1", "embedding"] + shares["", "bias"]
        assert whole == pytest.approx(shares["", "none"], abs=1e-9), model


def test_paths_and_attribution_are_made_only_by_name(trained, some, tmp_path):
    folder = tmp_path / "found"
    succeed("analyze", trained, "--threads", 1, "--clips", some, "--only", "paths,attribution", "-o", folder)
    expect_paths_and_shares(folder, {"2", "3"})
    reading = [analysis["reading"][0] for analysis in json.loads((folder / "summary.json").read_text())["analyses"]]
    assert "straight to the head" in reading[0] and "what attention adds" in reading[1]


def test_one_fold_of_a_run_is_tested_on_its_own_clips(trained, tmp_path):
    folder = tmp_path / "fold"
    succeed("analyze", trained / "fold-01", *CHEAP, "-o", folder)
    tested = {row["id"] for row in table_of(trained / "predictions.csv") if row["fold"] == "1"}
    assert set((folder / "clips.txt").read_text().splitlines()) == tested


def test_a_bare_adapter_is_tested_on_the_table_it_is_given(adapter, corpus, model, some, tmp_path):
    arguments = ["analyze", adapter, *CHEAP, "--model", model, "--classes", "anger,happiness,neutral,sadness"]
    expect_error(run(*arguments, "-q", "-o", tmp_path / "none"), 1, "--corpus")
    expect_no_trace(tmp_path / "none")
    folder = tmp_path / "bare"
    succeed(*arguments, "--corpus", corpus, "--clips", some, "-o", folder)
    assert {row["n"] for row in rows(folder, "contribution")} == {"16"}


def test_same_seed_same_tables(trained, some, tmp_path):
    for name in "ab":
        succeed("analyze", trained, *CHEAP, "--clips", some, "-o", tmp_path / name)
    assert files_of(tmp_path / "a" / "tables") == files_of(tmp_path / "b" / "tables")


def test_a_frozen_run_has_no_adapter_to_look_at_and_the_rest_goes_on(quick, corpus, some, tmp_path):
    frozen = tmp_path / "frozen"
    succeed("train", *quick, "--corpus", corpus, "--method", "frozen", "-o", frozen)
    folder = tmp_path / "analysis"
    result = run("analyze", frozen, "--only", "contribution,spectrum", "--clips", some, "--threads", 1, "-o", folder)
    assert result.returncode == 0, result.stderr
    assert "spectrum: " in result.stderr
    assert rows(folder, "contribution") and not rows(folder, "spectrum", component="A")
    assert {float(row["value"]) for row in rows(folder, "contribution", model="adapted-frozen")} == {0}


def test_bottlenecks_train_predict_and_have_no_update_of_a_weight(quick, corpus, some, tmp_path):
    run_folder, folder = tmp_path / "run", tmp_path / "analysis"
    succeed("train", *quick, "--corpus", corpus, "--method", "houlsby", "--reduction", 32, "--layers", "2-3", "-o", run_folder)
    config = (run_folder / "config.toml").read_text()
    assert "reduction = 32\n" in config and "layers = '2-3'\n" in config and "rank" not in config and "targets" not in config
    saved = json.loads((run_folder / "fold-00" / "config.json").read_text())["loralens"]
    assert saved["method"] == "houlsby" and saved["adapter"] == {"layers": [2, 3], "reduction": 32}
    clip = corpus.parent / table_of(corpus)[0]["path"]
    assert json.loads(succeed("predict", run_folder, clip))["label"]
    result = run("analyze", run_folder, "--only", "contribution,spectrum,alignment,gradients", "--clips", some, "--threads", 1,
                 "-o", folder)
    assert result.returncode == 0, result.stderr
    for analysis in ("spectrum", "alignment", "gradients"):
        assert f"{analysis}: The model has adapters that change activations (attention_out, mlp_out)" in result.stderr
    changed = {int(row["layer"]) for row in rows(folder, "contribution", model="adapted-frozen") if float(row["value"]) != 0}
    assert changed == {2, 3}
    assert not rows(folder, "spectrum")
    succeed("analyze", run_folder, "--only", "paths,attribution", "--clips", some, "--threads", 1, "-o", tmp_path / "causes")
    expect_paths_and_shares(tmp_path / "causes", {"2", "3"})


def test_nothing_is_overwritten_unasked(trained, some, tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    expect_error(run("-q", "analyze", trained, *CHEAP, "--clips", some, "-o", folder), 1, "taken", "--force")
    assert list(files_of(folder)) == ["mine.txt"]


@pytest.mark.parametrize("arguments, status, words", [
    (["--only", "contribution,lens"], 2, ["--only", "logit-lens"]),
    (["--protocol", "loose"], 2, ["loose"]),
    (["--clips", "absent.txt"], 2, ["absent.txt"]),
    (["--against", "absent"], 1, ["absent"]),
    (["--untrained", "absent"], 1, ["absent"]),
    (["--corpus", "absent.csv"], 1, ["absent.csv"]),
])
def test_what_cannot_be_is_said_in_one_line(trained, tmp_path, arguments, status, words):
    expect_error(run("-q", "analyze", trained, *arguments, "-o", tmp_path / "out"), status, *words)
    expect_no_trace(tmp_path / "out")


def test_a_list_that_names_no_clip_of_the_table(trained, tmp_path):
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("no/such.wav\n")
    expect_error(run("-q", "analyze", trained, "--clips", wrong, "-o", tmp_path / "out"), 1, "line 1", "no/such.wav")
    expect_no_trace(tmp_path / "out")


def test_runs_of_other_seeds_are_averaged(trained, quick, corpus, tmp_path):
    folds = quick.index("--folds")
    flags = [*quick[:folds], *quick[folds + 2:], "--corpus", corpus, "--seed", 7]
    succeed("train", *flags, "--folds", f"file:{trained / 'folds.csv'}", "-o", tmp_path / "seed-7")
    succeed("analyze", trained, tmp_path / "seed-7", "--only", "contribution,alignment", "--threads", 1, "-o", tmp_path / "both")
    clips = len(table_of(corpus))
    single = [row for row in rows(tmp_path / "both", "contribution", model="adapted", metric="relative_norm") if row["fold"]]
    assert {(row["fold"], row["seed"]) for row in single} == {("0", "42"), ("1", "42"), ("0", "7"), ("1", "7")}
    pooled = rows(tmp_path / "both", "contribution", fold="", model="adapted", metric="relative_norm")
    assert pooled and all(row["n"] == str(2 * clips) for row in pooled)
    for row in pooled:
        of_layer = [one for one in single if all(one[c] == row[c] for c in ("variant", "layer", "module", "component", "class"))]
        mean = sum(float(one["value"]) * int(one["n"]) for one in of_layer) / (2 * clips)
        assert float(row["value"]) == pytest.approx(mean, rel=1e-6)
    assert {row["n"] for row in rows(tmp_path / "both", "alignment", fold="", variant="")} == {"2"}  # two folds

    succeed("train", *flags, "--folds", "speaker:4", "-o", tmp_path / "other")
    result = run("analyze", trained, tmp_path / "other", *CHEAP, "-o", tmp_path / "none")
    expect_error(result, 1, tmp_path / "other", "other clips", "--folds file:")
    expect_no_trace(tmp_path / "none")
