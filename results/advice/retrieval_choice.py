"""Which setting retrieves best, without a reader: by the evidence found where any is marked, else by documents."""

from __future__ import annotations

import numpy as np
import polars as pl

from corpora.schema import Corpus
from results.advice.advice import Advice
from results.advice.wording import count, percent, points
from results.config import ScoringConfig
from results.readers.answers import question_facts
from results.settings import CUT, SETTING, Spoken, cell_of, name_settings, say_cut, spoken_in
from results.stats.clustered import cluster_sums
from results.stats.resampling import fixed_law, resample_means
from results.stats.worst_case import Weighted
from results.sweep.pairwise import shown_within, shown_within_drawn

ON_SPANS, ON_DOCUMENTS = "span_recall", "ndcg"


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
    best = max(order, key=lambda at: means.estimates[at])
    if config.answers == "drawn":
        p_values = shown_within_drawn(means, range(len(names)), config.margin)
    else:
        p_values = shown_within(documents, range(len(names)), config.margin, strict=config.strict)
    within = [at for at in order if p_values[at] < 1 - config.confidence]
    leader = cells[names[best]]
    cut = leader.cut
    sizes = tuple(rows["size"].unique().sort())
    nothing = Advice("", told=False, cut=cut, leader=leader, score=score, sizes=sizes)
    best_said, best_found = spoken.cell(leader), _found(score, float(means.estimates[best]))
    near, n = f"within {points(config.margin)} of the best", count(means.n, "question")
    if len(names) == 1:
        line = f"Nothing to choose: {best_said}, the only setting that was tried: {best_found}, over {n}."
        return nothing._replace(line=line, told=True, recommended=leader)
    if not within:
        line = f"No winner yet in retrieval, {say_cut(cut)}. Best so far: {best_said} ({best_found}, over {n})"
        return nothing._replace(line=f"{line}; no setting is shown to be {near}.")
    chosen = cells[names[within[0]]]
    found = f"{_found(score, float(means.estimates[within[0]]))}, {count(tokens[names[within[0]]], 'token')} read"
    if len(within) == len(names):
        standing = f"all {len(names)} settings are within {points(config.margin)} of each other, and it reads the least"
    elif len(within) == 1:
        standing = f"only this one of {len(names)} settings is shown to be {near}"
    else:
        standing = f"it reads the least of the {len(within)} settings (of {len(names)}) {near}"
    leads = "" if chosen == leader else f" ({best_said}: {best_found}, over {n})"
    the = "the " if cut.kind == "k" else ""
    line = f"Retrieve {the}{spoken.cell(chosen)}: {found}; {standing}{leads}."
    return nothing._replace(line=line, told=True, recommended=chosen)


def _found(score: str, value: float) -> str:
    return f"{percent(value)} of the evidence" if score == ON_SPANS else f"nDCG {value:.3f}"
