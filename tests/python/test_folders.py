"""Folders as objects: runs and analyses hold what their files hold."""
import csv
import json
import shutil

import numpy
import pandas
import pytest

import loralens


@pytest.fixture(scope="module")
def analysis(run, tmp_path_factory):
    return loralens.analyze(run, only=["contribution", "logit-lens", "spectrum"], threads=1,
                            output=tmp_path_factory.mktemp("analysed") / "analysis")


def same_cells(frame, path):
    """Asserts that a table has the cells of a file: equal numbers, equal text, missing where a cell is empty."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(frame) == len(rows) > 0 and list(frame.columns) == list(rows[0])
    for name in frame.columns:
        for found, cell in zip(frame[name], (row[name] for row in rows)):
            if cell == "":
                assert pandas.isna(found)
            else:
                assert found == cell or float(found) == float(cell), (name, found, cell)


def test_a_run_holds_its_files(run):
    assert run.metrics == json.loads((run.folder / "metrics.json").read_text())
    same_cells(run.predictions, run.folder / "predictions.csv")
    same_cells(run.folds, run.folder / "folds.csv")
    assert list(run.models) == ["fold-00", "fold-01"]
    assert run.history.model.tolist() == ["fold-00", "fold-01"] and run.history.loss.notna().all()
    right = run.predictions.label == run.predictions.predicted
    assert run.metrics["uar"]["pooled"] == pytest.approx(right.groupby(run.predictions.label).mean().mean())
    assert "2 models" in repr(run)


def test_an_analysis_holds_its_files(analysis):
    assert list(analysis) == ["contribution", "logit-lens", "spectrum"] and len(analysis) == 3
    for name, findings in analysis.items():
        same_cells(findings.table, analysis.folder / f"tables/{name}.csv")
        assert findings.figures and findings.reading
        for figure in findings.figures:
            spec = json.loads((analysis.folder / f"figures/{figure}.vl.json").read_text())
            assert findings.figure(figure).to_dict() == spec == analysis.figure(figure).spec
    arrays = analysis["spectrum"].arrays
    assert arrays and all(isinstance(array, numpy.ndarray) for array in arrays.values())
    same_cells(analysis.claims, analysis.folder / "claims.csv")
    assert analysis.page.exists() and analysis.summary["about"]["protocol"] == "strict"


def test_notebooks_draw_figures_and_altair_reads_them(analysis):
    altair = pytest.importorskip("altair")
    figure = analysis["logit-lens"].figure(analysis["logit-lens"].figures[0])
    bundle = figure._repr_mimebundle_()
    version = altair.SCHEMA_VERSION.lstrip("v").split(".")[0]
    assert bundle[f"application/vnd.vegalite.v{version}+json"] == figure.spec
    assert bundle["image/svg+xml"].startswith("<svg") and bundle["image/svg+xml"] == figure.svg()
    assert figure.altair().to_dict()["$schema"] == figure.spec["$schema"]


def test_other_folders_and_names_are_errors(run, analysis, tmp_path):
    with pytest.raises(loralens.Error, match="has no metrics.json: give a folder that train or evaluate wrote"):
        loralens.Run(tmp_path)
    with pytest.raises(loralens.Error, match="has no summary.json"):
        loralens.Analysis(run.folder)
    with pytest.raises(loralens.Error, match="it has contribution, logit-lens, spectrum"):
        analysis["erasure"]
    with pytest.raises(loralens.Error, match="has no figure 'x': its figures are "):
        analysis.figure("x")
    with pytest.raises(loralens.Error, match="its models are fold-00, fold-01"):
        run.load("fold-02")
    copy = shutil.copytree(run.folder, tmp_path / "copy")
    (copy / "metrics.json").write_text("{")
    with pytest.raises(loralens.Error, match="metrics.json"):
        loralens.Run(copy).metrics
