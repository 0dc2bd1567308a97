"""Adapters that other programs saved with PEFT: names, heads, biases and settings of its files."""
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny_whisper as tiny
from support import CLASSES, expect_error, run, succeed, table_of

WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
PEFT = "base_model.model."


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A folder with the base model, a clip, a corpus, and the adapter `plain` on v_proj with a head."""
    folder = tmp_path_factory.mktemp("material")
    model = tiny.material_of(folder)
    plain = tiny.adapted(model)
    plain.save_pretrained(folder / "plain")
    return folder, model, plain


def write(folder, tensors, settings):
    folder.mkdir()
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / WEIGHTS)
    (folder / SETTINGS).write_text(json.dumps(settings))
    return folder


def parts_of(folder):
    return load_file(folder / WEIGHTS), json.loads((folder / SETTINGS).read_text())


def same(folder, material, model=None):
    """Asserts that the program gives the probabilities of transformers and PEFT. Returns the program's log."""
    place, _, plain = material
    result = run("predict", folder, place / "a.wav", "--model", place / "model", "--input", "padded", "--precision",
                 "fp32", "--threads", 1)
    assert result.returncode == 0, result.stderr
    found = list(json.loads(result.stdout)["probabilities"].values())
    assert found == pytest.approx(tiny.expected(model or plain), abs=2e-5)
    return result.stderr


def test_every_way_of_naming_gives_the_same_numbers(material, tmp_path):
    tensors, settings = parts_of(material[0] / "plain")
    raw = {name: tensor for name, tensor in material[2].state_dict().items()}
    assert any(".lora_A.default." in name for name in raw) and any(".modules_to_save.default." in name for name in raw)
    forms = {
        "as-saved": tensors,
        "named": {name.replace("lora_A.", "lora_A.emotion.").replace("lora_B.", "lora_B.emotion."): tensor
                  for name, tensor in tensors.items()},
        "whole-state": raw,
        "with-modules-to-save": {name.replace("projector.", "projector.modules_to_save."): tensor
                                 for name, tensor in tensors.items()},
        "in-another-model": {name.replace(PEFT, PEFT + "net."): tensor for name, tensor in tensors.items()},
        "encoder-alone": {name.replace("encoder.", ""): tensor for name, tensor in tensors.items()},
        "without-prefix": {name.removeprefix(PEFT): tensor for name, tensor in tensors.items()},
    }
    for form, named in forms.items():
        same(write(tmp_path / form, named, settings), material)
    two = forms["named"] | {name.replace("emotion", "other"): tensor for name, tensor in forms["named"].items()
                            if "emotion" in name}
    refused = run("predict", write(tmp_path / "two", two, settings), material[0] / "a.wav", "--model",
                  material[0] / "model")
    expect_error(refused, 1, "several adapters", "emotion, other")


