"""Which setting retrieves best, without a reader: by the evidence found where any is marked, else by documents."""

from __future__ import annotations

import numpy as np
import polars as pl

from corpora.schema import Corpus
from results.advice.advice import Advice
from results.config import ScoringConfig
from results.readers.answers import question_facts
from results.settings import CUT, SETTING, cell_of, name_settings
from results.stats.clustered import cluster_sums
from results.stats.resampling import fixed_law, resample_means
from results.stats.worst_case import Weighted
from results.sweep.pairwise import shown_within, shown_within_drawn

ON_SPANS, ON_DOCUMENTS = "span_recall", "ndcg"
SPOKEN = {ON_SPANS: "span recall", ON_DOCUMENTS: "nDCG"}


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
    choices = [
        _choose(rows, score, config) for _, rows in named.sort(*CUT, "setting").group_by(CUT, maintain_order=True)
    ]
    return sorted(choices, key=lambda choice: choice.cut is not None and choice.cut.kind == "k")


def _choose(rows: pl.DataFrame, score: str, config: ScoringConfig) -> Advice:
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
    led = f"{SPOKEN[score]} {means.estimates[best]:.3f} over {means.n:.0f} questions"
    shown = f"{names[best]} leads with {led}"
    if len(names) == 1:
        line = f"Nothing to choose at {cut.name}: the sweep has only one setting, {names[best]} with {led}."
        return nothing._replace(line=line, told=True, recommended=leader)
    if not within:
        line = f"Cannot tell which setting retrieves best at {cut.name}: {shown}; none is shown to be within"
        return nothing._replace(line=f"{line} {config.margin:g} of the best.")
    chosen = names[within[0]]
    whose = f"the fewest of the {len(within)} settings (of {len(names)})"
    if len(within) == 1:
        whose = f"the only one of {len(names)} settings"
    elif len(within) == len(names):
        whose = f"the fewest of the {len(names)} settings, all of them"
    line = (
        f"Retrieve with {chosen} at {cut.name}: {SPOKEN[score]} {means.estimates[within[0]]:.3f}, {tokens[chosen]:.0f} "
        f"tokens read, {whose} shown to be within {config.margin:g} of the best"
    )
    line = f"{line} ({shown})." if chosen != names[best] else f"{line}."
    return nothing._replace(line=line, told=True, recommended=cells[chosen])
