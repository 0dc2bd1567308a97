"""Expected tables of the analyses of the adapters' A and B: spectrum, alignment, embedding."""
import functools
import itertools

import analysis_models as whisper
import analysis_reference as oracle
import numpy
from analysis_case import Case, Fold
from analysis_models import Clip
from analysis_rows import Expected, FoldMeans, Key, Rows, text


# ---- spectra ------------------------------------------------------------------------------------------------------

def stacked(case: Case, fold: Fold, role: str, of) -> numpy.ndarray:
    """The array of(recording) of each clip, concatenated over the frames of all clips."""
    return numpy.concatenate([of(recording)[:case.frames(recording.clip, recording)]
                              for recording in case.recordings(fold.number, "sample", role, gradients=True)])


COMPONENTS = {"A": lambda place: lambda recording: recording.down[place],
              "B": lambda place: lambda recording: recording.up[place],
              "A-gradient": lambda place: lambda recording: recording.gradients["down", *place],
              "B-gradient": lambda place: lambda recording: recording.gradients["up", *place]}


class Spectra:
    """Expected rows of spectra with their means over layers, and singular values of arrays/spectrum.npz."""

    def __init__(self):
        self.means, self.arrays = FoldMeans(), {}

    def add(self, fold: int, values: numpy.ndarray, *, layer: int, **key) -> None:
        for metric, (value, slack) in oracle.spectrum_measures(values).items():
            self.means.add(fold, value, slack, layer=text(layer), metric=metric, **key)
        self.arrays[fold, layer, Key(**key)] = values

    def end_fold(self, fold: int) -> None:
        curves = {}
        for key, values in self.means.values.items():
            if key.layer and fold in values:
                curves.setdefault(key.curve(), []).append(values[fold])
        for key, found in curves.items():
            self.means.values[key][fold] = Expected(numpy.mean([expected.value for expected in found]),
                                                    numpy.mean([expected.slack for expected in found]))

    def stacks(self, layers: int, several: bool) -> dict[str, numpy.ndarray]:
        """Expected arrays/spectrum.npz: [variant/]model/component[/module, if there are several], N×dim: means
        over folds, zero for layers without adapter. Trailing columns that are zero in every layer are left out."""
        stacks = {}
        for (fold, layer, key), values in self.arrays.items():
            name = "/".join(filter(None, (key.variant, key.model, key.component, key.module if several else "")))
            stacks.setdefault(name, []).append((layer, values))
        found = {}
        for name, spectra in stacks.items():
            found[name] = numpy.zeros((layers, max(len(values) for _, values in spectra)))
            for layer, values in spectra:
                found[name][layer, :len(values)] += values / sum(number == layer for number, _ in spectra)
        return found


@functools.cache
def spectrum(case: Case) -> Spectra:
    spectra = Spectra()
    for fold in case.folds:
        places = list(whisper.adapters(fold.models["adapted"]))
        for role, place in itertools.product(("adapted", "untrained"), places):
            def add(variant: str, component: str, x: numpy.ndarray, image: numpy.ndarray | None = None) -> None:
                spectra.add(fold.number, oracle.singular_values(x, image), model=role, variant=variant, layer=place[0],
                            module=place[1], component=component)

            a, b, scale = whisper.matrices(whisper.adapters(fold.models[role])[place])
            x = {name: stacked(case, fold, role, of(place)) for name, of in COMPONENTS.items()}
            add("", "A", x["A"])
            add("", "B", x["A"], b)
            add("", "A-gradient", x["A-gradient"])
            add("", "B-gradient", x["B-gradient"])
            if case.paper:
                continue
            add("centred", "A", x["A"] - x["A"].mean(0))
            add("centred", "B", x["A"] - x["A"].mean(0), b)
            add("centred", "A-gradient", x["A-gradient"] - x["A-gradient"].mean(0))
            add("centred", "B-gradient", x["B-gradient"] - x["B-gradient"].mean(0))
            other_a, other_b = oracle.balanced(a, b, 1)
            enters = stacked(case, fold, role, lambda recording: recording.x[place])
            add("balanced", "A", enters, other_a)
            add("balanced", "A-gradient", x["B-gradient"], other_b.T)
            if role == "adapted":
                random_a = oracle.like(case.array("spectrum", f"random-A/{place[1]}/{place[0]}"), a)
                random_b = oracle.like(case.array("spectrum", f"random-B/{place[1]}/{place[0]}"), b)
                add("random-A", "A", enters, random_a)
                add("random-A", "B", enters @ random_a.T, b)
                add("random-B", "B", x["A"], random_b)
                add("random-B", "A-gradient", x["B-gradient"], random_b.T)
        if not case.paper:
            add_weight_spectra(fold, spectra)
        spectra.end_fold(fold.number)
    return spectra


