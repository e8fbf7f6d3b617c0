"""Which setting retrieves best, without a reader: by the evidence found where any is marked, else by documents."""

from __future__ import annotations

import numpy as np
import polars as pl

from corpora.schema import Corpus
from results.advice.advice import Advice
from results.advice.cards.sentences import ON_DOCUMENTS, ON_SPANS, Choice, Found, retrieval_line
from results.advice.wording import DIGITS, is_nothing
from results.config import ScoringConfig
from results.readers.answers import question_facts
from results.settings import CUT, SETTING, Spoken, cell_of, name_settings, spoken_in
from results.stats.clustered import cluster_sums
from results.stats.resampling import fixed_law, resample_means
from results.stats.worst_case import Weighted, shown_not_best
from results.sweep.pairwise import shown_within, shown_within_drawn


def choose_retrieval(corpus: Corpus, retrieval: pl.DataFrame, config: ScoringConfig) -> list[Advice]:
    """Advice for each cut: token budgets first, as with a fixed k bigger chunks win by showing more.

    Args:
        corpus: gives the clusters.
        retrieval: as for `mean_retrieval`.
        config: confidence, resamples, margin, seed.
    """
    score = ON_DOCUMENTS if retrieval[ON_SPANS].is_null().all() else ON_SPANS
    known = retrieval.filter(pl.col(score).is_not_null())
    named = known.join(name_settings(known), on=SETTING).join(question_facts(corpus), on="question_id")
    spoken = spoken_in(named)
    choices = [
        _choose(rows, score, config, spoken)
        for _, rows in named.sort(*CUT, "setting").group_by(CUT, maintain_order=True)
    ]
    return sorted(choices, key=lambda choice: choice.cut is not None and choice.cut.kind == "k")


def _choose(rows: pl.DataFrame, score: str, config: ScoringConfig, spoken: Spoken) -> Advice:
    cells = {row["setting"]: cell_of(row) for row in rows.unique("setting").iter_rows(named=True)}
    wide = rows.pivot(on="setting", index=["question_id", "cluster"], values=score).sort("question_id")
    names = [name for name in wide.columns if name not in ("question_id", "cluster")]
    values = wide.select(names).to_numpy()[:, None, :]
    clusters = wide["cluster"].to_list()
    law = fixed_law(np.zeros(len(wide), dtype=np.int64), 1, clusters)
    means = resample_means(values, law, config.n_resamples, config.seed)
    documents = Weighted(*reversed(cluster_sums(values[:, 0, :], clusters)))
    tokens = dict(rows.group_by("setting").agg(pl.mean("n_context_tokens")).iter_rows())
    order = sorted(range(len(names)), key=lambda at: (tokens[names[at]], names[at]))
    scores = [round(float(one), DIGITS) for one in means.estimates]
    best = max(order, key=lambda at: scores[at])
    equal = tuple(cells[names[at]] for at in order if scores[at] == scores[best])
    if config.answers == "drawn":
        p_values, worse = shown_within_drawn(means, range(len(names)), config.margin), [False] * len(names)
    else:
        p_values = shown_within(documents, range(len(names)), config.margin, strict=config.strict)
        worse = shown_not_best(documents, 1 - config.confidence, strict=config.strict)
    within = [at for at in order if p_values[at] < 1 - config.confidence]

    def found(at: int) -> Found:
        return Found(cells[names[at]], float(means.estimates[at]), tokens[names[at]])

    only = len(names) == 1
    is_told = only or (within and not is_nothing(scores[best]))
    chosen = found(best if only else within[0]) if is_told else None
    maybe = tuple(cells[names[at]] for at in order if not worse[at]) if any(worse) else ()
    choice = Choice(score, means.n, len(names), found(best), equal, chosen, len(within), maybe)
    return Advice(
        retrieval_line(choice, spoken, config.margin), told=chosen is not None, cut=choice.best.cell.cut,
        recommended=chosen.cell if chosen else None, leader=choice.best.cell, equal=equal, score=score,
        level=tuple(cell.setting for cell in maybe), sizes=tuple(rows["size"].unique().sort()),
    )  # fmt: skip
