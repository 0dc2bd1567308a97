"""Shared fixtures of the command tests: a small synthetic corpus, runs trained on it, and a browser."""
import shutil
from pathlib import Path

import pytest

from support import MODEL, PROGRAM, run, succeed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session", autouse=True)
def program():
    assert PROGRAM, "the environment variable LORALENS must name the program to test"


@pytest.fixture(scope="session")
def model():
    """The name of a model with real weights, for --model; skips the test if the weights are missing."""
    if run("fetch", MODEL).returncode != 0:
        pytest.skip(f"the weights of Whisper {MODEL} are not on this machine")
    return MODEL


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The path of clips.csv of a synthetic corpus: 4 speakers x 4 classes x 2 sentences."""
    folder = tmp_path_factory.mktemp("corpus") / "synthetic"
    succeed("synth", "-o", folder, "--voices", 4, "--sentences", 2)
    return folder / "clips.csv"


@pytest.fixture(scope="session")
def quick(model):
    """Training flags, without a corpus, for a run of a few seconds."""
    return ["--model", model, "--folds", "speaker:2", "--epochs", 2, "--head-epochs", 2, "--threads", 1]


@pytest.fixture(scope="session")
def flags(quick, corpus):
    return [*quick, "--corpus", corpus]


@pytest.fixture(scope="session")
def trained(flags, tmp_path_factory):
    """A LoRA run of two folds, without final/."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    succeed("train", *flags, "-o", folder)
    return folder


@pytest.fixture
def adapter(trained, tmp_path):
    """A bare PEFT folder, as Python saves it, in a copy that the test may change."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(trained / "fold-00" / name, folder)
    return folder


@pytest.fixture(scope="session")
def clips(corpus):
    """The sorted paths of all audio files of the corpus."""
    return sorted(corpus.parent.rglob("*.wav"))


@pytest.fixture(scope="session")
def browser():
    """Chromium, driven by playwright; if one of them is missing, the tests that use it are skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a page with all its chapters and waits until it is drawn. Console messages, errors and network requests
    fail the test. folded: the chapters stay folded."""
    complaints, pages = [], []

    def open_page(path, folded=False, **options):
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}} | options)
        pages.append(page)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or request.url.startswith("data:") or
                complaints.append(request.url))
        page.goto(Path(path).as_uri())
        page.evaluate("window.drawn")
        if not folded:
            page.evaluate("for (const chapter of document.querySelectorAll('details.chapter')) chapter.open = true")
            page.wait_for_timeout(50)  # the chapters' events start the drawing
            page.evaluate("window.drawn")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert complaints == []
