"""Audio formats, valid and damaged, in `predict`, and damaged clips in a training."""
import json
import os
import struct

import numpy
import pytest
import soundfile

from support import (ENVIRONMENT, expect_error, expect_no_trace, noise, run, slow, start, succeed, table_of,
                     write_float_wav, write_table, write_wav)


def good_audio(name, path):
    """Writes a valid audio file; returns its length in seconds."""
    if name == "8-bit":
        write_wav(path, noise(1), width=1)
    elif name == "24-bit":
        soundfile.write(path, noise(1), 16000, format="WAV", subtype="PCM_24")
    elif name == "float":
        write_float_wav(path, noise(1)[:, 0])
    elif name == "8-kHz":
        write_wav(path, noise(1, 8000), 8000)
    elif name == "96-kHz":
        write_wav(path, noise(1, 96000), 96000)
    elif name == "8-channels":
        write_wav(path, noise(1, channels=8))
    elif name == "silent":
        write_wav(path, noise(1, loudness=0))
    elif name == "flac":
        soundfile.write(path, noise(1), 16000, format="FLAC")
    elif name == "ogg":
        soundfile.write(path, noise(1), 16000, format="OGG")
    elif name == "a-tenth-of-a-second":
        write_wav(path, noise(0.1))
        return 0.1
    elif name == "40-seconds":  # more than one window of 30 s
        write_wav(path, noise(40))
        return 40
    return 1


def bad_audio(name, path):
    """Writes a file that must be refused (or none)."""
    if name == "empty":
        path.write_bytes(b"")
    elif name == "no-audio":
        path.write_text("path,label,speaker\n" * 20)
    elif name == "no-samples":
        write_wav(path, noise(0))
    elif name == "truncated":
        write_wav(path, noise(2))
        path.write_bytes(path.read_bytes()[:20000])
    elif name == "header-only":
        write_wav(path, noise(1))
        path.write_bytes(path.read_bytes()[:40])
    elif name == "not-a-number":
        samples = noise(1)[:, 0]
        samples[4000] = numpy.nan
        write_float_wav(path, samples)
    elif name == "infinite":
        samples = noise(1)[:, 0]
        samples[12000] = numpy.inf
        write_float_wav(path, samples)
    elif name == "no-rate":
        content = bytearray(write_wav(path, noise(1)).read_bytes())
        content[24:28] = struct.pack("<I", 0)
        path.write_bytes(content)
    elif name == "no-sample-at-16-kHz":
        write_wav(path, noise(1 / 192000, 192000), 192000)
    elif name == "1-Hz":
        write_wav(path, noise(32000, 1), 1)
    elif name == "beyond-all-sound":
        write_float_wav(path, 1e30 * noise(1)[:, 0])
    elif name in ("au", "w64", "caf", "nist", "aiff", "flac"):  # the last second is cut off
        soundfile.write(path, noise(3), 16000, format=name.upper())
        path.write_bytes(path.read_bytes()[:-32000])
    elif name == "wrong-bit":
        soundfile.write(path, noise(2), 16000, format="OGG")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 16
        path.write_bytes(content)
    elif name == "no-last-page":
        soundfile.write(path, noise(2), 16000, format="OGG")
        content = path.read_bytes()
        path.write_bytes(content[:content.rindex(b"OggS")])
    elif name == "text.vox":
        path.write_text("<html>404 Not Found</html>\n" * 80)
    elif name == "lfs-pointer":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    elif name == "folder":
        path.mkdir()


GOOD = ["8-bit", "24-bit", "float", "8-kHz", "96-kHz", "8-channels", "silent", "flac", "ogg", "a-tenth-of-a-second",
        "40-seconds"]
BAD = {"missing": ["no such file"], "empty": [], "no-audio": ["not audio"], "no-samples": ["no samples"],
       "truncated": ["cut off", "copy the file again"], "header-only": [],
       "not-a-number": ["0.25", "not a finite number"],
       "infinite": ["0.75", "not a finite number"], "no-rate": [], "folder": ["folder"],
       "no-sample-at-16-kHz": ["1 sample at 192000 Hz", "less than one at 16 kHz"], "1-Hz": ["a sample rate of 1 Hz"],
       "beyond-all-sound": ["not a finite number"], "au": ["cut off"], "w64": ["cut off"], "caf": ["cut off"],
       "nist": ["cut off"], "aiff": ["cut off"], "flac": ["cut off"], "wrong-bit": ["damaged", "Ogg page"],
       "no-last-page": ["its last page is missing"], "text.vox": ["not audio", "a web page", "fetch"],
       "lfs-pointer": ["not audio", "git lfs pull"]}


