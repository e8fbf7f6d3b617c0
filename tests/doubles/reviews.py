"""What tests of reviews share: a run to review, and people's labels of which only who said what matters."""

import hashlib

import polars as pl
import pytest

from flows.run import pipeline
from flows.run.pipeline import execute
from flows.session.experiment import parse_experiment
from flows.stages.runner import Runner
from results.gold.review.reviews import REVIEWS
from tests.doubles.scripted import scripted_session


def reviews_of(*rows):
    """Rows of (question_id, reviewer, label)."""
    frame = pl.DataFrame(rows, schema=["question_id", "reviewer", "label"], orient="row")
    return frame.select(
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind).alias(name)
        for name, kind in REVIEWS.items()
    )


def some_doubt(model, prompt):
    """Sure of yes on a third of the questions, of no on another third, and torn between all labels on the last."""
    draw = int(hashlib.sha256(f"{model}{prompt.question_id}".encode()).hexdigest(), 16) % 3
    return ((0.98, 0.01, 0.01), (0.01, 0.98, 0.01), (0.4, 0.35, 0.25))[draw]


def finished_run(store, n_questions=24, kind="label", readers=("one",), rule="unanimous"):
    """The folder of a run on the bundled handbook that scripted readers answered; it is made in a second."""
    experiment = parse_experiment(
        {
            "name": "scripted",
            "corpus": {"source": "sample", "sample": n_questions},
            "calibration": {"per_label": 0},
            "consensus": {"rule": rule},
            "retrieval": {"sizes": [64], "k": [2], "budgets": [], "controls": []},
            "scoring": {"n_resamples": 100},
            "readers": [{"model": model} for model in readers],
        },
        "the test",
    )
    with pytest.MonkeyPatch.context() as patch, scripted_session(store, some_doubt).session as session:
        patch.setattr(pipeline, "draw_plots", lambda _: [])  # they take seconds
        return execute(experiment, kind, session, Runner()).folder
