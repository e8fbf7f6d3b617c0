"""A finished label run on a corpus of one's own whose texts are hard to carry from one program to another."""

import json
from pathlib import Path

from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from tests.doubles.scripted import scripted_session

LABELS = ("yes", "no", "not said")
SURE, SPLIT = (0.9998, 0.0001, 0.0001), (0.34, 0.33, 0.33)
# Question by question: its text, its documents, its reference, what the reader thinks of it.
ASKED = (
    ("q/1", 'Does it say "yes", in quotes?', ("a",), "yes", SURE),
    ("q/2", "=SUM(A1:A2)?", ("b",), "no", SURE),
    ("q/3", "Zwei Zeilen?\nJa, zwei; und ein Tab\t.", ("c", "a"), None, SURE),
    ("q/4", "Ünïcødé 🦜 \u2028 \u200b?", ("c",), "not said", SPLIT),
    ("q/5", "Last?", ("b", "c"), "yes", SPLIT),
)
TEXTS = {
    "a": 'He said "yes".\r\nThen, after a Windows line end, no more.',
    "b": "=cmd|' /C calc'!A0\n\nA paragraph; with, separators\tand 'quotes'.  ",
    "c": "\ufeffA mark first. <View>$document</View> & 日本語 \u2029 🦜\rold Mac line.\n",
}


def write_corpus(folder: Path, texts: dict[str, str] = TEXTS) -> Path:
    """Write the corpus as two tables."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = [{"id": name, "text": text} for name, text in texts.items()]
    questions = [
        {"id": one, "text": text, "document_ids": list(of), "reference": reference,
         "evidence": [{"document_id": of[0], "start": 3, "end": 7}]}
        for one, text, of, reference, _ in ASKED
    ]  # fmt: skip
    for name, rows in (("documents", documents), ("questions", questions)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8", newline="")
    return folder


def label_run(root: Path, *readers: str, **sections) -> Path:
    """Make the run in `root/runs`, of an experiment in `root/project` on the corpus in `root/project/corpus`."""
    write_corpus(root / "project" / "corpus")
    thought = {one: chances for one, *_, chances in ASKED}
    experiment = parse_experiment(
        {
            "name": "labels",
            "corpus": {"source": "tables", "path": "corpus", "labels": LABELS, "split": "all"},
            "calibration": {"per_label": 0},
            "scoring": {"n_resamples": 100},
            "readers": [{"model": one} for one in readers or ("sure",)],
            **sections,
        },
        "the test",
    )
    opened = scripted_session(root / "runs", lambda _, prompt: thought[prompt.question_id], base=root / "project")
    with opened.session as session:
        return execute(experiment, "label", session, Runner()).folder
