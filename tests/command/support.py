"""Helpers of the command tests: running the program, checking its errors, and making audio and tables."""
import array
import csv
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy
import pytest

PROGRAM = os.environ.get("LORALENS", "")
MODEL = "tiny.en"
CLASSES = ["anger", "happiness", "neutral", "sadness"]

SANITIZED = os.environ.get("LORALENS_SANITIZED") == "1"

# Marks tests with longer trainings, which take too long in the build with sanitizers.
slow = pytest.mark.skipif(SANITIZED, reason="too slow with sanitizers")


# No network; one thread, since ctest runs tests in parallel.
ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


class Server:
    """The program with LibTorch loaded, which forks for each command (tests/command/server.cc)."""

    def __init__(self):
        self.socket, theirs = socket.socketpair()
        self.process = subprocess.Popen([os.environ["LORALENS_SERVER"], "--serve"], stdin=theirs, env=ENVIRONMENT,
                                        start_new_session=True)
        theirs.close()

    def run(self, arguments, folder, streams):
        """Runs a command; returns its exit status, negative for a signal."""
        words = [PROGRAM, *arguments]
        texts = [str(folder), *words, *(f"{name}={value}" for name, value in ENVIRONMENT.items())]
        content = b"".join(os.fsencode(text) + b"\0" for text in texts)
        descriptors = array.array("i", [stream.fileno() for stream in streams])
        self.socket.sendmsg([struct.pack("=II", len(content), len(words))],
                            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        self.socket.settimeout(600)
        self.socket.sendall(content)
        answer = self.socket.recv(4)
        if len(answer) != 4:
            raise ConnectionError("the server of commands has crashed")
        return os.waitstatus_to_exitcode(struct.unpack("=i", answer)[0])

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.socket.close()


server = None


def start(*arguments, **options):
    """Starts the program; returns its process without waiting."""
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT} | options
    return subprocess.Popen([PROGRAM, *map(str, arguments)], text=True, **options)


def serve(arguments, folder, input):
    """Runs a command of the server; one that needs 600 s fails, as do those after a crash of the server."""
    global server
    server = server or Server()
    with (tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile("w+", encoding="utf-8") as stdout,
          tempfile.TemporaryFile("w+", encoding="utf-8") as stderr):
        stdin.write(input.encode())
        stdin.seek(0)
        try:
            status = server.run([*map(str, arguments)], folder, [stdin, stdout, stderr])
        except OSError:
            server.stop()
            server = None
            raise
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess([PROGRAM, *arguments], status, stdout.read(), stderr.read())


def run(*arguments, input="", cwd=None, **options):
    """Runs the program until it ends."""
    if PROGRAM == os.environ.get("LORALENS") and os.environ.get("LORALENS_SERVER") and not options:
        return serve(arguments, cwd or os.getcwd(), input)
    process = start(*arguments, cwd=cwd, **options)
    stdout, stderr = process.communicate(input, timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def succeed(*arguments, **options):
    """Runs a command, asserts exit status 0 and returns its standard output."""
    result = run(*arguments, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def expect_error(result, status, *words):
    """Asserts this exit status, one line on standard error with all the words, and no standard output."""
    assert result.returncode == status, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("loralens: ")
    for word in words:
        assert str(word) in lines[0]
    assert not result.stdout


def expect_no_trace(output):
    """Asserts that an output folder or file does not exist, under its own or a temporary name."""
    output = Path(output)
    if output.parent.is_dir():
        assert [path.name for path in output.parent.iterdir() if path.name.startswith(output.name)] == []


def files_of(folder):
    """{relative path: bytes} of every file below a folder."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def table_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(path, rows, header=("path", "label", "speaker")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def noise(seconds, rate=16000, channels=1, loudness=0.1, seed=7):
    """White noise in [-1, 1], frames x channels."""
    return loudness * numpy.random.default_rng(seed).uniform(-1, 1, (round(seconds * rate), channels))


def write_wav(path, samples, rate=16000, width=2):
    """Writes a WAV of integers of `width` bytes (1 byte: unsigned, as the format requires)."""
    path = Path(path)
    values = numpy.rint(samples * (2 ** (8 * width - 1) - 1)).astype(f"<i{width}")
    if width == 1:
        values = (values.astype(numpy.int16) + 128).astype(numpy.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(values.tobytes())
    return path


def write_float_wav(path, samples, rate=16000):
    """Writes a mono WAV of 32-bit floats, which the module wave cannot write."""
    data = numpy.asarray(samples, "<f4").tobytes()
    form = struct.pack("<IHHIIHH", 16, 3, 1, rate, 4 * rate, 4, 32)
    chunks = b"WAVEfmt " + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    return path


def read_safetensors(path):
    """The header and the data of a safetensors file."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:8 + length]), content[8 + length:]


def write_safetensors(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
