"""Writes the tables of docs/results.md from the scores in this folder.

    results/tables.py [--check]

Each table of the document stands between the lines `<!-- NAME -->` and `<!-- end -->`. --check changes nothing: the exit
status is 1 if a table is not what the scores say.
"""
import csv
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "results.md"
CORPORA = {"emodb": "EMO-DB", "ravdess": "RAVDESS, 4 classes", "ravdess8": "RAVDESS, 8 classes"}
METHODS = {"frozen": "frozen encoder", "small": "LoRA, `small`", "all-layers": "LoRA, all layers"}
MARGIN = {"emodb": 0.07, "ravdess": 0.05, "ravdess8": 0.05}  # of equivalence, in UAR


def metrics(corpus, method):
    file = HERE / f"{corpus}-{method}" / "metrics.json"
    return json.loads(file.read_text()) if file.exists() else None


def runs():
    return [(corpus, method, found) for corpus in CORPORA for method in METHODS if (found := metrics(corpus, method))]


def table(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "|" + "---|" * len(header)] + ["| " + " | ".join(row) + " |" for row in rows])


def interval(score):
    return f"[{score['low']:.3f}, {score['high']:.3f}]" if score["low"] is not None else f"none: {score['reason']}"


def scores():
    rows = [[CORPORA[corpus], METHODS[method], f"{m['uar']['pooled']:.3f} {interval(m['uar'])}",
             " ".join(f"{training['uar']:.3f}" for training in m["trainings"]), f"{m['uar']['mean']:.3f} ± {m['uar']['std']:.3f}",
             f"{m['war']['pooled']:.3f} {interval(m['war'])}"] for corpus, method, m in runs()]
    return table(["corpus", "method", "UAR, pooled", "of each training", "UAR, mean ± std of folds", "WAR, pooled"], rows)


def holm(p):
    order, largest, adjusted = sorted(range(len(p)), key=lambda i: p[i]), 0.0, [0.0] * len(p)
    for rank, i in enumerate(order):
        largest = max(largest, min(1, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return adjusted


def verdict(p, equivalence, margin):
    if p < 0.05:
        return "different"
    if equivalence and -margin < equivalence["low"] and equivalence["high"] < margin:
        return f"equivalent within {margin}"
    return "cannot be told"


def differences():
    found = [(corpus, method, pathlib.Path(c["against"]).name.removeprefix(corpus + "-"), c["uar"])
             for corpus, method, m in runs() for c in m.get("comparisons", [])]
    adjusted = holm([uar["p"] for *_, uar in found])
    rows = [[CORPORA[corpus], f"{METHODS[method]} − {METHODS[other]}", f"{uar['difference']:+.3f} [{uar['low']:+.3f}, {uar['high']:+.3f}]",
             f"{uar['p']:.3g}", f"{p:.3g}", f"{uar['detectable']:.3f}", verdict(p, uar["equivalence"], MARGIN[corpus])]
            for (corpus, method, other, uar), p in zip(found, adjusted)]
    return table(["corpus", "difference", "UAR, pooled", "p", "p adjusted", "detectable", "verdict"], rows)


def rows_of(corpus, method, analysis, **key):
    """The rows of a table whose columns have these values; of the columns that are not named, `model` is adapted."""
    file = HERE / f"{corpus}-{method}" / "tables" / f"{analysis}.csv"
    if not file.exists():
        return []
    with open(file, newline="") as table:
        wanted = {"model": "adapted", **key}.items()
        return [row for row in csv.DictReader(table) if all(row[name] == value for name, value in wanted)]


def signed(row, digits=2):
    value, low, high = (f"{float(row[name]):+.{digits}f}" if row[name] else "" for name in ("value", "low", "high"))
    return value + (f" [{low}, {high}]" if low else "")


def layers():
    rows = []
    for corpus in CORPORA:
        for metric, name in (("log_probability", "log-probability"), ("uar", "UAR")):
            shares = rows_of(corpus, "all-layers", "ablation", component="shapley", metric=metric, variant="")
            if shares:
                by_layer = {row["layer"]: signed(row) for row in shares}
                rows.append([CORPORA[corpus], name, by_layer[""], *(by_layer[str(layer)] for layer in range(6))])
    return table(["corpus", "measure", "all layers", *map(str, range(6))], rows)


def alignment():
    rows = []
    for corpus in CORPORA:
        means = {(row["component"], row["metric"]): row
                 for row in rows_of(corpus, "all-layers", "alignment", layer="", module="", variant="")}
        if not means:
            continue
        directions = ("forward", "backward")
        efficiencies = [f"{float(means[of, 'efficiency']['value']):.3f}" for of in directions]
        strengths = ["{:.2f} ({:.2f} to {:.2f})".format(*(float(means[of, "strength"][name])
                                                          for name in ("value", "null_low", "null_high")))
                     for of in directions]
        rows.append([CORPORA[corpus], *efficiencies, signed(means["forward-backward", "efficiency"], 3), *strengths])
    return table(["corpus", "efficiency at the input", "at the gradient", "difference", "strength at the input (random)",
                  "at the gradient (random)"], rows)


KINDS = {  # in the order of the table
    "frozen": "frozen, regression on the best layer",
    "weighted": "frozen, weighted layer sum",
    "bitfit": "BitFit",
    "ia3": "(IA)³ on k_proj, v_proj, fc2",
    "vera": "VeRA",
    "lora": "LoRA, rank 32 on v_proj",
    "rslora": "rsLoRA",
    "dora": "DoRA",
    "pissa": "PiSSA",
    "lora-fa": "LoRA-FA, rank 64",
    "pfeiffer": "Pfeiffer",
    "houlsby": "Houlsby",
    "last": "last layer, full",
    "full": "full fine-tuning",
}


def methods():
    with open(HERE / "methods.csv", newline="") as table_of_runs:
        runs = {(row["corpus"], row["method"]): row for row in csv.DictReader(table_of_runs)}
    rows = []
    for method, name in KINDS.items():
        of = [runs.get((corpus, method)) for corpus in ("emodb", "ravdess")]
        if not any(of):
            continue
        encoder = int(next(row for row in of if row)["encoder"])
        cells = [[f"{row['uar']} [{row['low']}, {row['high']}]",
                  row["seconds"] and f"{float(row['seconds']):.0f}", row["megabytes"]]
                 if row else ["", "", ""] for row in of]
        rows.append([name, f"{encoder:,}", *cells[0], *cells[1]])
    return table(["method", "trained values of the encoder", "EMO-DB: UAR", "s", "MB", "RAVDESS: UAR", "s", "MB"], rows)


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    text = DOCUMENT.read_text()
    made = re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->",
                  lambda found: f"<!-- {found[1]} -->\n{globals()[found[1]]()}\n<!-- end -->", text, flags=re.S)
    if sys.argv[1:]:
        sys.exit(made != text and "docs/results.md differs from the scores in results/: run results/tables.py")
    DOCUMENT.write_text(made)


if __name__ == "__main__":
    main()
