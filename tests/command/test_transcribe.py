"""`loralens transcribe`: output, errors, adapters. Parity tests compare transcripts with transformers."""
import json
import shutil
from pathlib import Path

import numpy
import pytest

import support
from support import expect_error, noise, run, slow, succeed, write_wav

MODELS = Path(support.ENVIRONMENT.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loralens" / "models"


@pytest.fixture(scope="module")
def folder(model):
    """The folder of the English-only model; skips the test if it is one of an older version, without prompts."""
    folder = Path(succeed("fetch", model).strip())
    if not (folder / "generation_config.json").exists():
        pytest.skip(f"{folder} has no generation_config.json; ./run-tests puts it there")
    return folder


@pytest.fixture(scope="module")
def multilingual():
    folder = MODELS / "openai--whisper-base"
    if not (folder / "generation_config.json").exists():
        pytest.skip("the weights of Whisper base are not on this machine")
    return folder


def transcripts(*arguments, **options):
    return [json.loads(line) for line in succeed("transcribe", *arguments, "--threads", 1, **options).splitlines()]


@pytest.fixture
def part(folder, tmp_path):
    """A copy of the model's small files beside a link to its weights, which a test may change."""
    part = tmp_path / "part"
    part.mkdir()
    for file in folder.iterdir():
        if file.suffix == ".safetensors":
            (part / file.name).symlink_to(file.resolve())
        else:
            shutil.copy(file, part)
    return part


def test_lines_have_text_language_tokens_and_length(folder, clips, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    result = run("transcribe", folder, *clips[:2], bad, f"{clips[2]}#0.1-0.6", "--threads", 1)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 1
    assert result.stderr == 'loralens: 1 of 4 files could not be read: "error" in their lines says why\n'
    assert [line["path"] for line in lines] == [str(clips[0]), str(clips[1]), str(bad), f"{clips[2]}#0.1-0.6"]
    assert set(lines[2]) == {"path", "error"} and "bad.wav" in lines[2]["error"]
    for line in lines[:2] + lines[3:]:
        assert list(line) == ["path", "text", "language", "tokens", "seconds"]
        assert line["language"] == "en" and line["tokens"] and line["text"] == line["text"].strip()
    assert lines[3]["seconds"] == pytest.approx(0.5)


def test_paths_from_standard_input(folder, clips):
    some = [str(clip) for clip in clips[:2]]
    assert transcripts(folder, "-", input="\n".join(some)) == transcripts(folder, *some)


@slow
def test_long_audio_is_cut_into_windows(folder, clips, tmp_path):
    import soundfile

    samples = [soundfile.read(clip)[0] for clip in clips[:2]]
    joined = numpy.concatenate([numpy.pad(samples[0], (0, 480_000 - len(samples[0]))), samples[1]])
    whole = transcripts(folder, write_wav(tmp_path / "long.wav", joined[:, None]))[0]
    windows = transcripts(folder, *clips[:2])
    assert whole["tokens"] == windows[0]["tokens"] + windows[1]["tokens"]
    assert whole["text"] == f"{windows[0]['text']} {windows[1]['text']}".strip()
    assert whole["seconds"] == pytest.approx(30 + len(samples[1]) / 16000)


def test_languages_of_a_multilingual_model(multilingual, clips):
    german, detected = (transcripts(multilingual, clips[0], *more)[0] for more in (["--language", "de"], []))
    assert german["language"] == "de"
    assert transcripts(multilingual, clips[0], "--language", detected["language"])[0] == detected
    expect_error(run("transcribe", multilingual, clips[0], "--language", "xx"), 2, "--language xx", " de ", " en ")


def test_real_speech(multilingual):
    speech = Path(__file__).resolve().parents[2].parent / "shared" / "audio" / "emodb-16k-mono.wav"
    if not speech.exists():
        pytest.skip("there is no recorded speech on this machine")
    line = transcripts(multilingual, speech, "--precision", "fp32")[0]
    assert line["language"] == "de"
    assert line["text"] == "Der Lappen liegt auf dem Eisschrank!"


def test_an_english_only_model_takes_no_language(folder, clips):
    expect_error(run("transcribe", folder, clips[0], "--language", "en"), 2, "English-only")


def test_an_adapter_changes_the_encoder(folder, trained, adapter, clips):
    some = clips[:3]
    plain = transcripts(folder, *some, "--precision", "fp32")
    of_fold = transcripts(folder, *some, "--precision", "fp32", "--adapter", trained / "fold-00")
    assert [line["path"] for line in of_fold] == [line["path"] for line in plain]
    assert transcripts(folder, *some, "--precision", "fp32", "--adapter", trained, "--fold", 0) == of_fold
    assert transcripts(folder, *some, "--precision", "fp32", "--adapter", adapter) == of_fold  # a bare PEFT folder
    expect_error(run("transcribe", folder, some[0], "--adapter", trained), 1, "--adapter", trained, "fold-00")
    expect_error(run("transcribe", folder, some[0], "--adapter", trained, "--fold", 7), 1, "fold-07")
    expect_error(run("transcribe", folder, some[0], "--fold", 0), 2, "--adapter")


def test_an_adapter_of_another_model(multilingual, trained, clips):
    expect_error(run("transcribe", multilingual, clips[0], "--adapter", trained / "fold-00"), 1, "another base encoder")


def test_a_strong_adapter_changes_the_text(folder, trained, clips, tmp_path):
    from safetensors.numpy import load_file, save_file

    strong = tmp_path / "strong"
    shutil.copytree(trained / "fold-00", strong)
    tensors = load_file(strong / "adapter_model.safetensors")
    save_file({name: 300 * value if "lora_B" in name else value for name, value in tensors.items()},
              strong / "adapter_model.safetensors")
    assert transcripts(folder, clips[0], "--adapter", strong)[0]["tokens"] != transcripts(folder, clips[0])[0]["tokens"]


@pytest.mark.parametrize("missing", ["generation_config.json", "tokenizer.json"])
def test_a_folder_without_the_files_of_the_decoder(part, clips, missing):
    (part / missing).unlink()
    expect_error(run("transcribe", part, clips[0]), 1, part / missing, "missing", "loralens import")


@pytest.mark.parametrize("file, change, words", [
    ("generation_config.json", {"suppress_tokens": [99999]}, ["suppress_tokens", "99999"]),
    ("generation_config.json", {"decoder_start_token_id": None}, ["decoder_start_token_id"]),
    ("config.json", {"decoder_layers": 5}, ["decoder.layers.4"]),
    ("config.json", {"vocab_size": 51865}, ["embed_tokens", "51864"]),
    ("tokenizer.json", {"decoder": {"type": "WordPiece"}}, ["WordPiece"]),
])
def test_damaged_files(part, clips, file, change, words):
    content = json.loads((part / file).read_text()) | change
    (part / file).write_text(json.dumps(content))
    expect_error(run("transcribe", part, clips[0]), 1, part, *words)


def test_an_adapted_model_is_no_model_to_transcribe_with(trained, clips):
    expect_error(run("transcribe", trained / "fold-00", clips[0]), 1, "--adapter")


def test_noise_ends(folder, tmp_path):
    lines = transcripts(folder, write_wav(tmp_path / "noise.wav", noise(1)))
    assert len(lines[0]["tokens"]) < 448
