# SPDX-License-Identifier: Apache-2.0
"""Writes the rows of a Parquet or Arrow file of Hugging Face datasets to standard output, as frames
(base/programs/frames.h). loralens runs it: python3 -c SCRIPT FILE.

First a frame "h": {"columns": [NAME...], "audio": NAME or null, "names": {COLUMN: [CLASS...]}, "left_out": [NAME...]}.
Then a frame "r" per row: {"cells": [TEXT or null...], "path": TEXT or null}, and the bytes of its audio. At last "d":
{"rows": NUMBER}; or "m": {"error": TEXT} if pyarrow is missing, "e": {"error": TEXT} if the file cannot be read."""
import sys

sys.path[:] = [folder for folder in sys.path if folder]  # not the working directory

import json
import struct


class Refused(Exception):
    pass


def write(kind, about, audio=b""):
    text = json.dumps(about).encode()
    sys.stdout.buffer.write(struct.pack("<cIQ", kind, len(text), len(audio)))
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.write(audio)


def opened(path):
    """The schema of a file, and a function from names of columns to its batches of few rows."""
    with open(path, "rb") as file:
        start = file.read(6)
    if start.startswith(b"PAR1"):
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True)
        return file.schema_arrow, lambda columns: file.iter_batches(batch_size=8, columns=columns, use_threads=False)
    source = pyarrow.memory_map(path)
    if start == b"ARROW1":
        file = pyarrow.ipc.open_file(source)
        return file.schema, lambda columns: (file.get_batch(n).select(columns) for n in range(file.num_record_batches))
    stream = pyarrow.ipc.open_stream(source)
    return stream.schema, lambda columns: (batch.select(columns) for batch in stream)


def features_of(schema):
    """{column: its description} of the schema's metadata under the key huggingface."""
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    found = json.loads(text)
    for key in ("info", "features"):
        found = found.get(key) if isinstance(found, dict) else None
    found = found if isinstance(found, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, dict)}


def parts_of(kind):
    """{name: type} of the parts of a structure."""
    return {kind[n].name: kind[n].type for n in range(kind.num_fields)} if types.is_struct(kind) else {}


def is_binary(kind):
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_null(kind)


def is_text(kind):
    return types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind)


def is_array(kind):
    return {"array", "sampling_rate"} <= parts_of(kind).keys()


def audio_column(schema, features):
    """The name of the column of audio with bytes or samples; None if there is none."""
    marked = [name for name in schema.names if features.get(name, {}).get("_type") == "Audio"]
    alike = [field.name for field in schema if "bytes" in parts_of(field.type) or is_array(field.type)]
    alike = [name for name in alike if features.get(name, {}).get("_type", "Audio") == "Audio"]
    found = marked or alike
    if len(found) > 1 and "audio" not in found:
        raise Refused(f"several columns hold audio: {' '.join(found)}; call the one of the clips audio")
    name = "audio" if "audio" in found else found[0] if found else None
    if name is None or is_text(schema.field(name).type) or is_array(schema.field(name).type):
        return name
    parts = parts_of(schema.field(name).type)
    if not is_binary(parts.get("bytes", schema.field(name).type)) or not is_text(parts.get("path", pyarrow.null())):
        raise Refused(f"the column '{name}' holds {schema.field(name).type}, which is no audio: it needs a structure "
                      "of bytes (binary) and path (string)")
    return name


def is_cell(kind):
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return (is_text(kind) or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
            or types.is_decimal(kind) or types.is_temporal(kind))


def cell(value):
    value = value.as_py()
    if value is None or value != value:  # not a number: a missing value of pandas
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def wav_of(samples, rate):
    """A WAV of 32-bit floats, mono."""
    if not types.is_floating(samples.type) or samples.null_count > 0:
        raise Refused("its samples are not one list of floats: only audio with one channel can be read so")
    samples = samples.cast(pyarrow.float32())
    rate = rate.as_py()
    if not isinstance(rate, int) or not 0 < rate < 1 << 31:
        raise Refused(f"the sampling rate {rate} is none")
    data = b""
    if len(samples) > 0:
        data = memoryview(samples.buffers()[1])[4 * samples.offset:4 * (samples.offset + len(samples))]
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, rate, 4 * rate, 4, 32,
                       b"data", len(data))
    return head + data


def audio_of(value):
    """The path and the bytes of a cell of the column of audio."""
    if not value.is_valid or types.is_null(value.type):
        return None, b""
    if not types.is_struct(value.type):
        return (value.as_py(), b"") if is_text(value.type) else (None, value.as_buffer())
    parts = parts_of(value.type)
    path = value["path"].as_py() if "path" in parts and is_text(parts["path"]) else None
    if is_array(value.type) and value["array"].is_valid:
        return path, wav_of(value["array"].values, value["sampling_rate"])
    data = value["bytes"] if "bytes" in parts else None
    return path, data.as_buffer() if data is not None and data.is_valid and not types.is_null(data.type) else b""


def write_rows(path):
    schema, batches = opened(path)
    features = features_of(schema)
    twice = {name for name in schema.names if schema.names.count(name) > 1}
    if twice:
        raise Refused(f"two columns are called '{min(twice)}'")
    audio = audio_column(schema, features)
    columns = [field.name for field in schema if field.name != audio and is_cell(field.type)]
    names = {name: feature["names"] for name, feature in features.items()
             if name in columns and feature.get("_type") == "ClassLabel" and feature.get("names")}
    write(b"h", {"columns": columns, "audio": audio, "names": names,
                 "left_out": [name for name in schema.names if name != audio and name not in columns]})
    rows = 0
    for batch in batches(columns + [audio] if audio else columns):
        cells = [batch.column(name) for name in columns]
        sounds = batch.column(audio) if audio else None
        for n in range(batch.num_rows):
            rows += 1
            try:
                sound, data = audio_of(sounds[n]) if audio else (None, b"")
                write(b"r", {"cells": [cell(column[n]) for column in cells], "path": sound}, data)
            except (Refused, ValueError) as error:
                raise Refused(f"row {rows}: {error}") from error
    write(b"d", {"rows": rows})


try:
    import pyarrow
    import pyarrow.ipc
    from pyarrow import parquet, types
except Exception as error:
    write(b"m", {"error": f"{type(error).__name__}: {error}"})
    sys.exit(0)
try:
    write_rows(sys.argv[1])
except Refused as error:
    write(b"e", {"error": str(error)})
except BaseException as error:
    write(b"e", {"error": f"{type(error).__name__}: {error}"})
