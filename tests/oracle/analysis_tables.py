"""Expected tables of an analysed run: TABLES has a function for each table, LEFT_OUT the rows without expectation."""
import collections
import csv
import dataclasses
import itertools

import analysis_models as whisper
import analysis_reference as oracle
import numpy
from analysis_ablation import ablation
from analysis_adapters import embedding, paper_alignment, spectrum, strict_alignment
from analysis_answers import uar_rows
from analysis_attribution import attribution
from analysis_case import Case, Fold
from analysis_components import components
from analysis_concept_erasure import erasure_of_concepts
from analysis_diagnosis import diagnosis
from analysis_difference_lens import difference_lens
from analysis_interchange import interchange
from analysis_models import Recording
from analysis_neurons import neurons
from analysis_patching import patching
from analysis_paths import paths
from analysis_probes import probes
from analysis_retention import retention
from analysis_rows import ClipMeans, Expected, FoldMeans, Key, Rows, text
from analysis_steering import steering
from safetensors.numpy import load_file


# ---- contribution -------------------------------------------------------------------------------------------------

def contribution(case: Case) -> Rows:
    means = ClipMeans(case.speakers)
    for fold in case.folds:
        for role in ("adapted", "frozen"):
            for recording in case.recordings(fold.number, "test", role):
                recording.check()
                frames = case.frames(recording.clip, recording)
                for layer, component, metric, value in oracle.contributions(recording, frames):
                    means.add(fold.number, recording.clip.number, value, model=role, layer=text(layer),
                              component=component, metric=metric)
    return means.rows() | means.differences("adapted", "frozen").rows()


# ---- logit lens ---------------------------------------------------------------------------------------------------

def logit_lens(case: Case) -> Rows:
    means, read = ClipMeans(case.speakers), {}  # {(role, layer): [(fold, label, logits, speaker)]}
    for fold in case.folds:
        for role in ("adapted",) if case.paper else ("adapted", "frozen"):
            for recording in case.recordings(fold.number, "test", role):
                for layer in range(0 if case.paper else -1, case.layers):
                    logits = whisper.lens_logits(fold.models[role], recording.residuals[layer + 1], norm=not case.paper)
                    add_lens(case, means, fold.number, recording, role, layer, logits)
                    read.setdefault((role, layer), []).append(
                        (fold.number, recording.clip.label, logits, recording.clip.speaker))
    if case.paper:
        return means.rows()
    rows = means.rows() | uar_rows(read)
    tuned = {dataclasses.replace(key, variant="tuned"): dataclasses.replace(expected, slack=expected.slack + 1e-9)
             for key, expected in rows.items()  # the last layer needs no map: its KL is 0 up to rounding
             if key.layer == text(case.layers - 1) and key.metric in ("kl", "overlap", "accuracy", "uar")}
    return rows | tuned | quantile_rows(case, read)


def add_lens(case: Case, means: ClipMeans, fold: int, recording: Recording, role: str, layer: int, logits) -> None:
    clip, final = recording.clip, recording.logits
    unsure = oracle.undecided(logits)
    values = {"kl": (oracle.kl(final, logits), 0),
              "overlap": (logits.argmax() == final.argmax(), unsure or oracle.undecided(final))}
    if case.paper:
        shares = oracle.softmax(logits.astype(numpy.float32))
        values["underflow"] = (bool((shares == 0).any()), 0)
    else:
        values |= {"accuracy": (logits.argmax() == clip.label, unsure), "entropy": (oracle.entropy(logits), 0)}
    for metric, (value, slack) in values.items():
        means.add(fold, clip.number, value, slack, model=role, layer=text(layer), metric=metric)
    for name, value in zip(case.classes, logits):
        means.add(fold, clip.number, value, model=role, layer=text(layer), metric="logit", class_name=name)


def quantile_rows(case: Case, read: dict) -> Rows:
    """Quantiles of each class's logit over the clips of each true class (the component), all folds together."""
    rows = {}
    for (role, layer), found in read.items():
        for true, component in enumerate(case.classes):
            logits = numpy.array([logits for _, label, logits, _ in found if label == true])
            for percent in (10, 25, 50, 75, 90):
                for name, value in zip(case.classes, numpy.quantile(logits, percent / 100, axis=0)):
                    rows[Key(model=role, layer=text(layer), component=component, metric=f"logit_q{percent}",
                             class_name=name)] = Expected(float(value), n=len(logits))
    return rows


