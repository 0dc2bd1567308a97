"""Command tests of `loralens report`: the page of an analysis, opened in a browser.

The analyses are synthetic: the unit tests write them (src/report/test_findings.h).
"""
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest

from support import PROGRAM, expect_error, run, succeed, table_of


@pytest.fixture(scope="session")
def analyses(tmp_path_factory):
    """The parent of two analysis folders, run-1 and run-2, as `analyze` writes them."""
    unit_tests = Path(PROGRAM).parent / "tests" / "unit_tests"
    if not unit_tests.is_file():
        pytest.skip("the unit tests, which write the analyses, are not built")
    folder = tmp_path_factory.mktemp("analyses")
    subprocess.run([unit_tests, "--gtest_filter=Page.HoldsAllThatWasFound"], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"LORALENS_REPORT_FOLDER": str(folder), "OMP_NUM_THREADS": "1"})
    return folder


@pytest.fixture
def analysis(analyses, tmp_path):
    """A copy of an analysis folder that the test may change."""
    return Path(shutil.copytree(analyses / "run-1", tmp_path / "analysis"))


def test_the_page_is_made_again_from_the_folder(analysis):
    page = (analysis / "report.html").read_bytes()
    (analysis / "report.html").unlink()
    assert succeed("report", analysis).strip() == str(analysis / "report.html")
    assert (analysis / "report.html").read_bytes() == page


def test_tables_are_tidy(analysis):
    rows = table_of(analysis / "tables/logit-lens.csv")
    assert ",".join(rows[0]) == ("analysis,protocol,model,variant,fold,seed,step,layer,module,component,metric,class,"
                                 "value,low,high,n,estimand,p,p_adjusted,null_low,null_high,null_draws")
    assert {row["analysis"] for row in rows} == {"logit-lens"}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    assert {row["low"] for row in table_of(analysis / "tables/alignment.csv")} == {""}


def test_numpy_reads_the_arrays(analysis):
    arrays = numpy.load(analysis / "arrays/logit-lens.npz")
    assert sorted(arrays) == ["adapted/logits", "counts"]
    numpy.testing.assert_array_equal(arrays["adapted/logits"], numpy.arange(24, dtype=numpy.float32).reshape(6, 4))
    numpy.testing.assert_array_equal(arrays["counts"], numpy.arange(3))
    assert arrays["adapted/logits"].dtype == numpy.float32 and arrays["counts"].dtype == numpy.int64
    assert not (analysis / "arrays/contribution.npz").exists()


def test_another_page_is_not_overwritten(analysis, tmp_path):
    page = tmp_path / "page.html"
    succeed("report", analysis, "-o", page)
    assert '<a href="analysis/tables/logit-lens.csv">' in page.read_text()
    expect_error(run("report", analysis, "-o", page), 1, page, "--force")
    succeed("report", analysis, "-o", page, "--force")


def test_errors_say_what_to_do(analyses, analysis, tmp_path):
    expect_error(run("report", tmp_path / "nothing"), 1, tmp_path / "nothing", "loralens analyze")
    expect_error(run("report", analyses / "run-1", analyses / "run-2"), 2, "-o")
    expect_error(run("report", analysis, analysis, "-o", tmp_path / "c.html"), 1, analysis, "given twice")
    expect_error(run("report", analysis, "-o", tmp_path), 1, tmp_path, "is a folder")
    (analysis / "summary.json").write_text("{}")
    expect_error(run("report", analysis), 1, analysis, "analyse again")
    (analysis / "summary.json").write_text("no JSON")
    expect_error(run("report", analysis), 1, "summary.json", "no valid JSON")


# In a browser


def figure(page, name):
    """The place of a figure, which is chosen if it is one of several."""
    place = page.locator(f'.plot[data-figure="{name}"]')
    place.evaluate("""async place => {
      const figure = place.closest("figure"), choice = figure.parentElement.querySelector(":scope > select");
      if (!figure.hidden) return;
      choice.selectedIndex = [...figure.parentElement.querySelectorAll(":scope > figure")].indexOf(figure);
      choice.dispatchEvent(new Event("change"));
      await window.drawn;
    }""")
    return place


