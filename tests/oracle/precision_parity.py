"""Oracle of predictions in lower precision: a head fitted to EMO-DB, if ../shared has that corpus.

    python precision_parity.py FOLDER

Writes FOLDER/precision.safetensors, for each clip of the corpus: `i.samples` (n), and `logits` (clips x C) of the
frozen tiny.en with the head `projector.weight`, ..., which is fitted to every second clip. Without the corpus the file
has no tensors.
"""
import pathlib
import sys

import reference
import torch
from sklearn.linear_model import LogisticRegression


def main() -> None:
    out = pathlib.Path(sys.argv[1]) / "precision.safetensors"
    paths = sorted((reference.SHARED / "corpora" / "emodb" / "wav").glob("*.flac"))
    if not paths:
        return reference.save({}, out)
    clips = [reference.read_recording(path) for path in paths]
    labels = [path.stem[5] for path in paths]  # the emotion's letter in the file name
    classes = sorted(set(labels))
    model = reference.classification_model("tiny.en", num_labels=len(classes), classifier_proj_size=len(classes))
    extractor = reference.extractor_of("tiny.en")
    with torch.no_grad():
        outputs = [reference.run(model, reference.features(extractor, samples), output_hidden_states=True)
                   for samples in clips]
        states = torch.cat([output.hidden_states[-1].mean(1) for output in outputs])
        fit = LogisticRegression(C=0.1, max_iter=2000).fit(states[::2].numpy(), labels[::2])
        assert list(fit.classes_) == classes
        model.projector.weight.copy_(torch.from_numpy(fit.coef_))
        model.projector.bias.copy_(torch.from_numpy(fit.intercept_))
        model.classifier.weight.copy_(torch.eye(len(classes)))
        model.classifier.bias.zero_()
        logits = model.classifier(model.projector(states))
    right = sum(classes[k] == label for k, label in zip(logits[1::2].argmax(1).tolist(), labels[1::2]))
    print(f"{len(clips)} clips; {right} of the {len(labels[1::2])} that the head was not fitted to are right")
    tensors = {f"{i}.samples": samples for i, samples in enumerate(clips)}
    reference.save(tensors | reference.head_of(model) | {"logits": logits}, out)


if __name__ == "__main__":
    main()
