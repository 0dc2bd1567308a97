"""The published analyses as careful Python on transformers and PEFT: batches of 8, one pass per model for contribution
and lens, erasure from the residual streams of that pass, singular values from Gram matrices, no activation lists."""
import numpy
import torch
from models import answer, seconds_of
from published import Given, adapters, cka, components_for_90, contribution_of, inner, lens_of, rbf, scores_of

BATCH = 8
given = Given()
model = inner(given.trained)
layers = model.encoder.layers
batches = [(given.features[i:i + BATCH], given.labels[i:i + BATCH]) for i in range(0, given.passed, BATCH)]


@torch.no_grad()
def look(erased: bool) -> None:
    """Contribution and lens of the model; with `erased` also the erasure of layers."""
    for features, labels in batches:
        seen, sums, hooks = {}, [], []
        for number, layer in enumerate(layers):
            hooks += [layer.register_forward_pre_hook(lambda m, i: seen.update(h=i[0])),
                      layer.self_attn.register_forward_hook(lambda m, i, o: seen.update(a=o[0])),
                      layer.fc2.register_forward_hook(
                          lambda m, i, o: sums.append([v.sum(1) for v in contribution_of(seen["h"], seen["a"], o)]))]
        states = given.trained(input_features=features, output_hidden_states=True).hidden_states
        for hook in hooks:
            hook.remove()
        lens_of(model, list(states))
        if erased:
            erase(states, labels)


def logits_from(x: torch.Tensor, first: int) -> torch.Tensor:
    for layer in layers[first:]:
        x = layer(x, None)
        x = x[0] if isinstance(x, tuple) else x
    return model.classifier(model.projector(model.encoder.layer_norm(x)).mean(1))


def erase(states, labels: torch.Tensor) -> None:
    """Erases each layer alone, starting at its input, then the first k layers, starting at the embedding."""
    for number in range(len(layers)):
        scores_of(logits_from(states[number], number + 1), labels)
    for count in range(2, len(layers) + 1):  # k = 1 is done above, k = 0 is the pass itself
        scores_of(logits_from(states[0], count), labels)


def gradients(model) -> tuple[dict, dict]:
    """Gram matrices over frames of activations and gradients, and their flattened values of each clip for CKA."""
    grams, flat, hooks = {}, {}, []

    def add(kind, number, value):
        rows = value.reshape(-1, value.shape[-1])
        grams[kind, number] = grams.get((kind, number), 0) + (rows.T @ rows).double()
        flat.setdefault((kind, number), []).append(value.reshape(len(value), -1))

    def keep(kind, number):
        def hook(module, inputs, output):
            add(kind, number, output.detach())
            output.register_hook(lambda g: add(f"{kind} gradient", number, g))
        return hook

    for (number, _), linear in adapters(model).items():
        hooks += [linear.lora_A["default"].register_forward_hook(keep("A", number)),
                  linear.lora_B["default"].register_forward_hook(keep("B", number))]
    for features, labels in batches:
        torch.nn.functional.cross_entropy(model(input_features=features).logits, labels, reduction="sum").backward()
        model.zero_grad()
    for hook in hooks:
        hook.remove()
    return grams, flat


def as_many_as_all(flat: dict) -> dict:
    """Repeats the rows to the number of all clips, so that memory, SVD and CKA are measured in full."""
    return {key: torch.cat(values).repeat(-(-given.clips // given.passed), 1)[:given.clips] for key, values in flat.items()}


def svd(*models: dict) -> None:
    for grams in models:
        for gram in grams.values():
            components_for_90(torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().flip(0).numpy())


def similarity(trained: dict, untrained: dict) -> None:
    def linear(kept, kind, number):
        return (kept[kind, number] @ kept[kind, number].T).numpy().astype(numpy.float64)

    def gaussian(kept, kind, number):
        return rbf(linear(kept, kind, number), kept[kind, number].shape[1])

    for number in range(len(layers)):
        cka(linear(trained, "A", number), linear(untrained, "A", number))
        cka(gaussian(trained, "B", number), gaussian(untrained, "B", number))
        for kept in (trained, untrained):
            cka(gaussian(kept, "B gradient", number), gaussian(kept, "A gradient", number))


def frozen() -> None:
    with given.trained.disable_adapter():
        look(False)


given.trained(input_features=batches[0][0])  # warm-up
found = {}
seconds = {"erasure": seconds_of(lambda: look(True)),  # one pass, with contribution and lens of the adapted model
           "lens": seconds_of(frozen),
           "gradients": seconds_of(lambda: found.update(trained=gradients(given.trained), untrained=gradients(given.untrained)))}
flat = {name: as_many_as_all(kept) for name, (_, kept) in found.items()}
seconds["svd"] = seconds_of(lambda: svd(*(grams for grams, _ in found.values())))
seconds["cka"] = seconds_of(lambda: similarity(flat["trained"], flat["untrained"]))
answer(**given.whole(seconds))
