"""Measures loralens and its peers on the same weights, clips and threads, in turns. Started by bench/run."""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__.split(" Started")[0],
                                     epilog="Numbers are medians; the sides of a row are measured in turns. "
                                            "docs/performance.md explains the rows.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows to measure; without names all except growth")
    parser.add_argument("--list", action="store_true", help="list the rows")
    parser.add_argument("--repeats", type=int, metavar="N",
                        help="number of measurements of each side, instead of the row's default")
    parser.add_argument("--quick", action="store_true",
                        help="run every row once on tiny sizes, to test that it works; the numbers mean nothing")
    parser.add_argument("--corpus", type=pathlib.Path, metavar="DIR",
                        help="EMO-DB or RAVDESS, or a folder that holds emodb and ravdess; by default "
                             "../shared/corpora, or synthetic speech if that is missing")
    parser.add_argument("-o", "--output", type=pathlib.Path, metavar="FILE", help="write all measurements as JSON")
    return parser.parse_args()


def machine() -> dict:
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    from importlib.metadata import version

    packages = ("torch", "transformers", "peft", "ctranslate2", "scikit-learn", "librosa", "asrfront")
    return {"processor": model, "cores": os.cpu_count(), "load": os.getloadavg()[0],
            "packages": {name: version(name) for name in packages}}


def measure(row, repeats: int) -> dict[str, list[dict]]:
    """{side: its measurements}; the sides are measured in turns."""
    row.prepare()
    samples = {name: [] for name in row.sides}
    for number in range(repeats):
        for name, work in row.sides.items():
            print(f"  {row.name}: {name}, {number + 1} of {repeats}", file=sys.stderr, flush=True)
            samples[name].append(work())
    return samples


def main() -> None:
    given = options()
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    import catalogue

    if given.list:
        return print(catalogue.listed())
    if given.repeats is not None and given.repeats < 1:
        sys.exit("bench: --repeats must be 1 or more")
    if given.output and not given.output.absolute().parent.is_dir():
        sys.exit(f"bench: there is no folder {given.output.absolute().parent} to write {given.output.name} to")
    import rows

    with catalogue.place(given.corpus, given.quick) as place:
        chosen = catalogue.chosen(place, given.names)
        about, lines, report = machine() | {"quick": given.quick, "corpora": [reader for reader, _ in place.corpora] or "synthetic"}, [], {}
        for row in chosen:
            begin = time.perf_counter()
            samples = measure(row, given.repeats or (1 if given.quick else row.repeats))
            found = row.lines({name: rows.medians(values) for name, values in samples.items()})
            lines += found
            report[row.name] = {"seconds": time.perf_counter() - begin, "samples": samples,
                                "lines": [rows.as_json(line) for line in found]}
            if given.output:
                given.output.write_text(json.dumps({"machine": about, "rows": report}, indent=1) + "\n")
    print(rows.table(lines))
    if not place.corpora:
        print("\nSYNTHETIC speech: no corpus was at hand (--corpus DIR).")
    if given.quick:
        print("\n--quick: sizes are tiny; these numbers mean nothing.")


if __name__ == "__main__":
    main()