def middle(page, locator):
    """Scrolls to an element and returns its centre, for the mouse: the svg receives events, marks do not."""
    locator.evaluate("element => element.scrollIntoView({block: 'center', behavior: 'instant'})")
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def toggle(page, name, entry):
    """Clicks an entry of a figure's legend."""
    text = figure(page, name).locator(".role-legend-label text").get_by_text(entry, exact=True)
    page.mouse.click(*middle(page, text))
    page.wait_for_timeout(200)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_is_drawn_and_fits(analyses, open_page, scheme, width):
    page = open_page(analyses / "run-1/report.html", color_scheme=scheme, viewport={"width": width, "height": 800})
    names = page.locator(".plot[data-figure]").evaluate_all("places => places.map(place => place.dataset.figure)")
    assert len(names) == 7  # six of the analyses, one of them shown with the answer too
    for name in names:
        figure(page, name)
    plots = page.locator(".plot.drawn")
    assert plots.count() == 7 + 2  # with the two of the clip
    page.evaluate("for (const figure of document.querySelectorAll('figure')) figure.hidden = false")
    for i in range(plots.count()):
        assert plots.nth(i).locator("svg.marks path").count() > 3
        assert plots.nth(i).locator("svg.marks").bounding_box()["width"] <= plots.nth(i).bounding_box()["width"] + 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_folded_page_answers_on_its_first_screen(analyses, open_page):
    page = open_page(analyses / "run-1/report.html", folded=True, viewport={"width": 1400, "height": 900})
    for question in ("Did it help?", "In which layers?", "Where is the emotion read?", "How sure?"):
        box = page.get_by_text(question, exact=True).bounding_box()
        assert box and box["y"] + box["height"] < 900
    assert page.evaluate("document.documentElement.scrollHeight") < 3 * 900
    assert not page.locator("#contribution").is_visible()
    page.locator(".side a[href='#contribution']").click()
    page.locator("#contribution").wait_for(state="visible", timeout=3000)
    page.wait_for_timeout(50)
    page.evaluate("window.drawn")
    assert figure(page, "contribution-relative-norm").locator("svg.marks path").count() > 3


def test_figures_of_an_analysis_are_shown_one_at_a_time(analyses, open_page):
    page = open_page(analyses / "run-1/report.html")
    choice = page.locator("#logit-lens .figures select")
    assert choice.locator("option").count() == 3
    shown = page.locator("#logit-lens figure:visible")
    assert shown.count() == 1
    choice.select_option(index=2)
    page.evaluate("window.drawn")
    assert shown.locator(".plot").get_attribute("data-figure") == "logit-lens-recall"


def test_hovering_shows_the_value_its_interval_and_n(analyses, open_page):
    page = open_page(analyses / "run-1/report.html")
    rows = table_of(analyses / "run-1/tables/logit-lens.csv")
    row = next(r for r in rows if (r["model"], r["variant"], r["layer"], r["metric"]) == ("adapted", "", "3", "accuracy"))
    marks = figure(page, "logit-lens-plain").locator(".mark-symbol.role-mark.layer_2_marks path")
    point = marks.nth(7 + 4)  # the frozen model is drawn first
    page.mouse.move(*middle(page, point))
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for(timeout=3000)
    cells = dict(zip(tooltip.locator("td.key").all_inner_texts(), tooltip.locator("td.value").all_inner_texts()))
    shown = {key.rstrip(":"): value for key, value in cells.items()}
    assert shown["model"] == "adapted" and shown["n"] == "120"
    assert float(shown["value"]) == pytest.approx(float(row["value"]), rel=1e-3)
    low, high = shown["95 % interval"].split(" to ")
    assert float(low) == pytest.approx(float(row["low"]), rel=1e-3)
    assert float(high) == pytest.approx(float(row["high"]), rel=1e-3)