def predict(trained, *files):
    result = run("predict", trained, *files)
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def test_every_kind_of_good_audio(trained, tmp_path):
    paths = [tmp_path / f"{name}.audio" for name in GOOD]
    lengths = [good_audio(name, path) for name, path in zip(GOOD, paths)]
    result, lines = predict(trained, *paths)
    assert result.returncode == 0
    silent = paths[GOOD.index("silent")]
    assert result.stderr.splitlines() == [
        f"{silent}: silence, nothing in it is louder than -60 dB of full scale: the answer says nothing about speech",
        f"{paths[-1]} (40.0 s) is longer than 30 s: the prediction pools all windows of 30 s"]
    assert [line["path"] for line in lines] == [str(path) for path in paths]
    assert [line["seconds"] for line in lines] == pytest.approx(lengths, abs=1e-3)
    for line in lines:
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-6)


def test_a_clip_of_just_under_30_seconds_is_one_window(trained, tmp_path):
    """The tail of silence ends with the window of 30 s: no second window, and no log line about a long clip."""
    files = [write_wav(tmp_path / f"{seconds}.wav", noise(seconds)) for seconds in (29.8, 30, 30.5, 31)]
    result, lines = predict(trained, *files)
    assert [line["seconds"] for line in lines] == pytest.approx([29.8, 30, 30.5, 31], abs=1e-3)
    assert result.stderr.startswith(f"{files[2]} (30.5 s) and 1 more are longer than 30 s: ")
    assert "longer" not in run("-q", "predict", trained, files[3]).stderr


def test_every_kind_of_bad_audio_is_named_and_the_rest_go_on(trained, tmp_path):
    paths = [tmp_path / (name if "." in name else f"{name}.audio") for name in BAD]
    for name, path in zip(BAD, paths):
        bad_audio(name, path)
    good = write_wav(tmp_path / "good.wav", noise(1))
    result, lines = predict(trained, *[file for path in paths for file in (path, good)])
    assert result.returncode == 1
    assert result.stderr.startswith(f"loralens: {len(BAD)} of {2 * len(BAD)} files")
    for (name, words), line, fine in zip(BAD.items(), lines[::2], lines[1::2]):
        assert set(line) == {"path", "error"}, name
        assert "\n" not in line["error"] and name in line["error"]
        for word in words:
            assert word in line["error"], name
        assert fine["probabilities"] == pytest.approx(lines[1]["probabilities"], abs=1e-5)
    assert "label" in lines[1]


def test_formats_of_the_same_sound_give_the_same_answer(trained, tmp_path):
    samples = numpy.rint(noise(1) * 32767) / 32767
    files = [write_wav(tmp_path / "a.wav", samples), write_wav(tmp_path / "b.wav", numpy.repeat(samples, 8, axis=1))]
    soundfile.write(tmp_path / "c.flac", samples, 16000)
    _, lines = predict(trained, *files, tmp_path / "c.flac")
    for line in lines[1:]:
        assert line["probabilities"] == pytest.approx(lines[0]["probabilities"], abs=0.01)


@slow
def test_an_hour_long_clip(trained, tmp_path):
    """Needs no more memory than a clip of some minutes: all windows at once would take gigabytes."""
    hour = write_wav(tmp_path / "hour.wav", noise(3600, 8000, loudness=0.02), 8000, width=1)
    program = start("predict", trained / "fold-00", hour)
    with program.stdout, program.stderr:
        lines = [json.loads(line) for line in program.stdout]
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    assert program.returncode == 0
    assert used.ru_maxrss < 1_200_000  # kB
    assert lines[0]["seconds"] == pytest.approx(3600)
    assert sum(lines[0]["probabilities"].values()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in BAD if name not in ("missing", "folder")])
def test_a_bad_clip_stops_a_training(name, quick, corpus, tmp_path):
    bad = tmp_path / "bad.wav"
    bad_audio(name, bad)
    rows = [(corpus.parent / row["path"], row["label"], row["speaker"]) for row in table_of(corpus)]
    clips = write_table(tmp_path / "clips.csv", [*rows, (bad, "anger", rows[-1][2])])
    result = run("-q", "train", *quick, "--corpus", clips, "-o", tmp_path / "run")
    expect_error(result, 1, bad, *BAD[name])
    expect_no_trace(tmp_path / "run")


