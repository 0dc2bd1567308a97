"""Expected table of the analysis neurons: hidden units of the MLPs read and scaled by PyTorch hooks."""
import collections
import contextlib

import analysis_models as whisper
import analysis_reference as oracle
import numpy
import reference
import torch
from analysis_answers import Answers
from analysis_case import Case, Fold
from analysis_rows import ClipMeans, FoldMeans, Rows, text
from analysis_steering import one_other

ACTIONS = {"silenced": 0.0, "amplified": 2.0}


def activations(case: Case, fold: Fold, part: str, role: str) -> dict[int, numpy.ndarray]:
    """{label: clips×N×F}: the input of fc2, averaged over each clip's positions."""
    model, found = fold.models[role], collections.defaultdict(list)
    for clip in fold.parts[part]:
        seen = []
        hooks = [layer.fc2.register_forward_pre_hook(lambda module, inputs: seen.append(whisper.float64(inputs[0][0])))
                 for layer in whisper.inner(model).encoder.layers]
        with torch.no_grad():
            reference.run(model, clip.mel.to(next(model.parameters()).dtype))
        for hook in hooks:
            hook.remove()
        found[clip.label].append([one[:clip.speech].mean(0) for one in seen])
    return {label: numpy.array(clips) for label, clips in found.items()}


def differences(of_classes: dict[int, numpy.ndarray]) -> numpy.ndarray:
    """C×N×F: class means minus the mean of the other classes' means."""
    means = numpy.array([of_classes[label].mean(0) for label in range(len(of_classes))])
    return means - numpy.array([numpy.delete(means, label, axis=0).mean(0) for label in range(len(means))])


def deviation(of_classes: dict[int, numpy.ndarray]) -> numpy.ndarray:
    """N×F, within classes."""
    squares = sum(((clips - clips.mean(0)) ** 2).sum(0) for clips in of_classes.values())
    return numpy.sqrt(squares / (sum(map(len, of_classes.values())) - len(of_classes)))


@contextlib.contextmanager
def scaled(model, units: numpy.ndarray, factor: float):
    """Multiplies units (N×n) of the layers' inputs of fc2."""
    def hook_of(numbers):
        def hook(module, inputs):
            changed = inputs[0].clone()
            changed[..., torch.as_tensor(numbers)] *= factor
            return (changed, *inputs[1:])
        return hook

    hooks = [layer.fc2.register_forward_pre_hook(hook_of(numbers), prepend=True)
             for layer, numbers in zip(whisper.inner(model).encoder.layers, units)]
    yield
    for hook in hooks:
        hook.remove()


def in_deviations(found: numpy.ndarray, standard: numpy.ndarray) -> numpy.ndarray:
    """0 for units that do not vary."""
    return numpy.divide(found, standard, out=numpy.zeros_like(found), where=standard > 0)


def add_selectivity(case: Case, of_folds: FoldMeans, fold: Fold, role: str, units, standard, parts: dict) -> None:
    for variant, of_classes in parts.items():
        if len(of_classes) < len(case.classes):
            continue
        found = in_deviations(differences(of_classes), standard)
        for c, name in enumerate(case.classes):
            for layer in range(case.layers):
                of_folds.add(fold.number, found[c, layer, units[c][layer]].mean(), model=role, variant=variant,
                             layer=text(layer), component="units", metric="selectivity", class_name=name)


def neurons(case: Case) -> Rows:
    answers, means, of_folds = Answers(case), ClipMeans(case.speakers), FoldMeans()
    for fold in case.folds:
        other = one_other(fold, len(case.classes))
        for role in ("adapted", "frozen"):
            model = fold.models[role]
            training = activations(case, fold, "fit", role)
            standard = deviation(training)
            scores = in_deviations(differences(training), standard)
            count = max(1, scores.shape[2] // 100)
            units = numpy.argsort(-scores, axis=2)[:, :, :count]  # C×N×n
            add_selectivity(case, of_folds, fold, role, units, standard,
                            {"training": training, "test": activations(case, fold, "test", role)})
            for recording in case.recordings(fold.number, "test", role):
                clip = recording.clip
                plain = answers.add(fold, recording, recording.logits, model=role, component="none")
                for action, factor in ACTIONS.items():
                    key = {"model": role, "variant": action}
                    logits = []
                    for of_class in units:
                        with scaled(model, of_class, factor):
                            logits.append(whisper.logits_from(model, 0, recording.residuals[0]))
                    answers.add(fold, recording, logits[clip.label], component="own", **key)
                    add_rises(case, means, fold, clip, other[clip.number],
                              [plain - oracle.log_softmax(one)[clip.label] for one in logits], **key)
    return answers.rows() | means.rows() | of_folds.rows()


def add_rises(case: Case, means: ClipMeans, fold: Fold, clip, other: int, rises: list[float], **key) -> None:
    """rises: of the loss, with the units of each class."""
    def add(component, value, class_name=""):
        rounding = 2e-6 if class_name else 0  # of differences of float32 logits, for means close to 0
        means.add(fold.number, clip.number, value, rounding, component=component, metric="loss_increase",
                  class_name=class_name, **key)

    for c, name in enumerate(case.classes):
        add("own" if c == clip.label else "others", rises[c], name)
    others = numpy.delete(rises, clip.label).mean()
    add("own", rises[clip.label])
    add("others", others)
    add("own-others", rises[clip.label] - others)
    add("own-one-other", rises[clip.label] - rises[other])
