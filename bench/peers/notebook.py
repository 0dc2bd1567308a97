"""The published analyses in the structure of the published notebook: one clip at a time, each analysis with passes of its
own, as many whole passes for erasure as there are layers, activations kept in lists until the end."""
import numpy
import torch
from models import answer, seconds_of
from published import Given, adapters, cka, components_for_90, contribution_of, inner, lens_of, rbf, scores_of

given = Given()
clips = [(given.features[i:i + 1], given.labels[i:i + 1]) for i in range(given.passed)]
layers = inner(given.trained).encoder.layers


def hooked(hooks: list, work) -> None:
    work()
    for hook in hooks:
        hook.remove()


def both(work) -> None:
    """On the adapted model and on the frozen one, which is the same with the adapters off."""
    work(given.trained)
    with given.trained.disable_adapter():
        work(given.trained)


@torch.no_grad()
def contribution(model) -> None:
    sums = {}
    for features, _ in clips:
        seen = {}
        hooks = []
        for number, layer in enumerate(layers):
            hooks += [layer.register_forward_pre_hook(lambda m, i, n=number: seen.__setitem__(("h", n), i[0])),
                      layer.self_attn.register_forward_hook(lambda m, i, o, n=number: seen.__setitem__(("a", n), o[0])),
                      layer.fc2.register_forward_hook(lambda m, i, o, n=number: seen.__setitem__(("m", n), o))]
        hooked(hooks, lambda: model(input_features=features))
        for number in range(len(layers)):
            for i, values in enumerate(contribution_of(seen["h", number], seen["a", number], seen["m", number])):
                sums[number, i] = sums.get((number, i), 0.0) + values.sum().item()


@torch.no_grad()
def lens(model) -> None:
    for features, _ in clips:
        states = model(input_features=features, output_hidden_states=True).hidden_states
        for divergence, agrees in lens_of(inner(model), list(states)):
            divergence.item(), agrees.item()


@torch.no_grad()
def evaluate(erased: range) -> list:
    """One pass over all clips with these layers' outputs replaced by their inputs."""
    hooks = [layers[number].register_forward_hook(lambda m, i, o: (i[0], *o[1:]) if isinstance(o, tuple) else i[0]) for number in erased]
    scores = []
    hooked(hooks, lambda: scores.extend(scores_of(given.trained(input_features=features).logits, label) for features, label in clips))
    return scores


def erasure() -> None:
    evaluate(range(0))
    for number in range(len(layers)):
        evaluate(range(number, number + 1))


def progressive() -> None:
    for count in range(len(layers) + 1):
        evaluate(range(count))


def gradients(model) -> dict:
    """Lists of activations and gradients of A and B, a clip each: (kind, layer) -> [T×R or T×D]."""
    kept = {}
    hooks = []

    def keep(kind, number):
        def hook(module, inputs, output):
            kept.setdefault((kind, number), []).append(output.detach()[0].numpy().copy())
            output.register_hook(lambda g: kept.setdefault((f"{kind} gradient", number), []).append(g[0].numpy().copy()))
        return hook

    for (number, _), linear in adapters(model).items():
        hooks += [linear.lora_A["default"].register_forward_hook(keep("A", number)),
                  linear.lora_B["default"].register_forward_hook(keep("B", number))]

    def passes():
        for features, label in clips:
            model(input_features=features, labels=label).loss.backward()
            model.zero_grad()

    hooked(hooks, passes)
    return kept


def as_many_as_all(kept: dict) -> dict:
    """The lists as long as if all clips had passed: memory and what follows are measured in full."""
    return {key: values + [values[i % len(values)].copy() for i in range(given.clips - len(values))] for key, values in kept.items()}


def svd(*models: dict) -> None:
    for kept in models:
        for values in kept.values():
            components_for_90(torch.linalg.svdvals(torch.from_numpy(numpy.concatenate(values))).numpy())


def similarity(trained: dict, untrained: dict) -> None:
    def flat(kept, kind, number):
        return numpy.stack([value.reshape(-1) for value in kept[kind, number]])

    def gaussian(x):
        return rbf(x @ x.T, x.shape[1])

    for number in range(len(layers)):
        x, y = flat(trained, "A", number), flat(untrained, "A", number)
        cka(x @ x.T, y @ y.T)
        cka(gaussian(flat(trained, "B", number)), gaussian(flat(untrained, "B", number)))
        for kept in (trained, untrained):
            cka(gaussian(flat(kept, "B gradient", number)), gaussian(flat(kept, "A gradient", number)))


given.trained(input_features=clips[0][0])  # warm-up
seconds = {"contribution": seconds_of(lambda: both(contribution)), "lens": seconds_of(lambda: both(lens)),
           "erasure": seconds_of(erasure), "progressive": seconds_of(progressive)}
found = {}
seconds["gradients"] = seconds_of(lambda: found.update(trained=gradients(given.trained), untrained=gradients(given.untrained)))
found = {name: as_many_as_all(kept) for name, kept in found.items()}
seconds["svd"] = seconds_of(lambda: svd(*found.values()))
seconds["cka"] = seconds_of(lambda: similarity(found["trained"], found["untrained"]))
answer(**given.whole(seconds))
