"""Manifest and tables of a finished run, with nothing in them but what a test of its sentences is about."""

import polars as pl

from results.readers.labelers import LABELERS
from results.sweep.cells import CELLS
from results.sweep.retrieval_means import RETRIEVAL_MEANS

USUAL = {"splitter": "tokens", "overlap": 0, "embedder": "e", "retriever": "dense", "cut": "budget", "amount": 256}


def cell(size, accuracy=0.8, p_within=1.0, n_gold=100.0, reader="reader", **more):
    place = USUAL | {"reader": reader, "size": size, "setting": f"tokens(size={size},overlap=0)"}
    shown = {"gold_accuracy": accuracy, "gold_accuracy_low": accuracy - 0.06, "gold_accuracy_high": accuracy + 0.06}
    costs = {"gold_n": n_gold, "n_context_tokens": float(size), "n_failed": 0, "n_too_long": 0}
    return place | shown | costs | {"p_within": p_within} | more


def found(size, hit=0.9, spans=None, **more):
    place = USUAL | {"size": size, "setting": f"tokens(size={size},overlap=0)", "n_context_tokens": float(size)}
    scores = {"hit": hit, "hit_low": hit - 0.05, "hit_high": hit + 0.05, "ndcg": hit, "span_recall": spans}
    if spans is not None:
        scores |= {"span_recall_low": spans - 0.1, "span_recall_high": spans + 0.1}
    return place | scores | more


def reader(name="reader", accuracy=0.6, qualified=True, standing="", share=0.5, n=20, **more):
    told = {"reader": name, "accuracy": accuracy, "qualified": qualified, "standing": standing, "n": n}
    ends = {"accuracy_low": accuracy - 0.1, "accuracy_high": accuracy + 0.1}
    return told | ends | {"majority_label": "no", "majority_share": share} | more


def advice(size, told=True, n_more=None, name="reader", cut="budget=256", n_gold=100):
    setting = f"tokens(size={size},overlap=0)"
    return {"reader": name, "setting": setting if told else None, "cut": cut if told else None, "n_gold": n_gold,
            "n_more": n_more, "best": f"{setting} at {cut}"}  # fmt: skip


def choice(best, recommended=None, score="ndcg", cut="budget=256"):
    names = [None if size is None else f"tokens(size={size},overlap=0)" for size in (best, recommended)]
    return {"cut": cut, "score": score, "best": names[0], "recommended": names[1]}


def run_of(cells=(), advices=(), choices=None, means=(), readers=(), answers="expected", kind="run", **tables):
    """Manifest and tables of a run, with nothing in them but what a test is about."""
    manifest = {
        "name": "by hand", "kind": kind, "recommendations": list(advices),
        "retrieval": [choice(64, 64)] if choices is None else list(choices),
        "config": {"scoring": {"margin": 0.05, "confidence": 0.95, "answers": answers}},
        "corpus": {"name": "handbook", "documents": 1000, "questions": 1, "labels": ["yes", "no"]},
        "readers": {one["reader"]: {} for one in readers},
        "sessions": [{"finished": "2026-11-22T01:14:53+00:00", "asked": {"label": [{"usd": 1.234}]}}],
    }  # fmt: skip
    sizes = {one["size"] for one in cells} or {64}
    frames = {"gold": gold_of(*(one["reader"] for one in readers))}
    if kind in ("run", "sweep"):
        frames["retrieval_means"] = pl.DataFrame(means or [found(size) for size in sorted(sizes)], RETRIEVAL_MEANS)
    if cells:
        frames["cells"] = pl.DataFrame(list(cells), schema=CELLS)
    if readers:
        frames["labelers"] = pl.DataFrame(list(readers), schema=LABELERS)
    return manifest, frames | tables


def gold_of(*readers, labels=("yes", "no"), excluded=1):
    rows = [
        {"reader": name, "label": label, "kept": label is not None, "reference": "yes"}
        for name in readers
        for label in [*labels, *[None] * excluded]
    ]
    schema = {"reader": pl.String, "label": pl.String, "kept": pl.Boolean, "reference": pl.String}
    return pl.DataFrame(rows, schema=schema)