# ---- erasure ------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Answers:
    """Logits and labels of clips, from which the published erasure scores are computed."""
    logits: list[numpy.ndarray]
    labels: list[int]

    def scores(self) -> dict[str, tuple[list[float], list[bool]]]:
        """Each clip's accuracy, loss (nats) and confidence (largest probability), and whether rounding may flip it."""
        logs = [oracle.log_softmax(logits) for logits in self.logits]
        unsure = [oracle.undecided(logits) for logits in self.logits]
        sure = [False] * len(unsure)
        return {"accuracy": ([float(log.argmax() == label) for log, label in zip(logs, self.labels)], unsure),
                "loss": ([-log[label] for log, label in zip(logs, self.labels)], sure),
                "confidence": ([float(numpy.exp(log.max())) for log in logs], sure)}


def drops(whole: Answers, erased: Answers):
    """Yields (metric, values per clip, slack per clip) of an erasure."""
    before, after = whole.scores(), erased.scores()
    accuracy = numpy.subtract(before["accuracy"][0], after["accuracy"][0])
    slack = numpy.add(before["accuracy"][1], after["accuracy"][1], dtype=float)
    loss = numpy.subtract(after["loss"][0], before["loss"][0])
    confidence = numpy.subtract(before["confidence"][0], after["confidence"][0])
    nothing = numpy.zeros(len(slack))
    yield "accuracy_drop", accuracy, slack
    yield "loss_increase", loss, nothing
    yield "confidence_drop", confidence, nothing
    yield "score", accuracy + 0.5 * confidence - 0.1 * loss, slack


def erased(case: Case, fold: Fold, role: str, part: str, replaced: dict) -> Answers:
    """Answers of the model with the output of parts replaced; replaced: as the argument `without` of logits_from."""
    logits, labels = [], []
    first = min(layer for layer, _ in replaced)
    for recording in case.recordings(fold.number, part, role):
        logits.append(whisper.logits_from(fold.quick[role], first, recording.residuals[first], replaced))
        labels.append(recording.clip.label)
    return Answers(logits, labels)


def whole(case: Case, fold: Fold, role: str, part: str) -> Answers:
    recordings = case.recordings(fold.number, part, role)
    return Answers([r.logits for r in recordings], [r.clip.label for r in recordings])


def zeros(case: Case, fold: Fold, role: str, places: list[tuple[int, str]]) -> dict:
    """Zero ablation of these (layer, part): their output is 0."""
    width = fold.models["frozen"].config.d_model
    return {place: numpy.zeros(width) for place in places}


def means_of(case: Case, fold: Fold, role: str, places: list[tuple[int, str]]) -> dict:
    """Mean ablation: the mean output of these (layer, part) over the positions of the fold's training clips."""
    return {place: case.mean_parts(fold.number, role)[place] for place in places}


def erasure(case: Case) -> Rows:
    means = ClipMeans(case.speakers)
    for fold in case.folds:
        for role in ("adapted",) if case.paper else ("adapted", "frozen"):
            before = whole(case, fold, role, "test")
            add_scores(means, fold, before, model=role, component="none")
            for variant, source in (("", zeros),) if case.paper else (("", zeros), ("mean-ablation", means_of)):
                def answers(*places):
                    replaced = source(case, fold, role, places)
                    return erased(case, fold, role, "test", replaced) if places else before

                for layer, component in itertools.product(range(case.layers),
                                                          ("layer",) if case.paper else ("layer", "attention", "mlp")):
                    for metric, values, slacks in drops(before, answers((layer, component))):
                        add_values(means, fold, values, slacks, model=role, variant=variant, layer=text(layer),
                                   component=component, metric=metric)
                for k in range(case.layers + 1):
                    key = {"model": role, "variant": variant, "layer": text(k)}
                    first = answers(*((layer, "layer") for layer in range(k)))
                    add_scores(means, fold, first, component="first-k", **key)
                    if not case.paper:
                        last = answers(*((layer, "layer") for layer in range(case.layers - k, case.layers)))
                        add_scores(means, fold, last, component="last-k", **key)
            if not case.paper:  # its draws are unknown, but with k = 0 nothing is replaced
                key = {"model": role, "variant": "resample-ablation", "layer": "0"}
                add_scores(means, fold, before, component="first-k", **key)
                add_scores(means, fold, before, component="last-k", **key)
    return means.rows() | means.differences("adapted", "frozen").rows()