def test_a_pickle_is_read_without_its_code(material, tmp_path):
    tensors, settings = parts_of(material[0] / "plain")
    folder = write(tmp_path / "pickled", {}, settings)
    (folder / WEIGHTS).unlink()
    torch.save(tensors, folder / "adapter_model.bin")
    same(folder, material)
    predict = ["predict", folder, material[0] / "a.wav", "--model", material[0] / "model"]

    class Hostile:
        def __reduce__(self):
            return print, (f"this code ran",)

    torch.save({"a": Hostile()}, folder / "adapter_model.bin")
    expect_error(run(*predict), 1, "adapter_model.bin", '"a" is no tensor', "print")
    torch.save(tensors, folder / "adapter_model.bin", _use_new_zipfile_serialization=False)
    expect_error(run(*predict), 1, "before PyTorch 1.6", "torch.save(torch.load(")
    torch.save(tensors, folder / "adapter_model.bin")
    whole = (folder / "adapter_model.bin").read_bytes()
    (folder / "adapter_model.bin").write_bytes(whole[:len(whole) // 2])
    expect_error(run(*predict), 1, "adapter_model.bin", "cut")


def test_a_folder_above_an_adapter_is_named(material, tmp_path):
    shutil.copytree(material[0] / "plain", tmp_path / "saved" / "emotion")
    result = run("predict", tmp_path / "saved", material[0] / "a.wav", "--model", material[0] / "model")
    expect_error(result, 1, tmp_path / "saved" / "emotion", "PEFT adapter")


def test_an_adapter_of_a_transcriber_is_analysed_without_a_head(material, tmp_path):
    place, model, plain = material
    adapter = tiny.adapted(tiny.transcriber(model), modules_to_save=None, target_modules=r"model\..*\.v_proj")
    values = {name.split("encoder.", 1)[1]: tensor for name, tensor in plain.state_dict().items() if "lora_" in name}
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            if "lora_" in name and "encoder." in name:
                parameter.copy_(values[name.split("encoder.", 1)[1]])
    adapter.save_pretrained(tmp_path / "adapter")
    result = run("predict", tmp_path / "adapter", place / "a.wav", "--model", place / "model")
    expect_error(result, 1, "no emotion head", "--from", "loralens analyze")
    for name, more in (("adapter", []), ("plain", ["--classes", ",".join(CLASSES)])):
        folder = tmp_path / name if name == "adapter" else place / name
        result = run("analyze", folder, *more, "--model", place / "model", "--corpus", place / "clips.csv", "--threads",
                     1, "-o", tmp_path / f"{name}-analysis", *(["--only", "contribution,spectrum"] if more else []))
        assert result.returncode == 0, result.stderr
        if name == "adapter":
            assert "2 modules of the decoder" in result.stderr
            assert ("left out: logit-lens, erasure, ablation, patching, difference-lens, diagnosis, gradients, gradients of the loss"
                    in result.stderr)
    tables = {name: tmp_path / f"{name}-analysis" / "tables" for name in ("adapter", "plain")}
    assert table_of(tables["adapter"] / "contribution.csv") == table_of(tables["plain"] / "contribution.csv")
    spectra = {name: {(row["model"], row["variant"], row["layer"], row["component"], row["metric"], row["fold"]):
                      row["value"] for row in table_of(tables[name] / "spectrum.csv") if row["model"] == "adapted"}
               for name in tables}
    assert spectra["adapter"].items() <= spectra["plain"].items()
    assert {component for _, _, _, component, _, _ in spectra["adapter"]} >= {"A", "B", "delta-weight"}
    assert {path.stem for path in tables["adapter"].iterdir()} == {"contribution", "probes", "spectrum", "alignment",
                                                                   "embedding", "dynamics"}
    result = run("analyze", tmp_path / "adapter", "--model", place / "model", "--corpus", place / "clips.csv", "--only",
                 "logit-lens", "-o", tmp_path / "lens")
    assert result.returncode == 1 and "without a head there is no logit-lens" in result.stderr


@pytest.mark.parametrize("dora", [False, True])
def test_an_adapter_on_the_head_is_merged_into_its_weights(dora, material, tmp_path):
    place, model, _ = material
    adapter = tiny.adapted(model, target_modules=["v_proj", "projector", "classifier"], modules_to_save=None,
                           use_dora=dora, rank_pattern={"classifier": 2})
    adapter.save_pretrained(tmp_path / "lost")
    tensors, settings = parts_of(tmp_path / "lost")
    head = {f"{PEFT}{layer}.base_layer.{part}": getattr(getattr(model, layer), part) for layer in tiny.HEAD
            for part in ("weight", "bias")}
    same(write(tmp_path / "with-head", tensors | head, settings), material, adapter)
    if dora:
        return
    refused = run("predict", tmp_path / "lost", place / "a.wav", "--model", place / "model")
    expect_error(refused, 1, "projector and classifier", "not in the file", "modules_to_save")
    result = run("analyze", tmp_path / "lost", "--model", place / "model", "--corpus", place / "clips.csv", "--only",
                 "contribution,spectrum", "--threads", 1, "-o", tmp_path / "analysis")
    assert result.returncode == 0, result.stderr


def test_trained_biases_are_used(material, tmp_path):
    place, model, _ = material
    only = tiny.adapted(model, bias="lora_only")
    tiny.randomised(only, lambda name: "v_proj" in name and name.endswith("bias"), seed=9, scale=0.5)
    only.save_pretrained(tmp_path / "peft")
    tensors, settings = parts_of(tmp_path / "peft")
    without = {name: tensor for name, tensor in tensors.items() if not ("v_proj" in name and name.endswith("bias"))}
    biases = {name: tensor for name, tensor in only.state_dict().items()
              if "v_proj" in name and name.endswith("base_layer.bias")}
    assert len(biases) == 2
    same(write(tmp_path / "base-layer", without | biases, settings), material, only)
    same(write(tmp_path / "old", without | {name.replace("base_layer.", ""): tensor for name, tensor in biases.items()},
               settings), material, only)
    log = same(write(tmp_path / "lost", without, settings), material)
    assert "trained biases of 2 modules are not in it" in log
    refused = run("train", "--from", tmp_path / "old", "--model", place / "model", "--corpus", place / "clips.csv",
                  "--folds", "speaker:2", "-o", tmp_path / "run")
    assert refused.returncode == 1 and "biases" in refused.stderr

    every = tiny.adapted(model, bias="all")
    tiny.randomised(every, lambda name: "encoder" in name and name.endswith("bias"), seed=9, scale=0.5)
    biases = {name: tensor for name, tensor in every.state_dict().items()
              if "encoder" in name and name.endswith(".bias")}
    settings["bias"] = "all"
    same(write(tmp_path / "all", without | biases, settings), material, every)
    every.save_pretrained(tmp_path / "copies")  # with two copies of the head's biases
    tensors, settings = parts_of(tmp_path / "copies")
    copy = f"{PEFT}classifier.modules_to_save.bias"
    assert torch.equal(tensors[copy], tensors[f"{PEFT}classifier.bias"])
    same(tmp_path / "copies", material, every)
    refused = run("predict", write(tmp_path / "unlike", tensors | {copy: tensors[copy] + 1}, settings), place / "a.wav",
                  "--model", place / "model")
    expect_error(refused, 1, copy, "different values")
    keys = tiny.adapted(model, bias="lora_only", target_modules=["k_proj"])
    keys.save_pretrained(tmp_path / "keys")
    assert "biases" not in same(tmp_path / "keys", material, keys)
    other = {f"{PEFT}encoder.layer_norm.bias": torch.ones(64)}
    settings["bias"] = "none"
    refused = run("predict", write(tmp_path / "other", without | other, settings), place / "a.wav", "--model",
                  place / "model")
    expect_error(refused, 1, "encoder.layer_norm.bias", "not those of the base model")


def test_settings_of_peft(material, tmp_path):
    tensors, settings = parts_of(material[0] / "plain")
    for name, change in {
            "exclude-pattern": {"exclude_modules": ".*decoder.*"},
            "exclude-names": {"target_modules": ["v_proj", "q_proj"], "exclude_modules": ["q_proj"]},
            "exclude-whole-names": {"exclude_modules": "v_proj"},  # matches no whole name
            "end": {"target_modules": r".*v_proj\Z"},
            "flag": {"target_modules": "(?i).*V_PROJ"},
            "group": {"target_modules": r"(?P<part>encoder).*\.v_proj"},
            "look-ahead": {"target_modules": "^(?!.*decoder).*v_proj$"},
    }.items():
        assert "unknown" not in same(write(tmp_path / name, tensors, settings | change), material)
    newer = write(tmp_path / "newer", tensors, settings | {"use_new": True, "another_new": {"strength": 2}})
    lines = [line for line in same(newer, material).splitlines() if "unknown" in line]
    assert len(lines) == 1 and "another_new, use_new" in lines[0]
    nothing = write(tmp_path / "nothing", tensors, settings | {"exclude_modules": r".*\.v_proj"})
    refused = run("predict", nothing, material[0] / "a.wav", "--model", material[0] / "model")
    expect_error(refused, 1, "no module of the encoder matches")


def test_a_head_of_another_form_is_named(material, tmp_path):
    place = material[0]
    tensors, settings = parts_of(place / "plain")
    layers = {"projector": "classifier.0", "classifier": "classifier.2"}
    other = {}
    for name, tensor in tensors.items():
        layer, part = name.removeprefix(PEFT).split(".", 1)
        other[f"{PEFT}{layers.get(layer, layer)}.{part}"] = tensor
    folder = write(tmp_path / "adapter", other, settings)
    refused = run("predict", folder, place / "a.wav", "--model", place / "model")
    expect_error(refused, 1, "classifier.0.bias, classifier.0.weight", "projector.weight")
    succeed("analyze", folder, "--model", place / "model", "--corpus", place / "clips.csv", "--only", "contribution",
            "--threads", 1, "-o", tmp_path / "analysis")


def test_a_training_starts_from_an_adapter_and_does_not_resume_it(material):
    refused = run("train", "--resume", material[0] / "plain")
    expect_error(refused, 1, "no interrupted run", "--from")


def test_an_adapter_of_a_transcriber_is_trained_on(material, tmp_path):
    place, model, _ = material
    adapter = tiny.adapted(tiny.transcriber(model), modules_to_save=None, target_modules=r"model\..*\.v_proj",
                           rank_pattern={r"model\.encoder\.layers\.1\.self_attn\.v_proj": 2})
    adapter.save_pretrained(tmp_path / "adapter")
    succeed("train", "--from", tmp_path / "adapter", "--model", place / "model", "--corpus", place / "clips.csv",
            "--folds", "speaker:2", "--epochs", 1, "--head-epochs", 1, "--select", "last", "--threads", 1,
            "-o", tmp_path / "run")
    assert json.loads(succeed("predict", tmp_path / "run", place / "a.wav"))["label"]
    tensors, settings = parts_of(tmp_path / "run" / "fold-00")
    assert settings["rank_pattern"] == {"encoder.layers.1.self_attn.v_proj": 2}
    assert tensors[f"{PEFT}encoder.layers.1.self_attn.v_proj.lora_A.weight"].shape[0] == 2


def test_the_head_of_a_classifier_serves_its_adapters(material, tmp_path):
    place, _, _ = material
    base = tiny.randomised(tiny.classifier(id2label=dict(enumerate(CLASSES))), seed=8)
    base.save_pretrained(tmp_path / "base")
    head = ["v_proj", "projector", "classifier"]
    for name, targets, bias in (("encoder", ["v_proj"], "none"), ("head", head, "none"), ("biases", head, "lora_only")):
        adapter = tiny.adapted(base, target_modules=targets, modules_to_save=None, bias=bias)
        tiny.randomised(adapter, lambda name: bias != "none" and name.endswith("base_layer.bias"), seed=9, scale=0.5)
        adapter.save_pretrained(tmp_path / name)
        line = succeed("predict", tmp_path / name, place / "a.wav", "--model", tmp_path / "base", "--input", "padded",
                       "--precision", "fp32", "--threads", 1)
        probabilities = json.loads(line)["probabilities"]
        assert list(probabilities) == CLASSES
        assert list(probabilities.values()) == pytest.approx(tiny.expected(adapter), abs=2e-5)
