"""Expected table of the analysis retention: transformers' greedy transcripts from the encoder's states."""
import functools
import unicodedata

import analysis_models as whisper
import numpy
import reference
import torch
import transcripts
from analysis_case import Case, Fold
from analysis_models import Clip
from analysis_rows import ClipMeans, Rows
from tokenizers import Tokenizer
from transformers.modeling_outputs import BaseModelOutput

SURE = 1e-3  # two scores of tokens that differ by more than this have the same order in both programs


def words_of(text: str) -> list[str]:
    """Words of letters, marks, numbers and inner apostrophes, in NFKC and case folded."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).replace("’", "'")
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c == "'" else " " for c in text)
    return [word for word in (part.strip("'") for part in kept.split()) if word]


def edits(reference_: list, found: list) -> int:
    """Levenshtein distance by its table."""
    table = numpy.zeros((len(reference_) + 1, len(found) + 1), int)
    table[:, 0], table[0, :] = range(len(reference_) + 1), range(len(found) + 1)
    for i, a in enumerate(reference_, 1):
        for j, b in enumerate(found, 1):
            table[i, j] = min(table[i - 1, j - 1] + (a != b), table[i - 1, j] + 1, table[i, j - 1] + 1)
    return int(table[-1, -1])


def rate(found: list, reference_: list) -> float:
    return edits(reference_, found) / max(len(reference_), 1)


@functools.cache
def writer(base: str):
    return transcripts.whole_model(base), Tokenizer.from_file(str(reference.model_folder(base) / "tokenizer.json"))


def states(case: Case, fold: Fold, role: str, clip: Clip) -> tuple[torch.Tensor, int]:
    """The final states of a clip padded to 30 s, 1×1500×D, and the number of the clip's own positions."""
    samples = reference.read_recording(case.corpus.parent / clip.id)
    encoder = whisper.inner(fold.quick[role]).encoder
    with torch.no_grad():
        found = encoder(reference.features(case.extractor, samples, padded=True)).last_hidden_state
    return found, -(-len(samples) // 320)


def written(case: Case, found: torch.Tensor) -> tuple[list[int], list[str], bool]:
    """Tokens, words, and whether each token was clearly the best."""
    model, tokenizer = writer(case.base)
    with torch.no_grad():
        out = model.generate(encoder_outputs=BaseModelOutput(last_hidden_state=found), return_dict_in_generate=True,
                             output_scores=True)
    pairs = torch.stack(out.scores, 1).topk(2).values[0]
    tokens, end = out.sequences[0].tolist()[-len(out.scores):], model.generation_config.eos_token_id
    tokens = tokens[:tokens.index(end)] if end in tokens else tokens
    margins = (pairs[:, 0] - pairs[:, 1])[:len(tokens) + 1]
    return tokens, words_of(tokenizer.decode(tokens, skip_special_tokens=True)), bool((margins > SURE).all())


def retention(case: Case) -> Rows:
    means = ClipMeans(case.speakers)
    for fold in case.folds:
        for clip in fold.parts["test"]:
            (frozen, count), (adapted, _) = (states(case, fold, role, clip) for role in ("frozen", "adapted"))
            (before, words_before, sure), (after, words_after, sure_too) = written(case, frozen), written(case, adapted)
            slack = 0 if sure and sure_too else 1e3

            def add(model: str, variant: str, metric: str, value: float) -> None:
                means.add(fold.number, clip.number, value, slack, model=model, variant=variant, metric=metric)

            add("adapted", "frozen-transcript", "word_error_rate", rate(words_after, words_before))
            add("adapted", "frozen-transcript", "token_error_rate", rate(after, before))
            add("adapted", "frozen-transcript", "changed", words_after != words_before)
            said = words_of(case.table[clip.number].get("text", ""))
            if said:
                add("adapted", "text", "word_error_rate", rate(words_after, said))
                add("frozen", "text", "word_error_rate", rate(words_before, said))
            a, f = (whisper.float64(x[0, :count]) for x in (adapted, frozen))
            means.add(fold.number, clip.number, 1 - ((a - f) ** 2).sum() / ((f - f.mean(0)) ** 2).sum(),
                      model="adapted", component="states", metric="r_squared")
    return means.rows() | means.differences("adapted", "frozen").rows()
