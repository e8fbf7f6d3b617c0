"""The advice in full sentences, from the tables of a run."""

import polars as pl

from results.advice.cards.in_full import advice_in_full
from results.advice.cards.run import Run
from results.sweep.attribution import LADDER
from results.sweep.race import LOOKS
from tests.doubles.run_by_hand import advice, cell, choice, found, run_of

TWO = [cell(64, 0.76, 0.01), cell(128, 0.8)]


def full(*made, **more):
    return list(advice_in_full(Run(*run_of(*made, **more))))


def test_the_advice_in_full_says_where_a_cell_loses_how_far_was_read_and_what_retrieves_best():
    look = {"reader": "reader", "questions": 128, "of_questions": 500, "is_told": True, "cells": 2, "of_cells": 2}
    looks = pl.DataFrame([look | {"stopped": "told", "context_tokens": 1, "of_context_tokens": 2}], schema=LOOKS)
    rung = {name: TWO[0][name] for name in LADDER if name in TWO[0]}
    rung |= {"questions": "gold", "n": 100, "n_wrong": 24, "n_reader": 6, "n_chunking": 9, "n_retrieval": 9}
    ladder = pl.DataFrame([rung], schema=LADDER)
    means = [found(64, 0.98, n=100), found(128, 0.9, n=100), found(64, 0.8, 0.45, n_spans=100, cut="k", amount=1)]
    choices = [choice(64, 128), choice(64, 64), choice(64), choice(64, cut="k=1", score="span_recall")]
    assert full(TWO, [advice(64)], choices=choices, means=means, looks=looks, ladder=ladder) == [
        "Use 64-token chunks, 256 tokens read, with reader: 76 % right (70 to 82 %), on 100 gold questions; only this "
        "one of 2 settings is shown to be within 5 points of the best. Of the 24 % that are wrong, 6 are due to the "
        "reader, 9 to chunking, 9 to retrieval. Told after 128 of 500 questions, with 50 % of the context unread.",
        "Retrieve 128-token chunks, 256 tokens read: nDCG 0.900, 128 tokens read, over 100 questions; of 2 settings, "
        "it reads the least of those shown to be within 5 points of the best (64-token chunks, 256 tokens read: nDCG "
        "0.980).",
        "Retrieve 64-token chunks, 256 tokens read: nDCG 0.980, 64 tokens read, over 100 questions; of 2 settings, it "
        "leads, and is shown to be within 5 points of the best.",
        "No winner yet in retrieval, 256 tokens read. Best so far: 64-token chunks, 256 tokens read (nDCG 0.980, over "
        "100 questions); no setting is shown to be within 5 points of the best.",
        "Nothing to choose: the best single chunk of 64 tokens, the only setting that was tried: 45 % of the evidence, "
        "over 100 questions.",
    ]
