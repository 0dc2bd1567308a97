"""Activations and interventions, against hooks on transformers and PEFT. Tolerance: ‖difference‖ <= 1e-5 ‖value‖."""
import json

import analysis_models as oracle
import pytest
import reference
import torch

import loralens


@pytest.fixture(scope="module", params=["run", "padded"])
def opened(request):
    """A fold's folder and the fold, of a run of each input."""
    run = request.getfixturevalue(request.param)
    return run.models["fold-00"], run.load("fold-00", precision="fp32")


@pytest.fixture(scope="module")
def fold(run):
    return run.load("fold-00", precision="fp32")


@pytest.fixture(scope="module")
def pytorch(model):
    """pytorch(folder, file, frozen, hooks): logits and values of all sites in transformers. hooks: {module: hook}."""
    def passed(folder, file, frozen=False, hooks=None):
        config = oracle.config_of(folder)
        network = (oracle.frozen_model if frozen else oracle.adapted_model)(folder, model, config, torch.float32)
        inner, values = oracle.inner(network), {}

        def keep(name, place=lambda inputs, output: output):
            def hook(module, inputs, output):
                output = output[0] if isinstance(output, tuple) else output
                values[name] = place(inputs, output)[0]
            return hook

        entering = lambda inputs, output: inputs[0]
        for n, layer in enumerate(inner.encoder.layers):
            attention = layer.self_attn
            layer.register_forward_hook(keep(f"residual_in.{n}", entering))
            layer.register_forward_hook(keep(f"residual_out.{n}"))
            layer.self_attn_layer_norm.register_forward_hook(keep(f"attention_in.{n}"))
            layer.final_layer_norm.register_forward_hook(keep(f"residual_mid.{n}", entering))
            layer.final_layer_norm.register_forward_hook(keep(f"mlp_in.{n}"))
            layer.fc2.register_forward_hook(keep(f"mlp_hidden.{n}", entering))
            layer.fc2.register_forward_hook(keep(f"mlp_out.{n}"))
            attention.register_forward_hook(keep(f"attention_out.{n}"))
            attention.out_proj.register_forward_hook(keep(f"heads.{n}", entering))
            for site, linear in (("query", attention.q_proj), ("key", attention.k_proj), ("value", attention.v_proj)):
                linear.register_forward_hook(keep(f"{site}.{n}"))
        for (n, module), linear in oracle.adapters(network).items():
            linear.lora_A["default"].register_forward_hook(keep(f"adapter_down.{n}.{module}"))
            linear.lora_B["default"].register_forward_hook(keep(f"adapter_up.{n}.{module}"))
        inner.encoder.layer_norm.register_forward_hook(keep("final_norm"))
        for name, hook in (hooks or {}).items():
            inner.get_submodule(name).register_forward_hook(hook)
        samples = reference.read_recording(file)
        settings = json.loads((folder / "config.json").read_text())["loralens"]
        mel = reference.features(reference.extractor_of(model), samples, settings["input"] == "padded")
        with torch.no_grad():
            values["logits"] = reference.run(network, mel).logits[0]
        return values
    return passed


