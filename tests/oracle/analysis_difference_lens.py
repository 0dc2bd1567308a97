"""Expected table of the analysis difference-lens, without reference clips."""
import analysis_models as whisper
import numpy
from analysis_answers import Answers
from analysis_case import Case, Fold
from analysis_patching import recovered
from analysis_rows import ClipMeans, FoldMeans, Rows, text


def differences(case: Case, fold: Fold, part: str, layer: int) -> numpy.ndarray:
    """clips×D: adapted minus frozen state after the layer, each averaged over the clip's positions."""
    found = []
    for adapted, frozen in zip(*(case.recordings(fold.number, part, role) for role in ("adapted", "frozen"))):
        frames = case.frames(adapted.clip, adapted)
        found.append((adapted.residuals[layer + 1] - frozen.residuals[layer + 1])[:frames].mean(0))
    return numpy.array(found)


def constant_share(delta: numpy.ndarray) -> float:
    """The mean product of two different clips' differences, divided by the mean of their squares."""
    products = delta @ delta.T
    count = len(delta)
    return (products.sum() - numpy.trace(products)) / (count - 1) / numpy.trace(products)


def difference_lens(case: Case) -> Rows:
    answers, shares = Answers(case), {}  # shares: {items of the key: [(speaker, moved, gain)]}
    logits, of_folds = ClipMeans(case.speakers), FoldMeans()
    for fold in case.folds:
        recordings = list(zip(*(case.recordings(fold.number, "test", role) for role in ("adapted", "frozen"))))
        ends = [[answers.add(fold, recording, recording.logits, model=role, component="none")
                 for role, recording in zip(("adapted", "frozen"), pair)] for pair in recordings]
        for layer in range(case.layers):
            training, test = (differences(case, fold, part, layer) for part in ("fit", "test"))
            mean = training.mean(0)
            for variant, delta in (("training", training), ("test", test)):
                if delta.any():
                    of_folds.add(fold.number, constant_share(delta), model="adapted", variant=variant,
                                 layer=text(layer), component="delta", metric="constant_share")
            if mean.any():
                cosine = mean @ test.mean(0) / numpy.linalg.norm(mean) / numpy.linalg.norm(test.mean(0))
                of_folds.add(fold.number, cosine, model="adapted", variant="training", layer=text(layer),
                             component="delta", metric="cosine")
            key = {"model": "adapted", "variant": "training", "layer": text(layer)}
            for (_, frozen), (high, low) in zip(recordings, ends):
                state = frozen.residuals[layer + 1]
                steered = whisper.logits_from(fold.models["frozen"], layer + 1, state + mean)
                value = answers.add(fold, frozen, steered, **key, component="steered")
                shares.setdefault((*key.items(), ("component", "steered")), []).append(
                    (frozen.clip.speaker, value - low, high - low))
                read = [whisper.lens_logits(fold.models["frozen"], one, norm=True) for one in (state + mean, state)]
                for name, change in zip(case.classes, read[0] - read[1]):
                    logits.add(fold.number, frozen.clip.number, change, **key, component="delta", metric="logit",
                               class_name=name)
    return answers.rows() | recovered(case, shares) | logits.rows() | of_folds.rows()