def add_scores(means: ClipMeans, fold: Fold, answers: Answers, **key) -> None:
    for metric, (values, slacks) in answers.scores().items():
        add_values(means, fold, values, slacks, metric=metric, **key)


def add_values(means: ClipMeans, fold: Fold, values, slacks, **key) -> None:
    for clip, value, slack in zip(fold.parts["test"], values, slacks):
        means.add(fold.number, clip.number, value, slack, **key)


# ---- gradients ----------------------------------------------------------------------------------------------------

def gradients(case: Case) -> Rows:
    means = ClipMeans(case.speakers)
    for fold, role in itertools.product(case.folds, ("adapted", "frozen", "untrained")):
        for recording in case.recordings(fold.number, "sample", role, gradients=True):
            error = oracle.softmax(recording.logits) - numpy.eye(len(case.classes))[recording.clip.label]
            norms, scaled = {}, {}  # {curve: {layer: norm}}; {layer: norm times that of the residual stream}
            for (kind, layer, *module), value in recording.gradients.items():
                if kind == "residual":
                    frames = case.frames(recording.clip, recording)
                    norms.setdefault(("activations", ""), {})[layer - 1] = numpy.linalg.norm(value[:frames])
                    scaled[layer - 1] = (numpy.linalg.norm(value[:frames])
                                         * numpy.linalg.norm(recording.residuals[layer][:frames]))
                elif kind in "AB":
                    norms.setdefault((kind, *module), {})[layer] = numpy.linalg.norm(value)
            for (component, module), curve in norms.items():
                key = {"model": role, "component": component, "module": module}
                number = recording.clip.number
                for layer, norm in curve.items():
                    means.add(fold.number, number, norm, layer=text(layer), metric="norm", **key)
                    means.add(fold.number, number, norm / numpy.linalg.norm(error), layer=text(layer),
                              metric="norm_over_error", **key)
                means.add(fold.number, number, numpy.log10(curve[max(curve)] / curve[min(curve)]),
                          metric="log10_last_over_first", **key)
            key = {"model": role, "component": "activations"}
            for layer, product in scaled.items():
                means.add(fold.number, recording.clip.number, product, layer=text(layer), metric="scaled_norm", **key)
            means.add(fold.number, recording.clip.number, numpy.log10(scaled[max(scaled)] / scaled[min(scaled)]),
                      metric="log10_last_over_first_scaled", **key)
    return means.rows()


# ---- dynamics -----------------------------------------------------------------------------------------------------

