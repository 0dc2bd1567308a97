"""Damaged, hostile and mismatched checkpoints and adapters, and outputs that cannot be written."""
import json
import os
import resource
import shutil
import signal
import struct
import subprocess

import pytest

from support import expect_error, expect_no_trace, files_of, read_safetensors, run, succeed, write_safetensors

WEIGHTS = "adapter_model.safetensors"
HEAD = "base_model.model.classifier.bias"  # the first tensor of the file, 4 numbers of 4 bytes


def first_lora(header):
    return min(name for name in header if name.endswith(".lora_A.weight"))


def last(header):
    """The header entry of the last tensor in the file."""
    return max((entry for name, entry in header.items() if name != "__metadata__"), key=lambda e: e["data_offsets"][1])


def damage(name, path):
    """Damages the safetensors file of an adapter."""
    content = path.read_bytes()
    header, data = read_safetensors(path)
    lora = first_lora(header)
    if name == "missing":
        path.unlink()
        return
    if name in RAW:
        path.write_bytes(RAW[name](content))
        return
    if name == "overlapping-offsets":
        header[HEAD] |= {"data_offsets": [0, 20], "shape": [5]}
    elif name == "negative-offsets":
        header[HEAD]["data_offsets"][0] = -16
    elif name == "offsets-beyond-the-end":
        last(header)["data_offsets"][1] += 16
    elif name == "backward-offsets":
        header[HEAD]["data_offsets"].reverse()
    elif name == "huge-shape":
        header[HEAD]["shape"] = [2**62, 2**62]
    elif name == "unknown-type":
        header[HEAD]["dtype"] = "F4"
    elif name == "wrong-shape":
        header[lora]["shape"].reverse()
    elif name == "missing-key":
        header[lora.replace("layers.2", "layers.0")] = header.pop(lora)
    elif name == "missing-head":
        header["base_model.model.other"] = header.pop(HEAD)
    elif name == "surplus-key":
        header["base_model.model.more"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
        data += bytes(4)
    write_safetensors(path, header, data)


# Damage to the file's bytes, by name of the case.
RAW = {
    "empty": lambda content: b"",
    "seven-bytes": lambda content: content[:7],
    "truncated": lambda content: content[:-1000],
    "truncated-header": lambda content: content[:100],
    "header-of-gigabytes": lambda content: struct.pack("<Q", 5 << 30) + content[8:],
    "header-of-exabytes": lambda content: struct.pack("<Q", 2**63 + 8) + content[8:],
    "no-json": lambda content: content[:8] + b"}" + content[9:],
    "bytes-at-the-end": lambda content: content + b"1234",
}

# Words of the expected error, by name of the case.
DAMAGED = {
    "missing": ["No such file"],
    "empty": ["no safetensors"],
    "seven-bytes": ["no safetensors"],
    "truncated": ["fetch or copy it again"],
    "truncated-header": ["fetch or copy it again"],
    "header-of-gigabytes": ["header", "5368709120"],
    "header-of-exabytes": ["header"],
    "no-json": ["no JSON object"],
    "bytes-at-the-end": ["4 bytes at the end"],
    "overlapping-offsets": ["overlaps"],
    "negative-offsets": [HEAD, "data_offsets"],
    "offsets-beyond-the-end": ["ends at byte", "fetch or copy it again"],
    "backward-offsets": [HEAD, "ends before it begins"],
    "huge-shape": [HEAD, "shape"],
    "unknown-type": [HEAD, "F4"],
    "wrong-shape": ["lora_A.weight", "shape", "another model size"],
    "missing-key": ["lora_A.weight", "missing"],
    "missing-head": [HEAD, "missing"],
    "surplus-key": ["this model has no tensor", "base_model.model.more"],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_adapter_is_refused(name, adapter, model, clips):
    damage(name, adapter / WEIGHTS)
    expect_error(run("predict", adapter, clips[0], "--model", model), 1, WEIGHTS, *DAMAGED[name])


BAD_PEFT_CONFIGS = {
    "no-json": ("{", ["no valid JSON"]),
    "no-object": ("[]", ["not a JSON object"]),
    "no-type": ("{}", ["peft_type"]),
    "other-type": ('{"peft_type": "PREFIX_TUNING"}', ["PREFIX_TUNING", "not supported"]),
    "no-rank": ('{"peft_type": "LORA"}', ['"r" is missing']),
    "rank-of-text": ('{"peft_type": "LORA", "r": "x", "lora_alpha": 1, "target_modules": ["v_proj"]}',
                     ["r is", "whole number"]),
    "fractional-rank": ('{"peft_type": "LORA", "r": 4.5, "lora_alpha": 1, "target_modules": ["v_proj"]}',
                        ["r is 4.5", "whole number"]),
    "kasa": ('{"peft_type": "LORA", "r": 4, "lora_alpha": 1, "target_modules": ["v_proj"], '
             '"kasa_config": {"beta": 1e-4, "gamma": 1e-3}}', ["kasa_config"]),
    "no-such-module": ('{"peft_type": "LORA", "r": 4, "lora_alpha": 1, "target_modules": ["w_proj"]}', ["w_proj"]),
    "no-such-layer": ('{"peft_type": "LORA", "r": 4, "lora_alpha": 1, "target_modules": ["v_proj"], '
                      '"layers_to_transform": [9]}', ["layer 9"]),
    "huge-rank": ('{"peft_type": "LORA", "r": 100000000, "lora_alpha": 1, "target_modules": ["v_proj"]}', ["rank"]),
    "dora": ('{"peft_type": "LORA", "r": 4, "lora_alpha": 1, "target_modules": ["v_proj"], "use_dora": true}',
             ["adapter_model.safetensors", "missing"]),
}


@pytest.mark.parametrize("name", BAD_PEFT_CONFIGS)
def test_a_bad_peft_configuration_is_refused(name, adapter, model, clips):
    text, words = BAD_PEFT_CONFIGS[name]
    (adapter / "adapter_config.json").write_text(text)
    expect_error(run("predict", adapter, clips[0], "--model", model), 1, *words)


NESTED = "[" * 100_000 + "]" * 100_000
SLOW = "((\\\\w|\\\\.)+)+[!?]"  # backtracks exponentially; escaped for JSON
LORA = '{"peft_type": "LORA", "lora_alpha": 1, '
HOSTILE_PEFT_CONFIGS = {
    "nested": (LORA + f'"r": {NESTED}, "target_modules": ["v_proj"]}}', ["adapter_config.json", "nested more than 64"]),
    "slow-target": (LORA + f'"r": 4, "target_modules": "{SLOW}"}}', ["too many steps"]),
    "slow-rank-pattern": (LORA + f'"r": 4, "target_modules": ["v_proj"], "rank_pattern": {{"{SLOW}": 2}}}}',
                          ["too many steps"]),
    "long-target": (LORA + f'"r": 4, "target_modules": "{"a" * 200_000}"}}', ["200000 letters"]),
    "no-rank-at-all": (LORA + '"r": 0, "target_modules": ["v_proj"]}', ["r is 0", "1 to 4096"]),
    "key-twice": (LORA + '"r": 2, "r": 4, "target_modules": ["v_proj"]}', ['"r" stands twice']),
    "latin-1": (LORA + '"r": 2, "target_modules": ["T\udcfcr"]}', ["not UTF-8"]),
}


@pytest.mark.parametrize("name", HOSTILE_PEFT_CONFIGS)
def test_a_hostile_peft_configuration_is_an_error(name, adapter, model, clips):
    text, words = HOSTILE_PEFT_CONFIGS[name]
    (adapter / "adapter_config.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    expect_error(run("predict", adapter, clips[0], "--model", model), 1, *words)


def test_nested_json_is_an_error_everywhere(trained, checkpoint, clips, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    metrics = (copy / "metrics.json").read_text().rstrip()
    (copy / "metrics.json").write_text(metrics[:-1] + f', "x": {NESTED}}}')
    for command in ("report", "evaluate"):
        expect_error(run(command, copy), 1, "metrics.json", "nested more than 64")
    (copy / "summary.json").write_text(NESTED)
    expect_error(run("report", copy), 1, "summary.json", "nested more than 64")
    config = copy / "fold-00" / "config.json"
    config.write_text(config.read_text().rstrip()[:-1] + f', "x": {NESTED}}}')
    expect_error(run("predict", copy / "fold-00", clips[0]), 1, config, "nested more than 64")
    (tmp_path / "t.jsonl").write_text(f'{{"path": {NESTED}}}')
    expect_error(run("corpus", "table", tmp_path / "t.jsonl", "-o", tmp_path / "t.csv"), 1, "t.jsonl: line 1", "nested")
    (checkpoint / "model.safetensors").rename(checkpoint / "m.safetensors")
    (checkpoint / "model.safetensors.index.json").write_text(f'{{"weight_map": {NESTED}}}')
    fold = trained / "fold-00"
    expect_error(run("predict", fold, clips[0], "--model", checkpoint), 1, "index.json", "nested more than 64")
    (tmp_path / "dots.toml").write_text("a." * 100_000 + "a = 1")
    expect_error(run("predict", fold, clips[0], "--config", tmp_path / "dots.toml"), 2, "dots.toml", "dots")


def poison(path, name, number):
    """Replaces the last number of a tensor."""
    header, data = read_safetensors(path)
    entry = header[name]
    packed = struct.pack({"F32": "<f", "F16": "<e"}[entry["dtype"]], number)
    end = entry["data_offsets"][1]
    write_safetensors(path, header, data[: end - len(packed)] + packed + data[end:])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_refused(number, adapter, checkpoint, model, trained, clips):
    name = first_lora(read_safetensors(adapter / WEIGHTS)[0])
    poison(adapter / WEIGHTS, name, number)
    expect_error(run("predict", adapter, clips[0], "--model", model), 1, WEIGHTS, name, "NaN or an infinity")
    name = "model.encoder.layers.1.fc2.bias"
    poison(checkpoint / "model.safetensors", name, number)
    expect_error(run("predict", trained / "fold-00", clips[0], "--model", checkpoint), 1, "model.safetensors", name,
                 "NaN or an infinity")


def test_a_configuration_of_wrong_types_is_refused(trained, clips, tmp_path):
    folder = tmp_path / "fold"
    shutil.copytree(trained / "fold-00", folder)
    config = json.loads((folder / "config.json").read_text())
    for key, value in {"tail_seconds": "half", "input": "text", "encoder_sha256": 7, "base": []}.items():
        changed = config | {"loralens": config["loralens"] | {key: value}}
        (folder / "config.json").write_text(json.dumps(changed))
        expect_error(run("predict", folder, clips[0]), 1, folder / "config.json", f'"{key}" is', json.dumps(value))


def test_an_adapter_of_another_base_is_refused(trained, adapter, clips, tmp_path, corpus):
    if run("fetch", "base").returncode != 0:
        pytest.skip("the weights of Whisper base are not on this machine")
    words = ["another base encoder", "openai/whisper-tiny.en", "--model"]
    expect_error(run("predict", trained, clips[0], "--model", "base"), 1, *words)
    out = tmp_path / "out"
    expect_error(run("evaluate", trained, "--corpus", corpus, "--model", "base", "-o", out), 1, *words)
    expect_no_trace(out)
    # A bare PEFT folder does not name its base model, but its shapes show the size of it.
    expect_error(run("predict", adapter, clips[0], "--model", "base"), 1, "shape", "another model size")


@pytest.fixture
def checkpoint(model, tmp_path):
    """A copy of the base model's folder that the test may damage."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(os.path.join(succeed("fetch", model).strip(), name), folder)
    return folder


BAD_CHECKPOINTS = {
    "truncated": ["model.safetensors", "cut"],
    "no-weights": ["model.safetensors"],
    "no-config": ["no config.json"],
    "config-of-another-model": ["config.json", "whisper"],
    "config-of-another-size": ["shape", "config.json"],
    "config-without-a-size": ["d_model"],
    "config-is-no-json": ["config.json", "JSON"],
    "missing-tensor": ["encoder.layer_norm.weight", "missing"],
    "other-activation": ["config.json", "activation_function", '"relu"'],
    "other-heads": ["config.json", "encoder_attention_heads", "has 6"],
    "fewer-layers": ["has no tensor", "encoder.layers.3."],
    "no-layers": ["config.json", "encoder_layers", "1 to 256"],
}


CONFIG_CHANGES = {
    "other-activation": {"activation_function": "relu"},
    "other-heads": {"encoder_attention_heads": 4},
    "fewer-layers": {"encoder_layers": 3},
    "no-layers": {"encoder_layers": 0},
}


@pytest.mark.parametrize("name", BAD_CHECKPOINTS)
def test_a_bad_checkpoint_is_refused(name, checkpoint, corpus, tmp_path):
    weights, config_file = checkpoint / "model.safetensors", checkpoint / "config.json"
    config = json.loads(config_file.read_text())
    if name == "truncated":
        os.truncate(weights, weights.stat().st_size // 2)
    elif name == "no-weights":
        weights.unlink()
    elif name == "no-config":
        config_file.unlink()
    elif name == "config-of-another-model":
        config_file.write_text(json.dumps(config | {"model_type": "bert"}))
    elif name == "config-of-another-size":
        config_file.write_text(json.dumps(config | {"d_model": 512, "encoder_attention_heads": 8}))
    elif name in CONFIG_CHANGES:
        config_file.write_text(json.dumps(config | CONFIG_CHANGES[name]))
    elif name == "config-without-a-size":
        del config["d_model"]
        config_file.write_text(json.dumps(config))
    elif name == "config-is-no-json":
        config_file.write_text("model")
    elif name == "missing-tensor":
        content = weights.read_bytes()
        weights.write_bytes(content.replace(b"encoder.layer_norm.weight", b"encoder.layer_norm.weighx", 1))
    out = tmp_path / "run"
    result = run("-q", "train", "--model", checkpoint, "--corpus", corpus, "--folds", "speaker:2", "-o", out)
    expect_error(result, 1, *BAD_CHECKPOINTS[name])
    expect_no_trace(out)


def test_a_bad_run_is_refused(trained, clips, tmp_path):
    expect_error(run("predict", tmp_path / "none", clips[0]), 1, tmp_path / "none", "does not exist")
    expect_error(run("predict", tmp_path, clips[0]), 1, tmp_path, "neither a run", "nor a model folder")
    expect_error(run("evaluate", tmp_path), 1, tmp_path, "no finished run", "--corpus")
    copy = tmp_path / "run"
    shutil.copytree(trained, copy)
    (copy / "metrics.json").write_text("{}")
    expect_error(run("evaluate", copy), 1, "metrics.json")
    shutil.copy(trained / "metrics.json", copy)
    (copy / "predictions.csv").unlink()
    expect_error(run("evaluate", copy), 1, "predictions.csv", "No such file")


def every_output(flags, trained, corpus):
    """Commands that write a folder or file; its path is to be appended."""
    return [["-q", "train", *flags, "-o"], ["synth", "--voices", 1, "--sentences", 1, "-o"],
            ["evaluate", trained, "-o"], ["corpus", "table", corpus, "-o"]]


def test_an_existing_output_is_never_touched(flags, trained, corpus, tmp_path):
    for command in every_output(flags, trained, corpus):
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        (out / "mine.txt").write_text("mine")
        expect_error(run(*command, out), 1, out, "exists already", "--force")
        assert files_of(tmp_path) == {"out/mine.txt": b"mine"}


def test_an_output_below_a_file_is_refused(flags, trained, corpus, tmp_path):
    (tmp_path / "file").write_text("mine")
    for command in every_output(flags, trained, corpus):
        expect_error(run(*command, tmp_path / "file" / "out"), 1, tmp_path / "file" / "out", "Not a directory")
    assert files_of(tmp_path) == {"file": b"mine"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_in_a_protected_folder_is_refused(flags, trained, corpus, tmp_path):
    folder = tmp_path / "protected"
    folder.mkdir(mode=0o555)
    for command in every_output(flags, trained, corpus):
        expect_error(run(*command, folder / "out"), 1, folder / "out", "Permission denied")


def small_files_only():
    """Makes writes beyond 1 KiB fail, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


def test_a_file_that_cannot_be_written_whole_leaves_nothing(flags, trained, corpus, tmp_path):
    train, _, evaluate, _ = every_output(flags, trained, corpus)
    for command in (train, evaluate):
        out = tmp_path / "out"
        expect_error(run(*command, out, preexec_fn=small_files_only), 1, "cannot write", out)
        expect_no_trace(out)


@pytest.fixture
def small_disk(tmp_path):
    """A mounted file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_leaves_nothing(flags, trained, corpus, small_disk):
    full = small_disk / "full"
    for command in every_output(flags, trained, corpus)[:2]:
        expect_error(run(*command, small_disk / "out"), 1, "cannot write", small_disk / "out")
        expect_no_trace(small_disk / "out")
    full.write_bytes(bytes(250 << 10))
    for command in every_output(flags, trained, corpus)[2:]:
        expect_error(run(*command, small_disk / "out"), 1, "cannot write", small_disk / "out", "No space left")
        expect_no_trace(small_disk / "out")
