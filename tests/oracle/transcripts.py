"""transformers' greedy transcripts, and how sure each of their tokens is. Used by decoder_parity.py and the bench."""
import dataclasses

import reference
import torch
from transformers import WhisperForConditionalGeneration


@dataclasses.dataclass
class Transcript:
    prompt: list[int]
    tokens: list[int]  # without prompt and <|endoftext|>
    margins: list[float]  # of each token, and of <|endoftext|>: score of the best token minus that of the second


def whole_model(name: str) -> WhisperForConditionalGeneration:
    """The cached model in float32, as transformers opens it."""
    folder = reference.model_folder(name)
    if not (folder / "generation_config.json").exists():
        raise SystemExit(f"{folder} has no generation_config.json; ./run-tests puts it there")
    return WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def transcripts(model: WhisperForConditionalGeneration, mel: torch.Tensor, most: int | None = None,
                endless: bool = False) -> list[Transcript]:
    """Greedy transcripts of clips padded to 30 s.

    mel: (clips, mels, 3000). most: new tokens; None: up to the model's own limit. endless: without <|endoftext|>.
    """
    options = {} if most is None else {"max_new_tokens": most}
    end = model.generation_config.eos_token_id
    if endless:
        options["suppress_tokens"] = [*model.generation_config.suppress_tokens, end]
    with torch.no_grad():
        out = model.generate(mel, return_dict_in_generate=True, output_scores=True, **options)
    best = torch.stack(out.scores, 1).topk(2).values  # clips, steps, 2
    found = []
    for sequence, pair in zip(out.sequences.tolist(), best):
        prompt, tokens = sequence[:-len(out.scores)], sequence[-len(out.scores):]
        tokens = tokens[:tokens.index(end)] if end in tokens else tokens
        margins = (pair[:, 0] - pair[:, 1])[:len(tokens) + 1]
        found.append(Transcript(prompt, tokens, margins.tolist()))
    return found