def close(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("adapters", [True, False])
def test_every_site_equals_a_hook_on_transformers(opened, clips, pytorch, adapters):
    folder, fold = opened
    expected = [pytorch(folder, file, frozen=not adapters) for file in clips[:2]]
    names = [name for name in expected[0] if name != "logits"]
    assert names and set(names) <= set(fold.sites)
    assert any("adapter_up" in name for name in names) == adapters
    passed = fold.forward(clips[:2], names, adapters=adapters)
    for name in names:
        for found, reference_values in zip(passed[name], expected):
            close(found, reference_values[name])
    close(passed.logits, torch.stack([values["logits"] for values in expected]))


@pytest.fixture(scope="module", params=["frozen", "bitfit", "dora", "houlsby"])
def other_method(request, flags, tmp_path_factory):
    run = loralens.train(**flags, method=request.param, read_out="logistic" if request.param == "frozen" else None,
                         output=tmp_path_factory.mktemp(request.param) / "run")
    return run.load("fold-00", precision="fp32")


def test_listed_sites_are_visited_and_the_frozen_encoder_is_that_of_lora(other_method, fold, clips):
    every = other_method.forward(clips[:2], other_method.sites)
    assert all(torch.isfinite(value).all() for values in every.sites.values() for value in values)
    predicted = [list(row["probabilities"].values()) for row in other_method.predict(clips[:2])]
    assert (every.probabilities - torch.tensor(predicted)).abs().max() < 1e-6
    last = [site for site in other_method.sites if site.startswith("residual_out")][-1]
    expected, = fold.forward(clips[:1], last, adapters=False)[last]
    found, = other_method.forward(clips[:1], last, adapters=False)[last]
    assert torch.equal(found, expected)


def test_sites_after_pooling_and_patterns(fold, clips):
    passed = fold.forward(clips[:3], ["final_norm", "pooled", "logits", "pattern.1", "query.1", "key.1"])
    for n in range(3):
        close(passed["pooled"][n], passed["final_norm"][n].mean(0))
        assert torch.equal(passed["logits"][n], passed.logits[n])
        heads = passed["pattern.1"][n].shape[0]
        query, key = (passed[name][n].unflatten(1, (heads, -1)).transpose(0, 1) for name in ("query.1", "key.1"))
        close(passed["pattern.1"][n], (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1))


def test_logits_give_the_probabilities_of_predict(fold, clips):
    predicted = [list(row["probabilities"].values()) for row in fold.predict(clips)]
    found = fold.forward(clips).probabilities
    assert (found - torch.tensor(predicted)).abs().max() < 1e-6


def test_a_patch_by_the_value_itself_changes_nothing(fold, clips):
    names = [name for name in fold.sites if "pattern" not in name]
    plain = fold.forward(clips[:3], names)
    same = fold.forward(clips[:3], names, patch=dict.fromkeys(names, lambda value: value))
    assert torch.equal(plain.logits, same.logits)
    again = fold.forward(clips[:3], patch={"residual_out.1": plain["residual_out.1"]})
    assert torch.equal(plain.logits, again.logits)


def test_a_patch_acts_as_a_hook_on_transformers(opened, clips, pytorch):
    folder, fold = opened
    hooks = {"encoder.layers.2.fc2": lambda module, inputs, output: torch.zeros_like(output)}
    expected = [pytorch(folder, file, hooks=hooks) for file in clips[:2]]
    passed = fold.forward(clips[:2], ["mlp_out.2", "residual_out.3"], patch={"mlp_out.2": torch.zeros_like})
    assert not passed["mlp_out.2"][1].any()
    for n in range(2):
        close(passed["residual_out.3"][n], expected[n]["residual_out.3"])
        close(passed.logits[n], expected[n]["logits"])
    assert (passed.logits - fold.forward(clips[:2]).logits).abs().max() > 1e-3


def test_states_of_the_frozen_encoder_patched_at_the_end_give_its_logits(fold, clips):
    last = f"residual_out.{fold.layers - 1}"
    frozen = fold.forward(clips[:3], last, adapters=False)
    adapted = fold.forward(clips[:3])
    assert (adapted.logits - frozen.logits).abs().max() > 1e-3
    assert torch.equal(fold.forward(clips[:3], patch={last: frozen[last]}).logits, frozen.logits)


def test_a_patch_gets_a_copy_of_each_file_in_any_order(fold, clips):
    lengths = {tuple(value.shape) for value in fold.forward(clips[:5], "residual_out.0")["residual_out.0"]}
    seen = []

    def spoil(value):
        seen.append(tuple(value.shape))
        value.zero_()  # a copy: the residual stream that another site observed stays
        return torch.ones_like(value)

    passed = fold.forward(clips[:5], ["residual_out.0", "residual_in.1"], patch={"residual_in.1": spoil})
    assert set(seen) == lengths and len(seen) == 5
    assert all(value.any() and not (value == 1).all() for value in passed["residual_out.0"])
    assert all((value == 1).all() for value in passed["residual_in.1"])


def test_tensors_need_no_gradient_and_live_after_the_model(run, clips):
    passed = run.load("fold-00", precision="fp32").forward(clips[0], "residual_out.0")
    assert not passed.logits.requires_grad and torch.isfinite(passed["residual_out.0"][0]).all()


def test_errors_of_passes(run, fold, clips, tmp_path):
    with pytest.raises(loralens.Error, match="did you mean 'residual_out.3'"):
        fold.forward(clips[:1], ["residual_uot.3"])
    with pytest.raises(loralens.Error, match="adapter_up.1.q_proj is no part of this forward pass: there is no"):
        fold.forward(clips[:1], ["adapter_up.1.q_proj"])
    with pytest.raises(loralens.Error, match="adapter_up.1.v_proj is no part of this forward pass"):
        fold.forward(clips[:1], patch={"adapter_up.1.v_proj": torch.zeros_like}, adapters=False)
    with pytest.raises(loralens.Error, match="the patch of mlp_out.1 gives a tensor of shape 2×2"):
        fold.forward(clips[:1], patch={"mlp_out.1": lambda value: value[:2, :2]})
    with pytest.raises(TypeError, match="patch of mlp_out.1: NoneType instead of a tensor"):
        fold.forward(clips[:1], patch={"mlp_out.1": lambda value: None})
    with pytest.raises(ValueError, match="1 tensors for 2 files"):
        fold.forward(clips[:2], patch={"mlp_out.1": [torch.zeros(1)]})
    with pytest.raises(KeyError, match="own"):
        fold.forward(clips[:1], patch={"mlp_out.1": lambda value: {}["own"]})
    with pytest.raises(loralens.Error, match="none.wav"):
        fold.forward(tmp_path / "none.wav")
    with pytest.raises(loralens.Error, match="there is no file"):
        fold.forward([])
    with pytest.raises(loralens.Error, match="has 2 models, and a forward pass is one model's"):
        run.load().forward(clips[:1])


def test_an_identity_patch_is_exact_after_an_error(fold, clips):
    """An exception of a patch leaves the model as it was."""
    plain = fold.forward(clips[:1]).logits
    with pytest.raises(ZeroDivisionError):
        fold.forward(clips[:1], patch={"mlp_out.1": lambda value: value / (1 // 0)})
    assert torch.equal(fold.forward(clips[:1]).logits, plain)
