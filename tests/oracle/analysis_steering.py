"""Expected table of the analysis steering."""
import collections

import analysis_models as whisper
import analysis_reference as oracle
import numpy
from analysis_case import Case, Fold
from analysis_rows import ClipMeans, Rows, text

DOSES = (0.25, 0.5, 1, 2)


def directions(case: Case, fold: Fold, role: str) -> numpy.ndarray:
    """N×C×D: the mean state of the training clips of each class minus the mean of the other classes' mean states."""
    states = collections.defaultdict(list)
    for recording in case.recordings(fold.number, "fit", role):
        frames = case.frames(recording.clip, recording)
        states[recording.clip.label].append([stream[:frames].mean(0) for stream in recording.residuals[1:]])
    means = numpy.array([numpy.mean(states[label], axis=0) for label in range(len(case.classes))])
    others = [numpy.delete(means, label, axis=0).mean(0) for label in range(len(means))]
    return (means - numpy.array(others)).transpose(1, 0, 2)


def one_other(fold: Fold, classes: int) -> dict[int, int]:
    """{clip: target}: the test clips of a class take the classes that follow it in turn."""
    turn, targets = collections.Counter(), {}
    for clip in sorted(fold.parts["test"], key=lambda clip: clip.number):
        targets[clip.number] = (clip.label + 1 + turn[clip.label] % (classes - 1)) % classes
        turn[clip.label] += 1
    return targets


def add_answers(case: Case, means: ClipMeans, fold: Fold, clip, answers: list, before: list, **key) -> None:
    """answers: the logits when each class is the target; before: without a direction."""
    shares = [oracle.softmax(logits)[target] for target, logits in enumerate(answers)]
    plain = [oracle.softmax(logits)[target] for target, logits in enumerate(before)]
    chosen = [float(logits.argmax() == target) for target, logits in enumerate(answers)]
    unsure = [float(oracle.undecided(logits)) for logits in answers]
    others = [target for target in range(len(answers)) if target != clip.label]

    def add(component, metric, value, slack=0.0, class_name=""):
        means.add(fold.number, clip.number, value, slack, component=component, metric=metric, class_name=class_name,
                  **key)

    for target, name in enumerate(case.classes):
        component = "own" if target == clip.label else "others"
        add(component, "probability", shares[target], class_name=name)
        add(component, "share", chosen[target], unsure[target], name)
    for component, targets in (("own", [clip.label]), ("others", others)):
        add(component, "probability", numpy.mean([shares[t] for t in targets]))
        add(component, "share", numpy.mean([chosen[t] for t in targets]), numpy.mean([unsure[t] for t in targets]))
        if "layer" in key:
            add(component, "change", numpy.mean([shares[t] - plain[t] for t in targets]))
    if "layer" in key:
        add("all", "control", (sum(shares) - 1) / (len(shares) - 1))


def steering(case: Case) -> Rows:
    means = ClipMeans(case.speakers)
    for fold in case.folds:
        targets = one_other(fold, len(case.classes))
        for role in ("adapted", "frozen"):
            found = directions(case, fold, role)
            for recording in case.recordings(fold.number, "test", role):
                clip, before = recording.clip, [recording.logits] * len(case.classes)
                add_answers(case, means, fold, clip, before, before, model=role, variant="dose-0")
                for layer, of_classes in enumerate(found):
                    for dose in DOSES:
                        key = {"model": role, "variant": f"dose-{dose}", "layer": text(layer)}
                        answers = [whisper.logits_from(fold.models[role], layer + 1,
                                                       recording.residuals[layer + 1] + dose * direction)
                                   for direction in of_classes]
                        add_answers(case, means, fold, clip, answers, before, **key)
                        if dose == 1:
                            target = targets[clip.number]
                            means.add(fold.number, clip.number, oracle.softmax(answers[target])[target],
                                      component="one-other", metric="probability", **key)
    return means.rows()