def test_clips_without_samples_are_listed_by_the_audit_and_refused_by_a_training(quick, tmp_path):
    clips = [write_wav(tmp_path / f"{i}.wav", noise(1, seed=i)) for i in range(12)]
    for i in (1, 4):
        write_wav(clips[i], noise(1 / 192000, 192000), 192000)
    segment = write_wav(tmp_path / "segment.wav", noise(1, 48000), 48000)
    rows = [[path.name, "ab"[i % 2], f"s{i // 2}", "", ""] for i, path in enumerate(clips)]
    rows.append([segment.name, "a", "s0", "0.1", "0.10002"])
    table = write_table(tmp_path / "clips.csv", rows, ("path", "label", "speaker", "start", "end"))
    run("audit", table, "-o", tmp_path / "audit.json")
    report = json.loads((tmp_path / "audit.json").read_text())
    assert [entry["id"] for entry in report["audio"]["unreadable"]] == ["1.wav", "4.wav", "segment.wav#0.1-0.10002"]
    assert all("less than one at 16 kHz" in entry["error"] for entry in report["audio"]["unreadable"])
    result = run("train", *quick, "--corpus", table, "-o", tmp_path / "run")
    assert result.returncode == 1
    assert "3 of 13 clips cannot be read" in result.stderr and str(clips[1]) in result.stderr
    result = run("train", *quick, "--corpus", table, "-o", tmp_path / "run", "--allow-leaks")
    assert result.returncode == 1 and str(clips[1]) in result.stderr
    assert "epoch" not in result.stderr


def soundless(folder):
    """A file with sound, then silence, a constant, and channels of opposite polarity."""
    voice = noise(1)
    signals = {"voice": voice, "zero": 0 * voice, "constant": 0 * voice + 0.3,
               "opposite": numpy.concatenate([voice, -voice], axis=1)}
    return [write_wav(folder / f"{name}.wav", samples) for name, samples in signals.items()]


def test_files_without_sound_are_told(trained, tmp_path):
    voice, *others = soundless(tmp_path)
    result, lines = predict(trained / "fold-00", voice, *others)
    assert result.returncode == 0 and len(lines) == 4
    words = ["silence", "a constant value (0.300)", "channels cancel each other (opposite polarity)"]
    assert len(result.stderr.splitlines()) == 3
    for line, path, word in zip(result.stderr.splitlines(), others, words):
        assert line.startswith(f"{path}: ") and word in line
    assert "warning" not in lines[0] and all(word in line["warning"] for word, line in zip(words, lines[1:]))
    table = write_table(tmp_path / "clips.csv", [(path, "ab"[i % 2], i) for i, path in enumerate([voice, *others])])
    printed = succeed("audit", table, "-o", tmp_path / "audit.json")
    assert "3 clips without sound" in printed and "zero.wav: silence" in printed
    listed = json.loads((tmp_path / "audit.json").read_text())["audio"]["soundless"]
    assert [entry["id"] for entry in listed] == [str(path) for path in others]
    assert all(word in entry["reason"] for word, entry in zip(words, listed))


def install_ffmpeg(folder, commands):
    """Writes a script as the program ffmpeg; returns the environment in which it is found."""
    folder.mkdir(exist_ok=True)
    (folder / "ffmpeg").write_text(f"#!/bin/sh\n{commands}\n")
    (folder / "ffmpeg").chmod(0o755)
    return ENVIRONMENT | {"PATH": str(folder)}


def test_other_formats_are_decoded_by_ffmpeg(trained, tmp_path):
    """A video and AAC named .wav, with a script in the place of ffmpeg; without it, the message has the command."""
    wav = write_wav(tmp_path / "a.wav", noise(2))
    soundfile.write(tmp_path / "decoded.au", noise(2), 16000, format="AU", subtype="FLOAT")
    for name in ("-video.mp4", "renamed.wav"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    found = install_ffmpeg(tmp_path / "bin", f"echo \"$@\" >> {tmp_path}/words; /bin/cat {tmp_path}/decoded.au")
    files = ["a.wav", "./-video.mp4", "renamed.wav", "renamed.wav#0.5-1"]
    result = run("predict", trained / "fold-00", *files, cwd=tmp_path, env=found)
    assert result.returncode == 0, result.stdout
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["seconds"] for line in lines] == pytest.approx([2, 2, 2, 0.5])
    assert lines[1]["probabilities"] == pytest.approx(lines[0]["probabilities"], abs=0.01)
    assert f"-i file:{tmp_path}/" in (tmp_path / "words").read_text()
    broken = install_ffmpeg(tmp_path / "bin", "echo '[mov] moov atom not found' >&2; exit 1")
    result = run("predict", trained / "fold-00", "renamed.wav", "a.wav", cwd=tmp_path, env=broken)
    bad, good = map(json.loads, result.stdout.splitlines())
    assert result.returncode == 1 and "label" in good
    assert "MPEG-4" in bad["error"] and "moov atom not found" in bad["error"] and "ffmpeg -i" in bad["error"]
    none = ENVIRONMENT | {"PATH": str(tmp_path / "none")}
    result = run("predict", trained / "fold-00", "renamed.wav", cwd=tmp_path, env=none)
    assert "MPEG-4" in result.stdout and "ffmpeg -i 'renamed.wav' 'renamed-16k.wav'" in result.stdout
    assert len(result.stderr.splitlines()) == 1
    assert wav.exists()
