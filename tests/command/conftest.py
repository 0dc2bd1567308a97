"""Shared fixtures of the command tests: a small synthetic corpus, runs trained on it, a browser, and Slurm."""
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from support import ENVIRONMENT, MODEL, PROGRAM, run, succeed

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


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A Slurm of one node on this machine; its configuration is in the environment of commands."""
    programs = [shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
                for name in ("munged", "slurmctld", "slurmd")]
    if os.geteuid() != 0 or not all(programs) or not shutil.which("sbatch"):
        pytest.skip("Slurm is not installed, or the test does not run as root")
    folder = tmp_path_factory.mktemp("slurm")
    for path in (folder, *folder.parents):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(0o755)  # munge refuses other folders
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    host = socket.gethostname()
    (folder / "slurm.conf").write_text(f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
""")
    environment = ENVIRONMENT | {"SLURM_CONF": str(folder / "slurm.conf")}
    commands = [[programs[0], "--foreground", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket",
                 f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/munge.seed", "--force"],
                [programs[1], "-D"], [programs[2], "-D"]]
    processes = []
    with open(folder / "log.txt", "w") as log:
        for command in commands:
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            time.sleep(1)
    ENVIRONMENT["SLURM_CONF"] = environment["SLURM_CONF"]
    try:
        for _ in range(30):
            state = subprocess.run(["timeout", "5", "sinfo", "-h", "-o", "%T"], env=environment, capture_output=True,
                                   text=True).stdout
            if "idle" in state:
                break
            time.sleep(0.5)
        else:
            pytest.skip("the node of Slurm does not start here: " + (folder / "log.txt").read_text()[-500:])
        yield folder
    finally:
        del ENVIRONMENT["SLURM_CONF"]
        for process in reversed(processes):
            process.terminate()
            process.wait(30)
