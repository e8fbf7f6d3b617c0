"""What the advice would be at other temperatures of the answer: from the same distributions, so they cost nothing."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from corpora.schema import Corpus
from labeling.votes.consensus import ConsensusConfig, ReaderVotes
from results.config import ScoringConfig
from results.settings import CUT, SETTING
from results.sweep.arms import collect_arms
from results.sweep.cells import COST_ORDER
from results.sweep.judged import Judged, line_up
from results.sweep.within import Race, compare_within

OTHERS = (1.0, 0.5, 0.2, 0.0)
TEMPERATURES = pl.Schema(
    {
        "reader": pl.String(),
        "temperature": pl.Float64(),
        "setting": pl.String(),
        "cut": pl.String(),
        "amount": pl.Int64(),
        "accuracy": pl.Float64(),
        "best_setting": pl.String(),
        "best_cut": pl.String(),
        "best_amount": pl.Int64(),
        "best_accuracy": pl.Float64(),
    }
)


def advise_by_temperature(
    corpus: Corpus, answers: pl.DataFrame, readers: Sequence[ReaderVotes], consensus: ConsensusConfig,
    names: pl.DataFrame, config: ScoringConfig, race: Race | None = None,
) -> pl.DataFrame:  # fmt: skip
    """The cell that each reader would be advised at some temperatures, and its best one; schema `TEMPERATURES`.

    The columns on the advised cell are null where the run cannot tell. Readers without distributions are left out.

    Args:
        corpus: gives references and clusters.
        answers: frame of schema `ANSWERS`.
        readers: with their gold sets and the votes behind these.
        consensus: the rule of the gold sets.
        names: columns `SETTING` and `setting`.
        config: confidence, margin.
        race: the looks of a sweep that is read until the advice is told; None for a single one.
    """
    rows = []
    for reader in readers:
        for temperature in OTHERS if config.answers == "expected" else ():
            at = config.model_copy(update={"answer_temperature": temperature})
            judged = line_up(corpus, reader, answers, consensus, at)
            if judged.is_expected and judged.laws["gold"].weights.sum():
                rows.append({"reader": reader.name, "temperature": temperature, **_advice(judged, names, at, race)})
    return pl.DataFrame(rows, schema=TEMPERATURES)


def _advice(judged: Judged, names: pl.DataFrame, config: ScoringConfig, race: Race | None) -> dict[str, object]:
    gold = collect_arms(judged, "gold")
    within = compare_within(judged, gold, range(len(judged.cells)), config, race)
    accuracies = [gold.n_right("retrieved", number) / gold.n_weighted for number in range(len(judged.cells))]
    costs = (
        judged.answers.filter(pl.col("arm") == "retrieved")
        .group_by(*SETTING, *CUT)
        .agg(pl.mean("n_context_tokens"), failed=pl.col("failure").is_not_null().sum())
    )
    cells = judged.cells.join(names, on=SETTING, how="left", maintain_order="left").with_columns(
        accuracy=pl.Series(accuracies, dtype=pl.Float64), p_within=pl.Series(within.p_values, dtype=pl.Float64)
    )
    cells = cells.join(costs, on=[*SETTING, *CUT], how="left", maintain_order="left").sort(COST_ORDER)
    best = cells.sort("accuracy", descending=True, maintain_order=True).row(0, named=True)
    found = {f"best_{name}": best[name] for name in ("setting", *CUT, "accuracy")}
    shown = cells.filter(pl.col("p_within") < 1 - config.confidence)
    if len(shown) and not cells["failed"].sum():
        found |= {name: shown[name][0] for name in ("setting", *CUT, "accuracy")}
    return found
