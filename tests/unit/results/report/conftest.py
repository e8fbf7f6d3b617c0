"""The tables of a generated sweep: numbers that hang together, names and texts that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from corpora.schema import Corpus, Document, LabelSet, Question, Span, documents_frame, questions_frame
from results.advice.advice import recommended_cells
from results.settings import Cell, cut_of
from retrieval.context import Cut

SCORES = ("accuracy", "precision", "recall", "f1")
RETRIEVAL = ("hit", "recall", "precision", "reciprocal_rank", "ndcg")
SPANS = ("span_recall", "span_precision", "span_f1", "span_iou")
LABELS = ("yes", "no", "maybe")


class Made(NamedTuple):
    """A run: manifest, tables and the corpus behind them."""

    manifest: dict[str, Any]
    tables: dict[str, pl.DataFrame]
    corpus: Corpus

    @property
    def recommended(self) -> set[Cell]:
        """The cells that the manifest recommends."""
        return recommended_cells(self.manifest["recommendations"], self.tables["cells"])


def around(name: str, value: float, half: float = 0.08) -> dict[str, float]:
    """A share with its interval."""
    return {name: value, f"{name}_low": max(0.0, value - half), f"{name}_high": min(1.0, value + half)}


def answer_scores(accuracy: float, n: int) -> dict[str, Any]:
    """The columns of answer scores of a cell or a baseline."""
    row: dict[str, Any] = {}
    for questions in ("gold", "all"):
        row[f"{questions}_n"] = n
        for score in SCORES:
            row |= around(f"{questions}_{score}", accuracy * (0.97 if score != "accuracy" else 1))
    return row | {"n_failed": 0, "n_too_long": 0, "fragile": 0.02}


def make_corpus(n_questions: int = 12, text: str | None = None) -> Corpus:
    """Documents of twenty sentences, two questions each, with evidence in the third sentence."""
    body = text or " ".join(f"Sentence number {number} says that thing {number} is so." for number in range(20))
    documents = [Document(f"d{number}", f"Document {number}. {body}") for number in range(-(-n_questions // 2))]
    questions = [
        Question(f"q{number:03d}", f"Is thing {number} so?", (f"d{number // 2}",), LABELS[number % 3],
                 (Span(f"d{number // 2}", 100, 150),), {}, "held_out")
        for number in range(n_questions)
    ]  # fmt: skip
    return Corpus("made", documents_frame(documents), questions_frame(questions), LabelSet(LABELS))


def make_run(
    *,
    readers: Sequence[str] = ("small", "large"),
    sizes: Sequence[int] = (64, 128, 256),
    overlaps: Sequence[int] = (0,),
    splitters: Sequence[str] = ("tokens",),
    embedders: Sequence[str] = ("minilm",),
    retrievers: Sequence[str] = ("dense",),
    cuts: Sequence[tuple[str, int]] = (("k", 1), ("k", 3), ("budget", 512)),
    n_questions: int = 12,
    text: str | None = None,
) -> Made:
    """Every combination of the settings, read by every reader under every cut."""
    rng = np.random.default_rng(7)
    corpus = make_corpus(n_questions, text)
    settings = [
        dict(zip(("splitter", "size", "overlap", "embedder", "retriever"), one, strict=True))
        for one in product(splitters, sizes, overlaps, embedders, retrievers)
    ]
    several = [name for name, of in (("embedder", embedders), ("retriever", retrievers)) if len(of) > 1]
    for one in settings:
        one["chunking"] = f"{one['splitter']}(size={one['size']},overlap={one['overlap']})"
        one["setting"] = " ".join([one["chunking"], *(one[name] for name in several)])
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("cells", "ladder", "retrieval_means", "classes")}
    rows |= {name: [] for name in ("answers", "baselines", "comparisons", "hits", "chunks", "gold", "interactions")}
    for cut, amount in cuts:
        for one in settings:
            where = {name: one[name] for name in ("splitter", "size", "overlap", "embedder", "retriever", "setting")}
            where |= {"cut": cut, "amount": amount}
            scores = {name: float(rng.uniform(0.4, 0.95)) for name in (*RETRIEVAL, *SPANS)}
            row = where | {"n": n_questions, "n_spans": n_questions, "n_context_tokens": 300.0}
            for name, value in scores.items():
                row |= around(name, value)
            rows["retrieval_means"].append(row)
            for reader in readers:
                add_cell(rows, reader, where, corpus, rng)
        add_contrasts(rows, readers, cut, amount, [one["setting"] for one in settings], n_questions)
    for reader in readers:
        add_reader(rows, reader, corpus)
    add_hits(rows, settings, corpus)
    tables = {name: pl.DataFrame(of, infer_schema_length=None) for name, of in rows.items() if of}
    tables["cells"] = mark_within(mark_pareto(tables["cells"]))
    tables["questions"] = corpus.questions
    return Made(make_manifest(readers, tables), tables, corpus)


def add_contrasts(rows, readers, cut, amount, names, n):
    """Settings pair by pair, and the first two readers against each other."""
    place = {"cut": cut, "amount": amount}
    for reader, (a, b) in product(readers, pairwise(names)):
        told = {"n": n, "difference": 0.05, "low": -0.03, "high": 0.13, "standard_error": 0.04}
        p_values = {"p_value": 0.2, "p_holm": 0.6, "p_mcnemar": 0.25}
        rows["comparisons"].append({"reader": reader, **place, "a": a, "b": b, **told, **p_values})
    if len(readers) > 1:
        slopes = {"slope_small": 0.03, "slope_small_low": -0.01, "slope_small_high": 0.07}
        slopes |= {"slope_large": -0.01, "slope_large_low": -0.06, "slope_large_high": 0.04}
        slopes |= {"difference": 0.04, "difference_low": -0.02, "difference_high": 0.1}
        rows["interactions"].append(
            {"small": readers[0], "large": readers[1], **place, "questions": "gold", "n": n, **slopes, "p_value": 0.2,
             "p_holm": 0.6, "finding": f"Cannot tell whether {readers[0]} and {readers[1]} want different sizes."}
        )  # fmt: skip


def add_reader(rows, reader, corpus):
    """What does not depend on a cell: baselines, gold set, answers without context and with the whole document."""
    for arm, accuracy in (("closed_book", 0.42), ("document", 0.96)):
        rows["baselines"].append({"reader": reader, "arm": arm} | answer_scores(accuracy, len(corpus.questions)))
    for at, row in enumerate(corpus.questions.iter_rows(named=True)):
        kept = at % 6 != 5
        rows["gold"].append(
            {"reader": reader, "question_id": row["question_id"], "votes": [row["reference"]] * 3,
             "label": row["reference"] if kept else None, "kept": kept,
             "reason": "unanimous" if kept else "votes differ", "reference": row["reference"],
             "labeler_qualified": True}
        )  # fmt: skip
        for arm, is_right in (("closed_book", at % 4 == 0), ("document", at % 7 != 6)):
            label = row["reference"] if is_right else wrong(row["reference"])
            rows["answers"].append(
                dict.fromkeys(("splitter", "size", "overlap", "embedder", "retriever", "cut", "amount"))
                | {"reader": reader, "arm": arm, "question_id": row["question_id"], "label": label,
                   "failure": None, "margin": 0.5, "n_chunks": None, "n_context_tokens": None, "prompt_hash": "p"}
            )  # fmt: skip


def add_cell(rows, reader, where, corpus, rng):
    """One cell: its scores, its ladder for both sets of questions, its classes and its answers."""
    n = len(corpus.questions)
    accuracy = float(rng.uniform(0.5, 0.9))
    tokens = float(where["amount"] * where["size"] if where["cut"] == "k" else where["amount"] * rng.uniform(0.7, 1))
    cell = {"reader": reader} | where
    rows["cells"].append(cell | answer_scores(accuracy, n) | {"n_chunks": 3.0, "n_context_tokens": tokens})
    wrong_n = round((1 - accuracy) * n)
    chunking = -1 if wrong_n > 2 else 0
    parts = {"reader": 1, "chunking": chunking, "retrieval": wrong_n - 1 - chunking}
    for questions in ("gold", "all"):
        row = cell | {"questions": questions, "n": n, "n_wrong": wrong_n, "retrieved": 1 - wrong_n / n}
        row |= {f"n_{name}": count for name, count in parts.items()}
        for name, count in parts.items():
            row |= {f"{name}_loss": count / n, f"{name}_loss_low": count / n - 0.05}
            row |= {f"{name}_loss_high": count / n + 0.05}
        row |= {
            "closed_book": 0.42,
            "random": 0.38,
            "document": 0.96,
            "oracle_chunk": 0.93,
            "n_harmed": 1,
            "n_failed": 0,
        }
        rows["ladder"].append(row | around("recovered", 0.6) | around("harm", 1 / n))
    for label in LABELS:
        rows["classes"].append(
            cell | {"label": label, "precision": 0.7, "recall": 0.6, "f1": 0.65, "n": 4, "n_answered": 5}
        )
    for at, question in enumerate(corpus.questions.iter_rows(named=True)):
        for arm in ("retrieved", "oracle_chunk"):
            is_right = at % (5 if arm == "retrieved" else 3) == 0
            label = question["reference"] if is_right else wrong(question["reference"])
            told = {"arm": arm, "question_id": question["question_id"], "label": label, "failure": None}
            told |= {"margin": 0.1 + at / 100, "n_chunks": 3, "n_context_tokens": 300, "prompt_hash": "p"}
            rows["answers"].append({name: of for name, of in cell.items() if name != "setting"} | told)


def wrong(label):
    """Another label."""
    return "no" if label != "no" else "yes"


def add_hits(rows, settings, corpus):
    """Every document is cut in overlapping chunks of 120 characters; a question finds three."""
    for one in settings:
        for document_id, text in corpus.texts.items():
            for start in range(0, min(len(text), 600) - 100, 80):
                end = min(start + 120, len(text))
                rows["chunks"].append(
                    {"embedder": one["embedder"], "chunking": one["chunking"], "document_id": document_id,
                     "chunk_id": f"{document_id}:{start}-{end}", "start": start, "end": end, "n_tokens": 30,
                     "text_sha256": ""}
                )  # fmt: skip
        for question in corpus.questions.iter_rows(named=True):
            own = question["document_ids"][0]
            other = next(iter(corpus.texts)) if own != next(iter(corpus.texts)) else list(corpus.texts)[-1]
            spans = [(own, 80), (own, 160), (other, 0), (own, 240)]
            for rank, (document_id, start) in enumerate(spans, 1):
                end = min(start + 120, len(corpus.texts[document_id]))
                rows["hits"].append(
                    {"embedder": one["embedder"], "retriever": one["retriever"], "chunking": one["chunking"],
                     "question_id": question["question_id"], "rank": rank,
                     "chunk_id": f"{document_id}:{start}-{end}", "score": 1 / rank}
                )  # fmt: skip
    rows["chunks"] = list({(one["embedder"], one["chunking"], one["chunk_id"]): one for one in rows["chunks"]}.values())


def mark_pareto(cells):
    """`is_pareto` by its definition: no cell of that reader is as good in both and better in one."""
    keep = []
    for reader, tokens, accuracy in cells.select("reader", "n_context_tokens", "gold_accuracy").iter_rows():
        others = cells.filter(
            pl.col("reader") == reader,
            pl.col("n_context_tokens") <= tokens,
            pl.col("gold_accuracy") >= accuracy,
            (pl.col("n_context_tokens") < tokens) | (pl.col("gold_accuracy") > accuracy),
        )
        keep.append(others.is_empty())
    return cells.with_columns(is_pareto=pl.Series(keep))


def mark_within(cells):
    """The best cell of each reader, and of each reader and cut, is the one that is shown to be within the margin."""
    best = pl.col("gold_accuracy") == pl.col("gold_accuracy").max()
    return cells.with_columns(
        p_within=pl.when(best.over("reader")).then(0.01).otherwise(0.6),
        p_within_cut=pl.when(best.over("reader", "cut", "amount")).then(0.01).otherwise(0.6),
    )


def make_manifest(readers, tables):
    """The manifest of the run, with a recommendation and a verdict for every reader and cut."""
    verdicts, recommendations = [], []
    for (reader, cut, amount), rows in tables["cells"].group_by("reader", "cut", "amount", maintain_order=True):
        best = rows.sort("gold_accuracy", descending=True)["setting"][0]
        name = Cut(cut, amount).name
        line = f"Use {best} for {reader} at {name}: better than the others."
        verdicts.append(
            {"reader": reader, "cut": name, "n_gold": 10, "best": best, "not_worse": [best],
             "recommended": best, "detectable": 0.2, "decided": True, "line": line}
        )  # fmt: skip
    for reader in readers:
        best = (
            tables["cells"].filter(pl.col("reader") == reader).sort("gold_accuracy", descending=True).row(0, named=True)
        )
        recommendations.append(
            {"reader": reader, "cut": cut_of(best).name, "setting": best["setting"], "n_gold": 10, "n_more": None,
             "best": f"{best['setting']} at {cut_of(best).name}",
             "line": f"{reader}: use {best['setting']}, the cheapest within 0.02 of the best."}
        )  # fmt: skip
    return {
        "name": "made", "kind": "sweep", "headline": verdicts[0]["line"], "verdicts": verdicts,
        "recommendations": recommendations, "warnings": ["small: only 10 gold questions."],
        "corpus": {"name": "made", "documents": 6, "questions": 12, "split": "held_out", "labels": list(LABELS),
                   "inputs": {"questions.jsonl": "ab" * 32}},
        "readers": {one: {"sha256": "cd" * 32, "prompts": {"one_word": "ef" * 32}} for one in readers},
        "config": {"corpus": {"seed": 3}}, "packages": {"tercet": "0", "llama-cpp-python": "0"},
        "sessions": [
            {"started": "2026-01-01T00:00:00", "finished": "2026-01-01T00:01:00", "machine": {"cpus": 2},
             "asked": {}, "seconds": {"label": 1.25}}
        ],
    }  # fmt: skip


@pytest.fixture(scope="session")
def run_of():
    return make_run


@pytest.fixture(scope="session")
def small_run() -> Made:
    """Two readers, three sizes, two retrievers, three cuts."""
    return make_run(retrievers=("dense", "bm25"))


@pytest.fixture(scope="session")
def large_run() -> Made:
    """36 settings, five cuts, two readers."""
    return make_run(
        sizes=(64, 128, 256, 512), overlaps=(0, 16, 32), retrievers=("dense", "bm25", "hybrid"),
        cuts=(("k", 1), ("k", 3), ("k", 5), ("budget", 512), ("budget", 1024)), n_questions=40,
    )  # fmt: skip
