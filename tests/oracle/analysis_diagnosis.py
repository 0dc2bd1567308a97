"""Expected table of the analysis diagnosis: the change of the answers by the adapters, and UARs."""
import analysis_reference as oracle
from analysis_answers import Answers
from analysis_case import Case
from analysis_rows import ClipMeans, Rows


def diagnosis(case: Case) -> Rows:
    means, answers = ClipMeans(case.speakers), Answers(case)
    for fold in case.folds:
        for adapted, frozen in zip(*(case.recordings(fold.number, "test", role) for role in ("adapted", "frozen"))):
            change = abs(oracle.softmax(adapted.logits) - oracle.softmax(frozen.logits)).sum() / 2
            means.add(fold.number, adapted.clip.number, change, model="adapted-frozen", component="logits",
                      metric="total_variation")
        for part, component in (("fit", "training"), ("test", "test")):
            for recording in case.recordings(fold.number, part, "adapted"):
                answers.add(fold, recording, recording.logits, model="adapted", component=component)
    return means.rows() | {key: row for key, row in answers.rows().items() if key.metric == "uar"}
