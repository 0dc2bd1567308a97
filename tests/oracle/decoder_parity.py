"""Oracle of the decoder: transformers' greedy transcripts of real models, and Hugging Face's decoding of tokens.

    python decoder_parity.py FOLDER

Writes, for NAME tiny.en and base, FOLDER/decoder-NAME.safetensors: for clip i `i.mel` (mels x 3000), `i.states` (1500 x
width, the encoder's output), `i.prompt`, `i.tokens`, `i.margins` (tests/oracle/transcripts.py), `i.endless.tokens` and
`i.endless.margins` (the same if the text must not end), `i.logits` (steps x vocabulary, after each token of the prompt
and of the first tokens, without suppression, computed in float64); and FOLDER/texts-NAME.json: random lists `tokens`,
and their `text`.
"""
import copy
import json
import pathlib
import random
import sys

import reference
import torch
import transcripts
from tokenizers import Tokenizer

MOST = 40  # tokens of a transcript
STEPS = 8  # logits


def texts(name: str) -> list[dict]:
    tokenizer = Tokenizer.from_file(str(reference.model_folder(name) / "tokenizer.json"))
    draw = random.Random(1)
    rows = [[draw.randrange(tokenizer.get_vocab_size()) for _ in range(draw.randrange(30))] for _ in range(400)]
    rows += [[draw.randrange(256) for _ in range(12)] for _ in range(400)]  # the first tokens are single bytes
    return [{"tokens": row, "text": tokenizer.decode(row, skip_special_tokens=True)} for row in rows]


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    for name in ("tiny.en", "base"):
        model, extractor = transcripts.whole_model(name), reference.extractor_of(name)
        clips = [reference.speech(length, 10 + i) for i, length in enumerate((0.4, 2.75, 6.1))] + reference.recording()
        mel = torch.cat([reference.features(extractor, samples, padded=True) for samples in clips])
        tensors = {}
        with torch.no_grad():
            states = model.model.encoder(mel).last_hidden_state
        exact = copy.deepcopy(model).double()
        endless = transcripts.transcripts(model, mel, MOST, endless=True)
        for i, found in enumerate(transcripts.transcripts(model, mel, MOST)):
            fed = torch.tensor([(found.prompt + found.tokens)[:STEPS]])
            with torch.no_grad():
                logits = exact(encoder_outputs=(states[i:i + 1].double(),), decoder_input_ids=fed, use_cache=False).logits[0]
            tensors |= {f"{i}.mel": mel[i], f"{i}.states": states[i], f"{i}.logits": logits.float(),
                        f"{i}.prompt": found.prompt, f"{i}.tokens": found.tokens, f"{i}.margins": found.margins,
                        f"{i}.endless.tokens": endless[i].tokens, f"{i}.endless.margins": endless[i].margins}
        reference.save(tensors, folder / f"decoder-{name}.safetensors")
        (folder / f"texts-{name}.json").write_text(json.dumps(texts(name)))


if __name__ == "__main__":
    main()