def test_a_legend_entry_hides_its_curve(analyses, open_page):
    page = open_page(analyses / "run-1/report.html")
    curves = figure(page, "logit-lens-plain").locator(".mark-line path")
    assert curves.count() == 2
    toggle(page, "logit-lens-plain", "frozen")
    assert curves.count() == 1
    toggle(page, "logit-lens-plain", "frozen")
    assert curves.count() == 2
    bands = figure(page, "contribution-relative-norm").locator(".mark-area path")
    assert bands.count() == 9
    toggle(page, "contribution-relative-norm", "adapted")
    assert bands.count() == 6


def test_points_change_their_colour_from_label_to_speaker(analyses, open_page):
    page = open_page(analyses / "run-1/report.html")
    plot = figure(page, "embedding-tsne")
    labels = plot.locator(".role-legend-label text")
    assert labels.all_text_contents() == ["anger", "happiness", "neutral", "sadness"]
    faint = plot.locator('.mark-symbol path[opacity="0.06"]')
    toggle(page, "embedding-tsne", "anger")
    assert faint.count() == 180  # of 2 x 120 points a quarter stays visible
    plot.locator("input[value=speaker]").check()
    page.wait_for_timeout(200)
    assert labels.all_text_contents() == [f"{i:02}" for i in range(10)]
    assert faint.count() == 0


def test_a_clip_is_shown_when_it_is_chosen(analyses, open_page):
    page = open_page(analyses / "run-1/report.html")
    summary = json.loads((analyses / "run-1/summary.json").read_text())
    clip = summary["explorer"]["clips"][1]
    page.locator("button[data-clip='1']").click()
    page.wait_for_timeout(500)
    panel = page.locator(".clip")
    assert clip["id"] in panel.inner_text() and f"taken for {clip['predicted']}" in panel.inner_text()
    assert panel.locator("audio").get_attribute("src") == Path(clip["path"]).as_uri()
    assert panel.locator(".plot").count() == 2
    assert panel.locator(".mark-line path").count() == 8  # four classes, adapter on and off


def test_the_theme_can_be_switched(analyses, open_page):
    page = open_page(analyses / "run-1/report.html", color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    text = "getComputedStyle(document.querySelector('.plot svg .role-axis-title text')).fill"
    light = page.evaluate(paper), page.evaluate(text)
    page.locator("button.theme").click()
    dark = page.evaluate(paper), page.evaluate(text)
    assert light[0] != dark[0] and light[1] != dark[1]
    page.reload()
    page.evaluate("window.drawn")
    assert (page.evaluate(paper), page.evaluate(text)) == dark


def test_a_saved_figure_is_black_on_white(analyses, open_page):
    page = open_page(analyses / "run-1/report.html", color_scheme="dark")
    place = figure(page, "logit-lens-plain")
    middle(page, place)
    place.locator("summary").click()
    with page.expect_download() as download:
        place.get_by_text("Save as SVG").click()
    assert download.value.suggested_filename == "logit-lens-plain.svg"
    svg = Path(download.value.path()).read_text()
    assert 'fill="white"' in svg and "adapted" in svg


def test_runs_are_compared_on_one_page(analyses, open_page, tmp_path):
    out = tmp_path / "comparison.html"
    assert succeed("report", analyses / "run-1", analyses / "run-2", "-o", out).strip() == str(out)
    page = open_page(out)
    assert page.locator("tbody th a").all_inner_texts() == ["run-1", "run-2"]
    assert "0.861" in page.locator("#runs").inner_text()
    plot = figure(page, "logit-lens-plain")
    assert plot.locator(".role-legend-label text").all_text_contents() == ["run-1", "run-2"]
    assert plot.locator(".mark-line path").count() == 4  # two panels, adapted and frozen
    assert page.locator(".plot").count() == 4