PAIRS = ((1, 16), (1, 64), (4, 16), (4, 64))


def add_weight_spectra(fold: Fold, spectra: Spectra) -> None:
    untrained = whisper.adapters(fold.models["untrained"])
    for (layer, module), linear in whisper.adapters(fold.models["adapted"]).items():
        a, b, scale = whisper.matrices(linear)
        weight, change = whisper.float64(linear.base_layer.weight), scale * b @ a
        other_a, other_b, other_scale = whisper.matrices(untrained[layer, module])
        for model, component, matrix in (("adapted", "delta-weight", change), ("frozen", "weight", weight),
                                         ("adapted", "adapted-weight", weight + change),
                                         ("untrained", "delta-weight", other_scale * other_b @ other_a)):
            values = oracle.singular_values(matrix)
            values = values[:len(a)] if component == "delta-weight" else values  # beyond rank R: rounding errors
            spectra.add(fold.number, values, model=model, layer=layer, module=module, component=component)
        place = {"model": "adapted", "layer": text(layer), "module": module}
        for cosine in (0.3, 0.5, 0.7):
            value, slack = oracle.intruders(weight, weight + change, cosine=cosine)
            spectra.means.add(fold.number, value, slack, component="adapted-weight", variant=f"cosine-{cosine}",
                              metric="intruders", **place)
        for component in ("output-directions", "input-directions"):
            u, v = (numpy.linalg.svd(matrix if component.startswith("output") else matrix.T, full_matrices=False)[0]
                    for matrix in (change, weight))
            for i, j in PAIRS:
                if i <= len(a) and j < v.shape[1]:
                    for metric, value in (("overlap", oracle.overlap(u[:, :i], v[:, :j])),
                                          ("chance", max(i, j) / len(v))):
                        spectra.means.add(fold.number, value, component=component, variant=f"top-{i}-in-{j}",
                                          metric=metric, **place)


# ---- alignment ----------------------------------------------------------------------------------------------------

def flattened(case: Case, role: str, kind: str, layer: int, module: str) -> numpy.ndarray:
    """clips × (frames·dim) of a site ("down", "up"), or of the loss's gradient there ("down-gradient")."""
    fold, (site, _, gradient) = case.folds[0], kind.partition("-")
    return numpy.stack([(r.gradients[site, layer, module] if gradient else getattr(r, site)[layer, module]).ravel()
                        for r in case.recordings(fold.number, "sample", role, gradients=True)])


