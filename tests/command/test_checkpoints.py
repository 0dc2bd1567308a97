"""Checkpoints of other programs: whole classifiers, short windows, pickles of PyTorch, snapshots in the hub's cache."""
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import support
import tiny_whisper as tiny
from support import CLASSES, expect_error, expect_no_trace, noise, run, succeed, table_of, write_table, write_wav

QUICK = ["--folds", "speaker:2", "--epochs", 1, "--head-epochs", 1, "--select", "last", "--threads", 1]


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A folder with a transcriber `model`, a clip and a corpus; the classifier that shares its encoder."""
    folder = tmp_path_factory.mktemp("material")
    return folder, tiny.material_of(folder)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_whole_classifier_of_transformers(weighted, material, tmp_path):
    place, _ = material
    model = tiny.classifier(id2label=dict(enumerate(CLASSES)), use_weighted_layer_sum=weighted)
    tiny.randomised(model, seed=4)
    trained = tmp_path / "trained"
    model.save_pretrained(trained, max_shard_size="100KB" if weighted else "5GB")
    assert weighted == (trained / "model.safetensors.index.json").exists()
    line = json.loads(succeed("predict", trained, place / "a.wav", "--input", "padded", "--precision", "fp32"))
    assert list(line["probabilities"]) == CLASSES
    assert list(line["probabilities"].values()) == pytest.approx(tiny.expected(model), abs=2e-5)
    metrics = json.loads(succeed("evaluate", trained, "--corpus", place / "clips.csv", "--json"))
    assert metrics["classes"] == CLASSES and metrics["clips"] == 8
    analysis = ["analyze", trained, "--corpus", place / "clips.csv", "--only", "contribution,logit-lens", "--threads", 1]
    succeed(*analysis, "--model", place / "model", "-o", tmp_path / "analysis")
    rows = table_of(tmp_path / "analysis" / "tables" / "contribution.csv")
    assert any(float(row["value"]) != 0 for row in rows if row["model"] == "adapted-frozen")


def values_of(table, model):
    return {tuple(row[key] for key in ("variant", "layer", "component", "metric", "class")): row["value"]
            for row in table_of(table) if row["model"] == model and row["fold"] == ""}


@pytest.mark.parametrize("protocol", ["strict", "paper"])
def test_a_classifier_whose_base_is_unknown_is_analysed_alone(protocol, material, tmp_path):
    place, _ = material
    model = tiny.classifier(id2label=dict(enumerate(CLASSES)))
    tiny.randomised(model, seed=4)
    model.save_pretrained(tmp_path / "trained")
    analysis = ["analyze", tmp_path / "trained", "--corpus", place / "clips.csv", "--threads", 1, "--protocol", protocol]
    result = run(*analysis, "-o", tmp_path / "alone")
    assert result.returncode == 0 and "--model names it" in result.stderr
    assert ("without ablation, patching" in result.stderr) == (protocol == "strict")
    succeed(*analysis, "--model", place / "model", "-o", tmp_path / "compared")
    for name in ["contribution", "logit-lens", "erasure", "gradients"]:
        alone, compared = tmp_path / "alone" / "tables" / f"{name}.csv", tmp_path / "compared" / "tables" / f"{name}.csv"
        assert {row["model"] for row in table_of(alone)} <= {"adapted"}
        assert values_of(alone, "adapted") == values_of(compared, "adapted")
    summary = json.loads((tmp_path / "alone" / "summary.json").read_text())
    assert "against" not in summary["about"] and "untrained" not in summary["about"]
    sentences = [sentence for a in summary["analyses"] for sentence in a["reading"]]
    assert sentences and not any(word in sentence for sentence in sentences
                                 for word in ("rozen", "adaptation", "before training"))
    expect_error(run(*analysis, "--only", "depth,patching", "-o", tmp_path / "none"), 1, "no depth, patching", "--model")
    for flag in ["--against", "--untrained"]:
        expect_error(run(*analysis, flag, place / "model", "-o", tmp_path / "none"), 1, "whole classifier", "--model")
    expect_no_trace(tmp_path / "none")


def test_a_model_of_short_windows_reads_windows_of_its_own(tmp_path):
    model = tiny.classifier(max_source_positions=750)
    base = tiny.transcriber(tiny.classifier())
    base.config.max_source_positions = 750
    base.model.encoder.embed_positions = torch.nn.Embedding(750, 64)
    base.model.encoder.load_state_dict(model.encoder.state_dict())
    base.save_pretrained(tmp_path / "model")
    adapter = tiny.adapted(model)
    adapter.save_pretrained(tmp_path / "adapter")
    short = tiny.clip_of(tmp_path)
    assert tiny.predicted(tmp_path / "adapter", short, "--model", tmp_path / "model") == \
        pytest.approx(tiny.expected(adapter), abs=2e-5)
    long = write_wav(tmp_path / "20s.wav", noise(20, seed=3))
    result = run("predict", tmp_path / "adapter", short, long, tmp_path / "gone.wav", short, "--model", tmp_path / "model")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 1 and ["label" in line for line in lines] == [True, True, False, True]
    assert lines[1]["seconds"] == 20 and lines[0]["label"] == lines[3]["label"] and "gone.wav" in lines[2]["error"]
    assert "is longer than 15 s: the prediction pools all windows of 15 s" in result.stderr
    for i in (1, 2):
        write_wav(tmp_path / f"{i}.wav", noise(13 * i, seed=i))
    rows = [["20s.wav", "anger", "x"], ["a.wav", "sadness", "x"], ["2.wav", "sadness", "y"], ["1.wav", "anger", "y"]]
    write_table(tmp_path / "long.csv", rows)
    for form in ("speech", "padded"):
        succeed("train", "--model", tmp_path / "model", "--corpus", tmp_path / "long.csv", *QUICK, "--allow-leaks",
                "--input", form, "-o", tmp_path / form)


# ---- Pickles of PyTorch

OPENAI = [("layers.", "blocks."), ("self_attn_layer_norm", "attn_ln"), ("encoder_attn_layer_norm", "cross_attn_ln"),
          ("final_layer_norm", "mlp_ln"), ("self_attn.q_proj", "attn.query"), ("self_attn.k_proj", "attn.key"),
          ("self_attn.v_proj", "attn.value"), ("self_attn.out_proj", "attn.out"),
          ("encoder_attn.q_proj", "cross_attn.query"), ("encoder_attn.k_proj", "cross_attn.key"),
          ("encoder_attn.v_proj", "cross_attn.value"), ("encoder_attn.out_proj", "cross_attn.out"), ("fc1", "mlp.0"),
          ("fc2", "mlp.2"), ("embed_positions.weight", "positional_embedding"), ("embed_tokens", "token_embedding")]


def as_openai(path, tensors, **change):
    """Writes tensors of transformers as OpenAI's file."""
    state = {}
    for name, tensor in tensors.items():
        for theirs, openais in OPENAI:
            name = name.replace(theirs, openais)
        name = name.removeprefix("model.").replace("encoder.layer_norm.", "encoder.ln_post.")
        state[name.replace("decoder.layer_norm.", "decoder.ln.")] = tensor
    dims = dict(n_mels=80, n_vocab=51864, n_audio_ctx=1500, n_audio_state=64, n_audio_head=2, n_audio_layer=2,
                n_text_ctx=448, n_text_state=64, n_text_head=2, n_text_layer=1)
    torch.save({"dims": dims | change, "model_state_dict": state}, path)


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_openais_file_is_imported(material, tmp_path):
    place, _ = material
    config = tiny.CONFIG | dict(vocab_size=51864)
    whole = tiny.transcriber(tiny.classifier())
    whole.resize_token_embeddings(51864)
    tensors = {name: tensor for name, tensor in whole.state_dict().items() if name != "proj_out.weight"}
    as_openai(tmp_path / "whisper.pt", {name: tensor.half() for name, tensor in tensors.items()})
    succeed("import", tmp_path / "whisper.pt", "--to", tmp_path / "out")
    assert equal(load_file(tmp_path / "out" / "model.safetensors"), {k: v.half() for k, v in tensors.items()})
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert {key: written[key] for key in ("d_model", "decoder_layers", "encoder_ffn_dim", "vocab_size")} == \
        {key: config[key] for key in ("d_model", "decoder_layers", "encoder_ffn_dim", "vocab_size")}
    expect_error(run("train", "--model", tmp_path / "whisper.pt", "--corpus", place / "clips.csv", *QUICK, "-o",
                     tmp_path / "run"), 1, "OpenAI's Whisper", f"loralens import {tmp_path / 'whisper.pt'} --to")
    encoder = {name: tensor for name, tensor in tensors.items() if "encoder." in name and "decoder" not in name}
    as_openai(tmp_path / "encoder.pt", encoder)
    succeed("import", tmp_path / "encoder.pt", "--to", tmp_path / "encoder")
    succeed("train", "--model", tmp_path / "encoder", "--corpus", place / "clips.csv", *QUICK, "-o", tmp_path / "run")
    for name, change, words in (("wide", dict(n_audio_state=32), ["\"dims\" ask for"]),
                                ("deep", dict(n_audio_layer=3), ["blocks.2", "missing"]),
                                ("shallow", dict(n_audio_layer=1), ["encoder.blocks.1", "no place"]),
                                ("huge", dict(n_audio_layer=10**9), ["n_audio_layer"])):
        as_openai(tmp_path / f"{name}.pt", encoder, **change)
        expect_error(run("import", tmp_path / f"{name}.pt", "--to", tmp_path / f"out-{name}"), 1, f"{name}.pt", *words)
        expect_no_trace(tmp_path / f"out-{name}")


