"""Predictions of the package: the numbers of the program, errors as exceptions, other threads that go on."""
import json
import os
import shutil
import signal
import subprocess
import threading

import pytest

import loralens


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("part", ["", "fold-00"])
@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_predictions_have_the_bits_of_the_program(run, clips, printed, part, precision):
    model = loralens.load(run.folder / part, precision=precision)
    found = model.predict(clips)
    assert found == lines(printed("predict", "--precision", precision, run.folder / part, *clips))
    assert len(model.folders) == (1 if part else 2)
    assert list(found[0]["probabilities"]) == model.classes


def test_a_file_that_cannot_be_read_has_an_error_and_the_others_are_predicted(run, clips, printed, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    files = [clips[0], bad, tmp_path / "none.wav", clips[1]]
    found = loralens.load(run.folder).predict(files)
    assert found == lines(printed("predict", run.folder, *files))
    assert ["error" in row for row in found] == [False, True, True, False]
    frame = loralens.load(run.folder).predict_frame(files)
    assert frame.path.tolist() == [str(file) for file in files]
    assert frame.error.isna().tolist() == [True, False, False, True]
    for name in loralens.load(run.folder).classes:
        assert frame[f"p_{name}"][0] == found[0]["probabilities"][name]


def test_a_folder_of_peft_takes_base_and_classes(run, clips, model, tmp_path):
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(run.models["fold-00"] / name, tmp_path)
    classes = ["a", "b", "c", "d"]
    bare = loralens.load(tmp_path, model=model, classes=classes, input="speech", tail=0.5)
    own = run.load("fold-00").predict(clips[:3])
    assert bare.classes == classes
    for found, expected in zip(bare.predict(clips[:3]), own):
        assert list(found["probabilities"].values()) == list(expected["probabilities"].values())


def test_errors_are_exceptions_with_the_line_of_the_program(run, program, tmp_path):
    with pytest.raises(loralens.Error) as error:
        loralens.load(tmp_path / "none")
    done = subprocess.run([program, "predict", tmp_path / "none", "a.wav"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"loralens: {error.value}\n")
    with pytest.raises(loralens.UsageError, match="there is no device 'gpu'"):
        loralens.load(run.folder, device="gpu")
    with pytest.raises(loralens.UsageError, match="there is no precision 'fp31'"):
        loralens.load(run.folder, precision="fp31")
    with pytest.raises(loralens.UsageError, match="was trained with input 'speech'"):
        loralens.load(run.folder, input="padded")


def test_other_threads_run_during_a_prediction(run, clips):
    model, files, found, counts = run.load(), [*clips] * 4, [], []
    expected = model.predict(files)

    def predict():
        found.extend(model.predict(files))

    thread = threading.Thread(target=predict)
    thread.start()
    while thread.is_alive():  # this loop runs only while the lock is free
        counts.append(len(counts))
        thread.join(0.001)
    assert len(counts) > 50  # with the lock held there would be one or two rounds
    assert found == expected


def test_an_interrupt_ends_a_prediction(run, clips):
    model = run.load()
    timer = threading.Timer(1, os.kill, [os.getpid(), signal.SIGINT])
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        model.predict([*clips] * 200)  # a minute or more
    assert model.predict(clips[:1])[0]["label"]
