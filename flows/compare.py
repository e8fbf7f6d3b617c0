"""The compare flow: several labelers on the same questions, and what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from flows.experiment import Experiment
from flows.label import Labeled
from flows.runner import Runner
from results.comparison import compare_labelers


def compare(experiment: Experiment, labeled: Labeled, runner: Runner) -> Mapping[str, pl.DataFrame]:
    """Compare the readers of an experiment pair by pair, from votes that the label flow has collected."""
    return runner.run(
        "compare labelers", compare_labelers, labeled.corpus, labeled.votes, labeled.golds, experiment.scoring
    )
