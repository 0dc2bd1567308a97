"""Runs this program and its peers in processes of their own: seconds, peak memory, and the results that they report."""
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Place:
    """Paths of programs, corpora and the work folder, and settings of the measurement."""
    work: pathlib.Path  # folder of temporary files
    corpora: list[tuple[str, pathlib.Path]]  # (reader, folder); empty: the synthetic corpus
    quick: bool  # tiny sizes, to test that rows work; the numbers mean nothing
    threads: int = 2
    program: pathlib.Path = ROOT / "build" / "release" / "loralens"
    kernels: pathlib.Path = ROOT / "build" / "release" / "loralens_bench"
    ctranslate2: pathlib.Path = ROOT / "build" / "bench" / "ctranslate2-base"
    variables: dict = dataclasses.field(default_factory=dict)  # more environment variables of this program

    @property
    def speech(self) -> str:
        """A note for the table if the clips are synthetic; else empty."""
        return "" if self.corpora else "SYNTHETIC speech"


@dataclasses.dataclass
class Finished:
    seconds: float
    processor: float  # processor time of all threads, seconds
    memory: float  # peak resident memory, bytes
    out: str


def environment(threads: int) -> dict:
    """The user's environment without OpenMP and MKL settings, for this number of threads."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("OMP_", "GOMP_", "KMP_", "MKL_"))}
    return kept | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def execute(command: list, threads: int, text: str = "", variables: dict | None = None) -> Finished:
    """Runs a command until it ends; SystemExit with the end of its standard error if it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, tempfile.TemporaryFile("w+") as given:
        given.write(text)
        given.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], stdin=given, stdout=out, stderr=err,
                                   env=environment(threads) | (variables or {}))
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"bench: {' '.join(map(str, command))}\nfailed ({process.returncode}):\n{err.read()[-3000:]}")
        return Finished(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, out.read())


def loralens(place: Place, *words, threads: int | None = None, text: str = "") -> Finished:
    return execute([place.program, "--quiet", *words], threads or place.threads, text, place.variables)


@dataclasses.dataclass
class Profile:
    """The profile that --profile wrote."""
    json: dict
    finished: Finished

    def seconds(self, *phases: str) -> float:
        return sum(self.json["phases"].get(phase, {}).get("seconds", 0.0) for phase in phases)

    def operations(self, *phases: str) -> float:
        return sum(self.json["phases"].get(phase, {}).get("operations", 0.0) for phase in phases)

    def calls(self, phase: str) -> int:
        return self.json["phases"].get(phase, {}).get("calls", 0)

    @property
    def peak(self) -> float:
        """Operations per second of large matrix products in the run's precision, measured at its start."""
        return self.json["peak_operations_per_second"]


def profiled(place: Place, command: str, *words, threads: int | None = None, text: str = "") -> Profile:
    threads = threads or place.threads
    with tempfile.TemporaryDirectory(dir=place.work) as folder:
        file = pathlib.Path(folder) / "profile.json"
        finished = loralens(place, command, *words, "--threads", threads, f"--profile={file}", threads=threads, text=text)
        return Profile(json.loads(file.read_text()), finished)


def peer(place: Place, name: str, threads: int | None = None, **arguments) -> dict:
    """Runs bench/peers/NAME.py with these arguments as JSON; returns what it prints, and its peak `memory` in bytes."""
    script = ROOT / "bench" / "peers" / f"{name}.py"
    finished = execute([sys.executable, "-B", script], threads or place.threads, json.dumps(arguments, default=str))
    return json.loads(finished.out.splitlines()[-1]) | {"memory": finished.memory}


def kernel(place: Place, pattern: str, *words, threads: int = 1) -> dict[str, dict]:
    """{name: entry} of Google Benchmark's report for the kernels of loralens_bench that match; times in seconds."""
    finished = execute([place.kernels, *words, f"--benchmark_filter={pattern}", "--benchmark_format=json",
                        f"--benchmark_min_time={0.05 if place.quick else 0.5}"], threads, variables=place.variables)
    units = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
    report = json.loads(finished.out)["benchmarks"]
    if not report:
        raise SystemExit(f"bench: {place.kernels} knows no benchmark '{pattern}'")
    return {entry["name"]: entry | {"seconds": entry["real_time"] * units[entry["time_unit"]]} for entry in report}