def test_a_folder_with_a_pickle_is_imported(material, tmp_path):
    place, _ = material
    tensors = load_file(place / "model" / "model.safetensors")
    single, sharded = tmp_path / "single", tmp_path / "sharded"
    names = sorted(tensors)
    for folder in (single, sharded):
        folder.mkdir()
        shutil.copy(place / "model" / "config.json", folder)
    torch.save(tensors, single / "pytorch_model.bin")
    shards = {f"pytorch_model-0000{i + 1}-of-00002.bin": names[i::2] for i in (0, 1)}
    for shard, own in shards.items():
        torch.save({name: tensors[name] for name in own}, sharded / shard)
    index = {"weight_map": {name: shard for shard, own in shards.items() for name in own}}
    (sharded / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    for folder in (single, sharded):
        expect_error(run("train", "--model", folder, "--corpus", place / "clips.csv", *QUICK, "-o", tmp_path / "run"), 1,
                     "pytorch_model.bin", "loralens import")
        out = folder.with_suffix(".out")
        succeed("import", folder, "--to", out)
        assert equal(load_file(out / "model.safetensors"), tensors)
        assert (out / "config.json").read_bytes() == (folder / "config.json").read_bytes()
        succeed("import", folder, "--to", out, "--force")
        assert equal(load_file(out / "model.safetensors"), tensors)
    save_file(tensors, out / "model.safetensors")
    expect_error(run("import", single, "--to", out, "--force"), 1, "loralens did not write it")
    (tmp_path / "evil.bin").write_bytes((single / "pytorch_model.bin").read_bytes())
    index["weight_map"] = {name: "../evil.bin" for name in names}
    (sharded / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    expect_error(run("import", sharded, "--to", tmp_path / "hostile"), 1, "no plain file name")
    expect_no_trace(tmp_path / "hostile")


def test_no_metadata(material, tmp_path):
    place, model = material
    folder = tmp_path / "model"
    shutil.copytree(place / "model", folder)
    tiny.adapted(model).save_pretrained(tmp_path / "adapter")
    answer = tiny.predicted(tmp_path / "adapter", place / "a.wav", "--model", folder)
    for file in (folder / "model.safetensors", tmp_path / "adapter" / "adapter_model.safetensors"):
        header, data = support.read_safetensors(file)
        support.write_safetensors(file, header | {"__metadata__": None}, data)
    assert tiny.predicted(tmp_path / "adapter", place / "a.wav", "--model", folder) == answer


def test_snapshots_in_the_cache(material, tmp_path, monkeypatch):
    place, model = material
    monkeypatch.setitem(support.ENVIRONMENT, "HF_HOME", str(tmp_path / "hf"))
    tiny.adapted(model).save_pretrained(tmp_path / "adapter")
    snapshots = tmp_path / "hf" / "hub" / "models--someone--whisper-mini" / "snapshots"
    commits = ["1" * 40, "2" * 40]
    shutil.copytree(place / "model", snapshots / commits[0])
    predict = ["predict", tmp_path / "adapter", place / "a.wav", "--model"]
    succeed(*predict, "someone/whisper-mini")
    succeed(*predict, f"someone/whisper-mini@{commits[0]}")
    shutil.copytree(place / "model", snapshots / commits[1])
    expect_error(run(*predict, "someone/whisper-mini"), 1, snapshots / commits[0], snapshots / commits[1], "--model")
    succeed(*predict, f"someone/whisper-mini@{commits[1]}")
    refs = snapshots.parent / "refs"
    refs.mkdir()
    (refs / "v1").write_text(commits[0])
    succeed(*predict, "someone/whisper-mini@v1")
    expect_error(run(*predict, "someone/whisper-mini@v2"), 1, "loralens fetch someone/whisper-mini@v2")
    pickled = snapshots.parents[1] / "models--someone--pickled" / "snapshots" / commits[0]
    pickled.mkdir(parents=True)
    shutil.copy(place / "model" / "config.json", pickled)
    torch.save(load_file(place / "model" / "model.safetensors"), pickled / "pytorch_model.bin")
    expect_error(run(*predict, "someone/pickled"), 1, f"loralens import {pickled} --to DIR")
    succeed("import", pickled, "--to", tmp_path / "imported")
    succeed(*predict, tmp_path / "imported")
    for outside in ("someone/whisper-mini@../x", "someone/..@v1"):
        assert run(*predict, outside).returncode == 1
