"""`loralens import` of invalid CTranslate2 files; parity tests cover real models."""
import struct

import pytest

from support import expect_error, expect_no_trace, run, succeed


def text(value):
    data = value.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def variable(name, shape, code, data, size=None):
    """The bytes of a variable. code: 0 float32, 4 float16. size: the stated number of bytes of data."""
    shape_bytes = struct.pack(f"<B{len(shape)}I", len(shape), *shape)
    return text(name) + shape_bytes + struct.pack("<BI", code, len(data) if size is None else size) + data


def binary(variables=(), version=6, specification="WhisperSpec", revision=3, count=None, aliases=(), rest=b""):
    """The bytes of a model.bin. count: the stated number of variables."""
    count = len(variables) if count is None else count
    head = struct.pack("<I", version) + text(specification) + struct.pack("<II", revision, count)
    tail = struct.pack("<I", len(aliases)) + b"".join(text(alias) + text(name) for alias, name in aliases)
    return head + b"".join(variables) + tail + rest


ONE = variable("a", [2], 0, bytes(8))

HOSTILE = {
    "empty": (b"", []),
    "text": (b"This is no model at all.", ["version 6"]),
    "other-version": (binary(version=5), ["version 6", "5"]),
    "other-model": (binary(specification="TransformerSpec"), ["TransformerSpec", "WhisperSpec"]),
    "other-revision": (binary(revision=9), ["revision 9"]),
    "nothing-inside": (binary(), []),
    "no-whisper": (binary([ONE]), []),
    "more-variables-than-there-are": (binary(count=4_000_000_000), []),
    "text-without-an-end": (struct.pack("<IH", 6, 4) + b"abcd", ["text"]),
    "name-beyond-the-end": (struct.pack("<IH", 6, 65535) + b"abcd", []),
    "data-beyond-the-end": (binary([variable("a", [1000], 0, b"", size=4000)]), ["\"a\"", "cut"]),
    "shape-of-exabytes": (binary([variable("a", [2**32 - 1] * 8, 0, bytes(8))]), ["\"a\"", "shape"]),
    "shape-and-size-differ": (binary([variable("a", [3], 0, bytes(8))]), ["\"a\"", "shape"]),
    "shape-with-a-zero": (binary([variable("a", [0], 0, b"")]), ["\"a\"", "0"]),
    "unknown-element-type": (binary([variable("a", [2], 77, bytes(8))]), ["77", "--quantization float16"]),
    "variable-twice": (binary([ONE, ONE]), ["\"a\"", "twice"]),
    "alias-of-nothing": (binary([ONE], aliases=[("b", "c")]), ["\"c\""]),
    "alias-of-itself": (binary([ONE], aliases=[("a", "a")]), ["\"a\"", "twice"]),
    "bytes-at-the-end": (binary([ONE], rest=b"1234"), ["4 bytes follow"]),
    "truncated": (binary([ONE])[:-6], []),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name, tmp_path):
    content, words = HOSTILE[name]
    source = tmp_path / "source" / "model.bin"
    source.parent.mkdir()
    source.write_bytes(content)
    for given in (source, source.parent):
        expect_error(run("import", given, "--to", tmp_path / "out"), 1, source, *words)
        expect_no_trace(tmp_path / "out")


def test_a_missing_source(tmp_path):
    none, out = tmp_path / "none", tmp_path / "out"
    expect_error(run("import", none, "--to", out), 1, none, "missing", "model.bin")
    expect_error(run("import", tmp_path, "--to", out), 1, tmp_path / "model.bin", "missing")
    expect_error(run("import", tmp_path), 2, "--to")
    expect_no_trace(out)


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "model.bin").write_bytes(binary([ONE]))
    expect_error(run("import", tmp_path, "--to", tmp_path), 1, tmp_path, "exists already", "--force")
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine").write_text("mine")
    assert run("import", tmp_path, "--to", target, "--force").returncode == 1
    assert [path.name for path in target.iterdir()] == ["mine"]


def test_fetch_without_a_network(tmp_path):
    expect_error(run("fetch", "no-model"), 1, "'no-model'", "tiny", "base")
    expect_error(run("fetch", "nobody/whisper"), 1, "HF_HUB_OFFLINE", "nobody/whisper")
    expect_error(run("fetch", "nobody/whisper", "--to", tmp_path / "out"), 1, "HF_HUB_OFFLINE")
    expect_no_trace(tmp_path / "out")


def test_fetch_prints_the_folder(model):
    lines = succeed("fetch", model).splitlines()
    assert len(lines) == 1 and lines[0].startswith("/")
