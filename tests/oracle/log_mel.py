"""Oracle of the log-mel features: transformers' WhisperFeatureExtractor.

    python log_mel.py --mels 80 --out FILE.safetensors WAV...

For the i-th file (16 kHz mono) it writes `i.samples` (n), `i.padded` (mels x 3000: cut or padded to 30 s) and
`i.unpadded` (mels x floor(n / 160)), all float32; the metadata holds the file's path under "i".
"""
import argparse

import numpy
import soundfile
from safetensors.numpy import save_file
from transformers import WhisperFeatureExtractor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mels", type=int, choices=(80, 128), default=80)
    parser.add_argument("--out", required=True)
    parser.add_argument("wav", nargs="+")
    arguments = parser.parse_args()

    extractor = WhisperFeatureExtractor(feature_size=arguments.mels)
    arrays, names = {}, {}
    for i, path in enumerate(arguments.wav):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != 16000 or samples.shape[1] != 1:
            raise SystemExit(f"{path}: {rate} Hz, {samples.shape[1]} channels; give 16 kHz mono")
        samples = samples[:, 0]
        for name, options in (("padded", {}), ("unpadded", {"padding": False, "truncation": False})):
            features = extractor(samples, sampling_rate=16000, return_tensors="np", **options).input_features[0]
            arrays[f"{i}.{name}"] = numpy.ascontiguousarray(features, dtype=numpy.float32)
        arrays[f"{i}.samples"] = numpy.ascontiguousarray(samples)
        names[str(i)] = path
    save_file(arrays, arguments.out, metadata=names)


if __name__ == "__main__":
    main()
