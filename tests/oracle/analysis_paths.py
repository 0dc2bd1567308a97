"""Expected table of the analysis paths."""
import analysis_models as whisper
import numpy
import torch
from analysis_answers import Answers
from analysis_case import Case, Fold
from analysis_models import Recording
from analysis_rows import ClipMeans, Rows, text


def run_layer(model, layer: int, stream: numpy.ndarray) -> numpy.ndarray:
    """Layer `layer` of the model on a residual stream (T×D)."""
    model = whisper.inner(model)
    with torch.no_grad():
        x = torch.as_tensor(stream, dtype=next(model.parameters()).dtype)[None]
        return whisper.float64(model.encoder.layers[layer](x, None)[0])


def paths(case: Case) -> Rows:
    answers, effects = Answers(case), ClipMeans(case.speakers)
    for fold in case.folds:
        for adapted, frozen in zip(*(case.recordings(fold.number, "test", role) for role in ("adapted", "frozen"))):
            high, low = (answers.add(fold, recording, recording.logits, model=role, component="none")
                         for role, recording in (("adapted", adapted), ("frozen", frozen)))
            found = {(None, "adaptation"): high - low, (None, "direct"): 0.0, (None, "relayed"): 0.0}
            for layer in range(case.layers):
                follow(case, fold, answers, frozen, low, layer, found)
            for (layer, component), value in found.items():
                effects.add(fold.number, frozen.clip.number, value, model="adapted-frozen",
                            layer="" if layer is None else text(layer), component=component, metric="effect")
    return answers.rows() | effects.rows()


def follow(case: Case, fold: Fold, answers: Answers, frozen: Recording, low: float, layer: int, found: dict) -> None:
    """Adds the effects of the adapted layer's change to `found`."""
    model = fold.models["frozen"]
    end, entering = frozen.residuals[case.layers], frozen.residuals[layer]
    change = run_layer(fold.models["adapted"], layer, entering) - frozen.residuals[layer + 1]
    if not change.any():
        return

    def effect(component: str, first: int, stream: numpy.ndarray) -> float:
        logits = whisper.logits_from(model, first, stream)
        found[layer, component] = answers.add(fold, frozen, logits, model="frozen", layer=text(layer),
                                              component=component) - low
        return found[layer, component]

    direct = effect("direct", case.layers, end + change)
    total = effect("total", layer + 1, frozen.residuals[layer + 1] + change)
    found[layer, "relayed"] = total - direct
    found[None, "direct"] += direct
    found[None, "relayed"] += total - direct
    for via in range(layer + 1, case.layers):
        after = run_layer(model, via, frozen.residuals[via] + change)
        effect(f"via-{via}", case.layers, end + after - change - frozen.residuals[via + 1])
