"""The published analyses in the structure of the published notebook, with PyTorch hooks instead of nnsight.

Models that are compared are separate models. All analyses but erasure take one clip at a time. Each analysis has passes
of its own; contribution has an additional pass to count frames, erasure a full pass for each layer. Activations and
gradients of A and B are kept with their graph in lists that are joined at the end. The SVD also computes vectors."""
import numpy
import torch
from models import answer, seconds_of
from published import Given, adapters, cka, components_for_90, contribution_of, inner, lens_of, scores_of
from sklearn.metrics.pairwise import rbf_kernel

given = Given()
frozen = given.frozen()
clips = [(given.features[i:i + 1], given.labels[i:i + 1]) for i in range(given.passed)]
layers = len(inner(given.trained).encoder.layers)


def hooked(hooks: list, work) -> None:
    work()
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def contribution(model) -> None:
    frames, sums = 0, {}
    for features, _ in clips:
        found, hooks = [], [inner(model).encoder.layer_norm.register_forward_hook(lambda m, i, o: found.append(o.shape[1]))]
        hooked(hooks, lambda: model(input_features=features))
        frames += found[0]
        seen, hooks = {}, []
        for number, layer in enumerate(inner(model).encoder.layers):
            hooks += [layer.register_forward_pre_hook(lambda m, i, n=number: seen.__setitem__(("h", n), i[0])),
                      layer.self_attn.register_forward_hook(lambda m, i, o, n=number: seen.__setitem__(("a", n), o[0])),
                      layer.fc2.register_forward_hook(lambda m, i, o, n=number: seen.__setitem__(("m", n), o))]
        hooked(hooks, lambda: model(input_features=features))
        for number in range(layers):
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
    """Scores of a pass over all clips with the output of these layers replaced by their input; batches of 4, else 8."""
    encoder, scores = inner(given.trained).encoder, []
    hooks = [encoder.layers[number].register_forward_hook(lambda m, i, o: (i[0], *o[1:]) if isinstance(o, tuple) else i[0])
             for number in erased]

    def passes():
        size = 4 if erased else 8
        for begin in range(0, given.passed, size):
            batch = slice(begin, begin + size)
            scores.extend(scores_of(given.trained(input_features=given.features[batch]).logits, given.labels[batch]))

    hooked(hooks, passes)
    return scores


def erasure() -> None:
    evaluate(range(0))
    for number in range(layers):
        evaluate(range(number, number + 1))


def progressive() -> None:
    for count in range(layers + 1):
        evaluate(range(count))


def gradients(model) -> dict:
    """Activations and gradients of A and B of all clips: {(kind, layer): clips×T×R or clips×T×D}."""
    kept = {}
    for features, label in clips:
        seen, hooks = {}, []

        def keep(key, seen=seen):
            def hook(module, inputs, output):
                output.retain_grad()
                seen[key] = output
            return hook

        for (number, _), linear in adapters(model).items():
            hooks += [linear.lora_A["default"].register_forward_hook(keep(("A", number))),
                      linear.lora_B["default"].register_forward_hook(keep(("B", number)))]
        hooked(hooks, lambda: torch.nn.functional.cross_entropy(model(input_features=features).logits, label).backward())
        for (kind, number), value in seen.items():
            kept.setdefault((kind, number), []).append(value.cpu())
            kept.setdefault((f"{kind} gradient", number), []).append(value.grad.cpu())
    return {key: torch.cat(as_many_as_all(values)) for key, values in kept.items()}


def as_many_as_all(values: list) -> list:
    """Repeats the values to the number of all clips, so that memory, SVD and CKA are measured in full."""
    return values + [values[i % len(values)].clone() for i in range(given.clips - len(values))]


def svd(*models: dict) -> None:
    for kept in models:
        for values in kept.values():
            _, found, _ = torch.linalg.svd(values.reshape(-1, values.shape[-1]), full_matrices=False)
            components_for_90(found.detach().numpy())


def similarity(trained: dict, untrained: dict) -> None:
    def flat(kept, kind, number):
        return kept[kind, number].detach().flatten(1).numpy()

    for number in range(layers):
        x, y = flat(trained, "A", number), flat(untrained, "A", number)
        cka(x @ x.T, y @ y.T)
        cka(rbf_kernel(flat(trained, "B", number)), rbf_kernel(flat(untrained, "B", number)))
        for kept in (trained, untrained):
            cka(rbf_kernel(flat(kept, "B gradient", number)), rbf_kernel(flat(kept, "A gradient", number)))


given.trained(input_features=clips[0][0])  # warm-up
both = (given.trained, frozen)
seconds = {"contribution": seconds_of(lambda: [contribution(model) for model in both]),
           "lens": seconds_of(lambda: [lens(model) for model in both]),
           "erasure": seconds_of(erasure), "progressive": seconds_of(progressive)}
found = {}
seconds["gradients"] = seconds_of(lambda: found.update(trained=gradients(given.trained), untrained=gradients(given.untrained)))
seconds["svd"] = seconds_of(lambda: svd(*found.values()))
seconds["cka"] = seconds_of(lambda: similarity(found["trained"], found["untrained"]))
answer(**given.whole(seconds))
