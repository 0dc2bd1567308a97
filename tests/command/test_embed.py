"""embed: hidden states as NumPy arrays, equal to those of transformers and PEFT; a killed command goes on."""
import json
import shutil
import signal
import time
from pathlib import Path

import numpy
import peft
import pytest
import soundfile
import torch
import transformers
from safetensors.numpy import load_file
from support import expect_error, noise, run, start, succeed, table_of, write_wav


def arrays_of(path):
    """The arrays of an .npz, or of all parts of a folder, one after the other."""
    parts = [dict(numpy.load(p)) for p in ([path] if path.is_file() else sorted(path.glob("part-*.npz")))]
    return {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.fixture(scope="module")
def fold(trained):
    return trained / "fold-00"


@pytest.fixture(scope="module")
def base(model):
    return succeed("fetch", model).strip()


def hidden_states(base, fold, clip, tail=0.5):
    """transformers' hidden states of a clip and its tail of silence: N+1 arrays of T×D; fold: its adapter, or None."""
    model = transformers.WhisperModel.from_pretrained(base)
    if fold:
        model = transformers.WhisperForAudioClassification.from_pretrained(
            base, config=transformers.WhisperConfig.from_pretrained(fold))
        model = peft.PeftModel.from_pretrained(model, fold).get_base_model()
    model.float().eval()
    samples, rate = soundfile.read(clip, dtype="float32")
    samples = numpy.pad(samples, (0, round(tail * rate)))
    samples = numpy.pad(samples, (0, -len(samples) % 320))
    extractor = transformers.WhisperFeatureExtractor()
    mel = extractor(samples, sampling_rate=rate, padding=False, truncation=False).input_features
    mel = torch.from_numpy(numpy.stack(mel))
    encoder = model.encoder
    encoder.config.max_source_positions = encoder.embed_positions.num_embeddings = mel.shape[-1] // 2
    with torch.no_grad():
        states = encoder(mel, output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


def close(found, expected):
    assert found.shape == expected.shape
    assert numpy.abs(found - expected).max() <= 1e-3 * numpy.abs(expected).max()


@pytest.mark.parametrize("adapted", [False, True])
def test_states_are_those_of_transformers(model, base, fold, clips, tmp_path, adapted):
    files, out = clips[:3], tmp_path / "states.npz"
    name = fold if adapted else model
    flags = ["--precision", "fp32", "--threads", 1]
    succeed("embed", name, *files, "--site", "residual_out,final_norm", "--layer=-1,0-2", "-o", out, *flags)
    means = arrays_of(out)
    succeed("embed", name, *files, "--site", "residual_out,final_norm", "--layer=-1,0-2", "--positions", *flags,
            "-o", tmp_path / "positions.npz")
    rows = arrays_of(tmp_path / "positions.npz")
    assert list(means["ids"]) == [str(f) for f in files] == list(rows["ids"])
    for i, clip in enumerate(files):
        expected = hidden_states(base, fold if adapted else None, clip)
        names = ["residual_out.-1", "residual_out.0", "residual_out.1", "residual_out.2"][:len(expected) - 1]
        for name, state in [*zip(names, expected), ("final_norm", expected[-1])]:
            close(means[name][i], state.mean(0))
            close(rows[name][rows["offsets"][i]:rows["offsets"][i + 1]], state)
        assert means["positions"][i] == len(expected[-1]) == rows["positions"][i]
        assert means["seconds"][i] == pytest.approx(soundfile.info(clip).duration, abs=1e-4)


def test_sites_of_the_adapter_and_the_head(fold, clips, tmp_path):
    answer = [json.loads(line) for line in succeed("predict", fold, *clips[:2], "--precision", "fp32").splitlines()]
    sites = "logits,pooled,adapter_down,adapter_up"
    succeed("embed", fold, *clips[:2], "--site", sites, "--layer", "all", "--precision", "fp32",
            "-o", tmp_path / "a.npz")
    arrays = arrays_of(tmp_path / "a.npz")
    assert any(name.startswith("adapter_up.") and name.endswith(".v_proj") for name in arrays)
    p = numpy.exp(arrays["logits"]) / numpy.exp(arrays["logits"]).sum(1, keepdims=True)
    for row, line in zip(p, answer):
        assert list(row) == pytest.approx(list(line["probabilities"].values()), abs=1e-5)
    down = next(name for name in arrays if name.startswith("adapter_down.") and name.endswith(".v_proj"))
    weights = load_file(fold / "adapter_model.safetensors")
    layer = down.split(".")[1]
    b = next(v for k, v in weights.items() if f"layers.{layer}." in k and "v_proj.lora_B" in k)
    close(arrays[down.replace("down", "up")], arrays[down] @ b.T)


def test_adapters_off_is_the_base(model, fold, clips, tmp_path):
    succeed("embed", fold, *clips[:2], "--adapters", "off", "-o", tmp_path / "off.npz")
    succeed("embed", model, *clips[:2], "-o", tmp_path / "base.npz")
    succeed("embed", fold, *clips[:2], "-o", tmp_path / "on.npz")
    off, base, on = (arrays_of(tmp_path / f"{name}.npz")["final_norm"] for name in ("off", "base", "on"))
    assert (off == base).all() and numpy.abs(on - base).max() > 1e-3


def test_a_corpus_has_the_ids_of_its_table_and_parts_their_rows(model, corpus, tmp_path):
    table = tmp_path / "t" / "clips.csv"
    table.parent.mkdir()
    rows = table_of(corpus)[:4]
    for row in rows:
        shutil.copy(corpus.parent / row["path"], table.parent / Path(row["path"]).name)
    names = [Path(row["path"]).name for row in rows]
    table.write_text("path,label,speaker,start,end\n" + f"{names[0]},anger,s1,0.1,0.4\n" +
                     "".join(f"{name},anger,s1,,\n" for name in names[1:]))
    succeed("embed", model, "--corpus", table, "-o", tmp_path / "states")
    rows, arrays = table_of(tmp_path / "states" / "part-00000.csv"), arrays_of(tmp_path / "states")
    ids = [f"{names[0]}#0.1-0.4", *names[1:]]
    assert [row["id"] for row in rows] == ids == list(arrays["ids"])
    assert [row["row"] for row in rows] == ["0", "1", "2", "3"] and float(rows[0]["seconds"]) == pytest.approx(0.3)
    assert sorted(p.name for p in (tmp_path / "states").iterdir()) == ["embed.json", "part-00000.csv", "part-00000.npz"]
    succeed("embed", model, "--corpus", table, "--shard", "2/3", "-o", tmp_path / "second.npz")
    second = arrays_of(tmp_path / "second.npz")
    assert list(second["ids"]) == ids[1::3]
    assert numpy.abs(second["final_norm"] - arrays["final_norm"][1::3]).max() < 1e-4


def test_an_unreadable_file_is_left_out_and_told(model, clips, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    for out in ("states", "states.npz"):
        result = run("embed", model, clips[0], bad, clips[1], "-o", tmp_path / out)
        assert result.returncode == 1 and "1 of the files could not be read" in result.stderr
        assert list(arrays_of(tmp_path / out)["ids"]) == [str(clips[0]), str(clips[1])]
    rows = table_of(tmp_path / "states" / "part-00000.csv")
    assert [row["row"] for row in rows] == ["0", "", "1"] and "bad.wav" in rows[1]["error"]


def test_goes_on_after_a_kill(model, tmp_path):
    clip = write_wav(tmp_path / "a.wav", noise(0.2, seed=1))
    paths = tmp_path / "paths.txt"
    names = [tmp_path / f"{i:04}.wav" for i in range(2300)]
    for name in names:
        name.symlink_to(clip)
    paths.write_text("".join(f"{name}\n" for name in names))
    out, partial = tmp_path / "states", tmp_path / "states.partial"
    with paths.open() as lines:
        process = start("embed", model, "-", "-o", out, "--layer", 0, "--tail", 0, "--precision", "fp32", stdin=lines)
        while process.poll() is None and not (partial / "part-00000.csv").exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not out.exists()
    first = (partial / "part-00000.npz").read_bytes()
    lines = paths.read_text()
    expect_error(run("embed", model, "-", "-o", out, "--layer", 1, "--tail", 0, "--precision", "fp32", input=lines), 1,
                 "another sites")
    expect_error(run("embed", model, "-", "-o", out, "--layer", 0, "--tail", 0, "--precision", "bf16", input=lines), 1,
                 "another precision")
    (partial / "part-00001.npz").write_text("torn")  # a part without its .csv is not there yet
    result = run("embed", model, "-", "-o", out, "--layer", 0, "--tail", 0, "--precision", "fp32", input=lines)
    assert result.returncode == 0 and "has 1000 files" in result.stderr
    arrays = arrays_of(out)
    assert list(arrays["ids"]) == [str(name) for name in names]
    assert (out / "part-00000.npz").read_bytes() == first and not partial.exists()
    assert numpy.abs(arrays["residual_out.0"] - arrays["residual_out.0"][0]).max() < 1e-4


def test_paths_that_are_not_utf8_are_passed_over_after_a_kill(model, tmp_path):
    """All files are missing, so that parts have errors alone; one path is not UTF-8."""
    out, partial = tmp_path / "states", tmp_path / "states.partial"
    names = [b"caf\xe9.wav" if i == 3 else b"%04d.wav" % i for i in range(1100)]
    text = b"".join(name + b"\n" for name in names)
    process = start("embed", model, "-", "-o", out, cwd=tmp_path)
    process.stdin.buffer.write(text)
    process.stdin.flush()
    while process.poll() is None and not (partial / "part-00000.csv").exists():
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert len(table_of(partial / "part-00000.csv")) == 1000
    process = start("embed", model, "-", "-o", out, cwd=tmp_path)
    process.stdin.buffer.write(text)
    process.stdin.close()
    assert process.wait() == 1 and "1100 of the files could not be read" in process.stderr.read()
    rows = [row for part in sorted(out.glob("*.csv")) for row in table_of(part)]
    assert [row["id"] for row in rows[2:5]] == ["0002.wav", r"caf\xe9.wav", "0004.wav"] and len(rows) == 1100


def test_wrong_arguments_are_refused(model, trained, fold, clips, tmp_path):
    out = tmp_path / "out"
    clip = clips[0]
    expect_error(run("embed", model, "-o", out), 2, "audio files or --corpus")
    expect_error(run("embed", model, clip, "--layer", 99, "-o", out), 2, "--layer 99", "has the layers")
    expect_error(run("embed", model, clip, "--site", "residul_out", "-o", out), 2, "no such site", "residual_out")
    expect_error(run("embed", model, clip, "--site", "pattern", "-o", out), 2, "pattern")
    expect_error(run("embed", model, clip, "--site", "logits", "-o", out), 2, "no emotion head")
    expect_error(run("embed", model, clip, "--site", "adapter_up", "-o", out), 2, "no adapter of two factors")
    expect_error(run("embed", model, clip, "--adapters", "off", "-o", out), 2, "--adapters off")
    expect_error(run("embed", fold, clip, "--site", "logits", "--positions", "-o", out), 2, "no positions")
    expect_error(run("embed", trained, clip, "-o", out), 1, "several models", "fold-00")
    out.mkdir()
    (out / "mine.txt").write_text("x")
    expect_error(run("embed", model, clip, "-o", out), 1, "out")
    expect_error(run("embed", model, clip, "-o", out, "--force"), 1, "did not write")
    npz = tmp_path / "x.npz"
    npz.write_text("mine")
    expect_error(run("embed", model, clip, "-o", npz), 1, "x.npz")
    expect_error(run("embed", model, clip, "-o", npz, "--force"), 1, "not an output of")
    assert npz.read_text() == "mine" and (out / "mine.txt").exists()