def paper_alignment(case: Case) -> Rows:
    rows = {}
    for layer, module in whisper.adapters(case.folds[0].models["adapted"]):
        def kernels(function, role, kind):
            return function(flattened(case, role, kind, layer, module))

        linear, rbf = oracle.linear_kernel, oracle.rbf_kernel
        pairs = {"forward-trained": (kernels(linear, "adapted", "down"), kernels(linear, "untrained", "down")),
                 "forward-untrained": (kernels(rbf, "adapted", "up"), kernels(rbf, "untrained", "up")),
                 "gradient-trained": (kernels(rbf, "adapted", "up-gradient"), kernels(rbf, "adapted", "down-gradient")),
                 "gradient-untrained": (kernels(rbf, "untrained", "up-gradient"),
                                        kernels(rbf, "untrained", "down-gradient"))}
        for component, (k, l) in pairs.items():
            model = "adapted" if component.endswith("-trained") else "untrained"
            key = Key(model=model, fold="0", layer=text(layer), module=module, component=component, metric="cka")
            rows[key] = Expected(oracle.biased_cka(k, l), n=len(k))
    return rows


def strict_alignment(case: Case) -> Rows:
    """The clips of each fold are one minibatch, so the minibatch CKA equals the debiased CKA of all clips."""
    means = FoldMeans()
    for fold in case.folds:
        speakers = [clip.speaker for clip in fold.parts["sample"]]

        def add(x: numpy.ndarray, y: numpy.ndarray, **key) -> None:
            value, without = oracle.left_out(oracle.debiased_cka, speakers, x, y)
            means.add(fold.number, value, without=without, metric="cka", **key)

        def pooled(role: str, of) -> numpy.ndarray:
            """clips × dim: the mean of of(recording) over the clip's own frames."""
            return numpy.stack([of(recording)[:case.frames(recording.clip, recording)].mean(0)
                                for recording in case.recordings(fold.number, "sample", role, gradients=True)])

        for role in ("adapted", "untrained"):
            for (layer, module), linear in whisper.adapters(fold.models[role]).items():
                place = layer, module
                key = {"model": role, "layer": text(layer), "module": module}
                x = {name: pooled(role, of(place)) for name, of in COMPONENTS.items()}
                enters = pooled(role, lambda recording: recording.x[place])
                a, b = oracle.balanced(*whisper.matrices(linear)[:2], 1)
                for variant, component, first, second in (
                        ("", "forward", x["A"], x["B"]), ("", "gradient", x["A-gradient"], x["B-gradient"]),
                        ("balanced", "forward", enters @ a.T, x["B"]),
                        ("balanced", "gradient", x["B-gradient"] @ b, x["B-gradient"])):
                    add(first, second, variant=variant, component=component, **key)
        add_strengths(case, fold, means)
        for layer in range(-1, case.layers):
            streams = [pooled(role, lambda recording: recording.residuals[layer + 1]) for role in ("adapted", "frozen")]
            add(*streams, model="adapted-frozen", layer=text(layer), component="residual")
            means.add(fold.number, 1, model="adapted", variant="frames", layer=text(layer), component=f"layer {layer}",
                      metric="cka")  # a layer with itself: 1 for any sample of frames
    return means.rows()


def add_strengths(case: Case, fold: Fold, means: FoldMeans) -> None:
    """Alignment of each update with the covariances of its input and of the gradient at its output, the means over
    places, and the rows of the second null, whose CKA is that of the balanced gauge."""
    recordings = case.recordings(fold.number, "sample", "adapted", gradients=True)
    found = {"forward": [], "backward": []}
    for place, linear in whisper.adapters(fold.models["adapted"]).items():
        a, b = whisper.matrices(linear)[:2]
        u, values, v = numpy.linalg.svd(b @ a, full_matrices=False)
        values = values[:len(a)]
        key = {"model": "adapted", "layer": text(place[0]), "module": place[1]}
        inputs = [recording.x[place][:case.frames(recording.clip, recording)] for recording in recordings]
        at_output = [recording.gradients["up", *place][:case.frames(recording.clip, recording)]
                     for recording in recordings]
        for component, clips, directions in (("forward", inputs, v[:len(a)]), ("backward", at_output, u.T[:len(a)])):
            strength, efficiency = oracle.strength(clips, directions, values)
            means.add(fold.number, strength, component=component, metric="strength", **key)
            means.add(fold.number, efficiency, component=component, metric="efficiency", **key)
            found[component].append((strength, efficiency))
        down = numpy.stack([clip.mean(0) for clip in inputs]) @ (v[:len(a)].T * numpy.sqrt(values))
        value = oracle.debiased_cka(down, down * numpy.sqrt(values))
        means.add(fold.number, value, variant="balanced-input", component="forward", metric="cka", **key)
    for component, pairs in found.items():
        for metric, value in zip(("strength", "efficiency"), numpy.mean(pairs, axis=0)):
            means.add(fold.number, value, model="adapted", component=component, metric=metric)
    contrast = numpy.mean(found["forward"], axis=0)[1] - numpy.mean(found["backward"], axis=0)[1]
    means.add(fold.number, contrast, model="adapted", component="forward-backward", metric="efficiency")


