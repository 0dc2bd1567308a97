"""Expected table of the analysis attribution: shares of the logit by PyTorch's own norm and head, effects by hooks and
autograd."""
import collections

import analysis_models as whisper
import analysis_reference as oracle
import numpy
import scipy.stats
import torch
from analysis_case import Case, Fold
from analysis_models import Recording
from analysis_rows import ClipMeans, Expected, Key, Rows, text

PARTS = ("attention", "mlp")


def head_outputs(model, layer: int, stream: numpy.ndarray) -> list[numpy.ndarray]:
    """What each attention head of a layer adds to the residual stream (T×D), without the bias of out_proj."""
    model = whisper.inner(model)
    attention, seen = model.encoder.layers[layer].self_attn, []
    hook = attention.out_proj.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model.encoder.layers[layer](torch.as_tensor(stream, dtype=next(model.parameters()).dtype)[None], None)
        outputs, found = seen[0], []
        for head in range(attention.num_heads):
            alone = torch.zeros_like(outputs)
            place = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
            alone[..., place] = outputs[..., place]
            found.append(whisper.float64((attention.out_proj(alone) - attention.out_proj(torch.zeros_like(outputs)))[0]))
    hook.remove()
    return found


class Reader:
    """What the head of a model reads in parts of one recording's last state, centred over the classes."""

    def __init__(self, model, recording: Recording):
        self.model, self.end = whisper.inner(model).double(), torch.as_tensor(recording.residuals[-1])

    def read(self, part: numpy.ndarray) -> numpy.ndarray:
        """The slope of the logits along the part, with the norm's statistics held."""
        norm, model = self.model.encoder.layer_norm, self.model
        with torch.no_grad():
            deviation = (self.end.var(1, unbiased=False, keepdim=True) + norm.eps).sqrt()
            part = torch.as_tensor(part)
            pooled = ((part - part.mean(1, keepdim=True)) / deviation * norm.weight).mean(0)
            logits = torch.nn.functional.linear(torch.nn.functional.linear(pooled, model.projector.weight),
                                                model.classifier.weight)
            return whisper.float64(logits - logits.mean())

    def bias(self) -> numpy.ndarray:
        with torch.no_grad():
            logits = self.model.classifier(self.model.projector(self.model.encoder.layer_norm.bias))
            return whisper.float64(logits - logits.mean())


def add_shares(case: Case, fold: Fold, role: str, recording: Recording, means: ClipMeans) -> None:
    model = fold.models[role]
    reader, sums = Reader(model, recording), collections.Counter()

    def add(layer, component: str, logits: numpy.ndarray) -> float:
        value, rounding = logits[recording.clip.label], 1e-12  # biases that are 0 leave rounding alone
        means.add(fold.number, recording.clip.number, value, rounding, model=role, layer=layer, component=component,
                  metric="logit")
        return value

    for layer in range(case.layers):
        mlp = recording.residuals[layer + 1] - recording.residuals[layer] - recording.attention[layer]
        for component, part in zip(PARTS, (recording.attention[layer], mlp)):
            sums[component] += add(text(layer), component, reader.read(part))
        for number, part in enumerate(head_outputs(model, layer, recording.residuals[layer])):
            add(text(layer), f"head-{number:02}", reader.read(part))
    embedding = add(text(-1), "embedding", reader.read(recording.residuals[0]))
    bias = add("", "bias", reader.bias())
    whole = embedding + bias
    for component in PARTS:
        means.add(fold.number, recording.clip.number, sums[component], model=role, layer="", component=component,
                  metric="logit")
        whole += sums[component]
    centred = recording.logits - recording.logits.mean()
    assert abs(whole - centred[recording.clip.label]) < 1e-4 * max(1, abs(centred).max())
    means.add(fold.number, recording.clip.number, whole, model=role, layer="", component="none", metric="logit")


def slopes(model, recording: Recording) -> dict:
    """{(layer, part): T×D}: gradients of the true class's log-probability at what each part adds."""
    model, leaves, hooks = whisper.inner(model), {}, []

    def shift(place):
        def hook(module, inputs, output):
            first = output[0] if isinstance(output, tuple) else output
            leaves[place] = torch.zeros_like(first).requires_grad_()
            return (first + leaves[place], *output[1:]) if isinstance(output, tuple) else first + leaves[place]
        return hook

    for number, layer in enumerate(model.encoder.layers):
        hooks.append(layer.self_attn.register_forward_hook(shift((number, "attention"))))
        hooks.append(layer.fc2.register_forward_hook(shift((number, "mlp"))))
    x = torch.as_tensor(recording.residuals[0], dtype=next(model.parameters()).dtype)[None]
    with torch.enable_grad():
        for layer in model.encoder.layers:
            x = layer(x, None)
        logits = model.classifier(model.projector(model.encoder.layer_norm(x)).mean(1))
        value = torch.log_softmax(logits, 1)[0, recording.clip.label]
        found = torch.autograd.grad(value, list(leaves.values()))
    for hook in hooks:
        hook.remove()
    return {place: whisper.float64(gradient[0]) for place, gradient in zip(leaves, found)}


def effects(case: Case, fold: Fold, adapted: Recording, frozen: Recording):
    """Yields (layer, component, metric, value) of one clip."""
    label, slope = adapted.clip.label, {}
    for role, recording in (("adapted", adapted), ("frozen", frozen)):
        for place, gradient in slopes(fold.models[role], recording).items():
            slope[place] = slope.get(place, 0) + gradient / 2
    for layer in range(case.layers):
        parts = {"attention": [recording.attention[layer] for recording in (adapted, frozen)],
                 "mlp": [recording.mlp[layer] for recording in (adapted, frozen)]}
        for part, (after, before) in parts.items():
            yield layer, part, "attributed", (slope[layer, part] * (after - before)).sum()
            value = 0.0
            for role, target, given, sign in (("frozen", frozen, after, 1), ("adapted", adapted, before, -1)):
                changed = whisper.logits_from(fold.models[role], layer, target.residuals[layer], {(layer, part): given})
                value += sign / 2 * (oracle.log_softmax(changed)[label] - oracle.log_softmax(target.logits)[label])
            yield layer, part, "patched", value
        heads = [head_outputs(fold.models[role], layer, recording.residuals[layer])
                 for role, recording in (("adapted", adapted), ("frozen", frozen))]
        for number, (after, before) in enumerate(zip(*heads)):
            yield layer, f"head-{number:02}", "attributed", (slope[layer, "attention"] * (after - before)).sum()


def attribution(case: Case) -> Rows:
    shares, moved = ClipMeans(case.speakers), ClipMeans(case.speakers)
    sums, clips = collections.Counter(), 0
    for fold in case.folds:
        pairs = list(zip(*(case.recordings(fold.number, "test", role) for role in ("adapted", "frozen"))))
        for pair in pairs:
            clips += 1
            for role, recording in zip(("adapted", "frozen"), pair):
                add_shares(case, fold, role, recording, shares)
            for layer, component, metric, value in effects(case, fold, *pair):
                sums[layer, component, metric] += value
                moved.add(fold.number, pair[0].clip.number, value, model="adapted-frozen", layer=text(layer),
                          component=component, metric=metric)
    rows = shares.rows() | shares.differences("adapted", "frozen").rows() | moved.rows()
    places = [(layer, component) for layer, component, metric in sums if metric == "patched"]
    correlation = scipy.stats.spearmanr([sums[*place, "attributed"] for place in places],
                                        [sums[*place, "patched"] for place in places]).statistic
    rows[Key(model="adapted-frozen", metric="rank_correlation")] = Expected(correlation, n=clips)
    return rows