def dynamics(case: Case) -> Rows:
    """Rows of watch.csv; the values of step 0 are also checked against initial.safetensors."""
    means = FoldMeans()
    for fold in case.folds:
        folder = case.run / f"fold-{fold.number:02}"
        with open(folder / "watch.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        start = load_file(folder / "initial.safetensors")
        at_logits = {row["step"]: float(row["value"]) for row in rows if row["component"] == "logits"}
        for row in rows:
            key = {name: row[name] for name in ("step", "layer", "module", "component")} | {"model": "adapted"}
            value, metric = float(row["value"]), row["metric"]
            if row["step"] == "0" and row["module"]:
                known = oracle.start_of(start, int(row["layer"]), row["module"], row["component"]).get(metric)
                assert known is None or abs(value - known) <= 1e-5 * abs(known), (row, known)
            means.add(fold.number, value, metric=metric, **key)
            if metric == "gradient_norm" and row["component"] != "logits":
                means.add(fold.number, value / at_logits[row["step"]], metric="relative_gradient", **key)
        for layer, norms in norms_by_layer(rows).items():
            steps = sorted(norms)
            half = next(step for step in steps if norms[step] >= norms[steps[-1]] / 2)
            means.add(fold.number, half, model="adapted", layer=layer, component="BA", metric="half_norm_step")
    rows = means.rows()
    return rows if case.paper else {key: value for key, value in rows.items() if not key.fold}


def norms_by_layer(rows: list[dict]) -> dict[str, dict[int, float]]:
    """{layer: {step: Frobenius norm of the updates BA of all its modules together}}."""
    found = {}
    for row in rows:
        if (row["component"], row["metric"]) == ("BA", "norm"):
            norms = found.setdefault(row["layer"], collections.Counter())
            norms[int(row["step"])] += float(row["value"]) ** 2
    return {layer: {step: square**0.5 for step, square in norms.items()} for layer, norms in found.items()}


# ---- all tables ---------------------------------------------------------------------------------------------------

TABLES = {"contribution": contribution,
          "logit-lens": logit_lens,
          "erasure": erasure,
          "ablation": ablation,
          "patching": patching,
          "paths": paths,
          "attribution": attribution,
          "difference-lens": difference_lens,
          "steering": steering,
          "components": components,
          "interchange": interchange,
          "neurons": neurons,
          "erasure-of-concepts": erasure_of_concepts,
          "retention": retention,
          "probes": probes,
          "diagnosis": diagnosis,
          "spectrum": lambda case: spectrum(case).means.rows(),
          "alignment": lambda case: paper_alignment(case) if case.paper else strict_alignment(case),
          "gradients": lambda case: {} if case.paper else gradients(case),
          "embedding": lambda case: {} if case.paper else embedding(case),
          "dynamics": dynamics}

# made only if --only names them
BY_NAME = {"paths", "attribution", "steering", "components", "interchange", "neurons", "erasure-of-concepts",
           "retention"}
# not made by --protocol paper
BEYOND_PAPER = {"ablation", "patching", "difference-lens", "probes", "diagnosis"}

# Rows that are not compared: (analysis, protocol, a part of the variant's, component's or metric's name, reason).
LEFT_OUT = (("spectrum", "paper", "dropout", "the masks of dropout are random"),
            ("alignment", "paper", "float32", "rounding noise"),
            ("logit-lens", "strict", "tuned", "the fitted map is not in arrays"),
            ("logit-lens", "strict", "refitted", "the speakers that choose the penalty are drawn at random"),
            ("ablation", "strict", "noise", "the noise is random"),
            ("patching", "strict", "refitted", "the speakers that choose the penalty are drawn at random"),
            ("paths", "strict", "refitted", "the speakers that choose the penalty are drawn at random"),
            ("attribution", "strict", "refitted", "the speakers that choose the penalty are drawn at random"),
            ("neurons", "strict", "refitted", "the speakers that choose the penalty are drawn at random"),
            ("steering", "strict", "refitted", "the speakers that choose the penalty are drawn at random"),
            ("interchange", "strict", "refitted", "the speakers that choose the penalty are drawn at random"),
            ("interchange", "strict", "permuted", "the permutations are random"),
            ("interchange", "strict", "random", "the subspaces are random"),
            ("diagnosis", "strict", "refitted", "the speakers that choose the penalty are drawn at random"),
            ("diagnosis", "strict", "log10_gradient_ratio", "the direction at the logits is random"),
            ("erasure-of-concepts", "strict", "permuted", "the permutations are random"),
            ("erasure-of-concepts", "strict", "random-subspace", "the subspaces are random"),
            ("probes", "strict", "control", "the permutations are random"),
            ("probes", "strict", "selectivity", "the permutations are random"),
            ("erasure", "strict", "resample-ablation", "which positions were drawn is not in arrays"),
            ("alignment", "strict", "cka_chance", "the random updates are not in arrays"),
            ("alignment", "strict", "strength_z", "the random updates are not in arrays"),
            ("alignment", "strict", "frames", "which frames were drawn is not in arrays"),
            ("gradients", "strict", "random-cotangent", "the direction at the logits is random"))


def why_left_out(analysis: str, protocol: str, key: Key) -> str | None:
    return next((reason for name, of, part, reason in LEFT_OUT
                 if (name, of) == (analysis, protocol) and (part in key.variant or part in key.component or part in key.metric)), None)