# ---- embedding ----------------------------------------------------------------------------------------------------

def embedding(case: Case) -> Rows:
    means, pictured = FoldMeans(), None  # the fold of t-SNE: the first with enough clips
    for fold in case.folds:
        clips = fold.parts["sample"]
        if pictured is None and len(clips) >= oracle.FEWEST_FOR_TSNE:
            pictured = fold.number
        for role in ("adapted", "frozen", "untrained"):
            def pooled(of) -> numpy.ndarray:
                return numpy.stack([of(recording)[:recording.clip.speech].mean(0)
                                    for recording in case.recordings(fold.number, "sample", role, gradients=True)])

            def add(x: numpy.ndarray, **key) -> None:
                add_separation(means, fold.number, x, clips, model=role, **key)
                if fold.number == pictured and role != "untrained" and not key.get("variant"):
                    add_divergence(case, means, fold.number, x, model=role, **key)

            for layer in range(case.layers) if role != "untrained" else ():
                add(oracle.standardised(pooled(lambda recording: recording.residuals[layer + 1])), layer=text(layer),
                    component="residual")
            for (layer, module), linear in whisper.adapters(fold.models[role]).items():
                if module == "v_proj":
                    key = {"layer": text(layer), "module": module, "component": "A"}
                    add(oracle.standardised(pooled(lambda recording: recording.down[layer, module])), **key)
                    a = oracle.balanced(*whisper.matrices(linear)[:2], 1)[0]
                    add(pooled(lambda recording: recording.x[layer, module] @ a.T), variant="balanced", **key)
    return means.rows()


def add_separation(means: FoldMeans, fold: int, x: numpy.ndarray, clips: list[Clip], **key) -> None:
    speakers = numpy.array([clip.speaker for clip in clips])
    for name, labels in (("emotion", numpy.array([clip.label for clip in clips])), ("speaker", speakers)):
        value, without = oracle.left_out(oracle.silhouette, speakers, x, labels)
        means.add(fold, value, without=without, metric=f"silhouette_{name}", **key)
        value, without = oracle.left_out(oracle.r_precision, speakers, x, labels)
        means.add(fold, value, oracle.ties(x, labels), without=without, metric=f"r_precision_{name}", **key)
        means.add(fold, oracle.chance_r_precision(labels), metric=f"r_precision_{name}_chance", **key)


def add_divergence(case: Case, means: FoldMeans, fold: int, x: numpy.ndarray, **key) -> None:
    """The KL divergence of the coordinates in arrays/embedding.npz. It is not compared with scikit-learn's t-SNE,
    whose final divergence on so few points differs by a tenth or more between initial values."""
    name = "tsne/" + (f"{key['model']}/residual/" if key["component"] == "residual" else "") + f"layer-{key['layer']}"
    clips = list(case.array("embedding", "tsne/clips").astype(int))
    order = [clips.index(clip.number) for clip in case.folds[fold].parts["sample"]]
    value = oracle.divergence_of(x, min(30, (len(x) - 1) / 3), case.array("embedding", name)[order])
    means.add(fold, value, metric="kl_divergence", **key)
