"""Which setting retrieves best, without a reader: by the evidence found where it is marked, else by the documents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from corpora.schema import Corpus
from results.config import ScoringConfig
from results.readers.answers import question_facts
from results.settings import CUT, SETTING, name_settings
from results.stats.resampling import fixed_law, resample_means
from results.sweep.pairwise import shown_within

ON_SPANS, ON_DOCUMENTS = "span_recall", "ndcg"
SPOKEN = {ON_SPANS: "span recall", ON_DOCUMENTS: "nDCG"}


class Choice(NamedTuple):
    """The setting to retrieve with under one cut.

    Attributes:
        cut: as in `budget=256`.
        score: what was compared: `span_recall`, or `ndcg` where no question has evidence.
        best: setting with the highest mean.
        recommended: the one that reads least among those shown to be within the margin of the best; None if none is.
        line: all of that in one line.
    """

    cut: str
    score: str
    best: str
    recommended: str | None
    line: str


def choose_retrieval(corpus: Corpus, retrieval: pl.DataFrame, config: ScoringConfig) -> list[Choice]:
    """One choice a cut: token budgets first, as with a fixed k bigger chunks win by showing more.

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
    return sorted(choices, key=lambda choice: choice.cut.startswith("k="))


def _choose(rows: pl.DataFrame, score: str, config: ScoringConfig) -> Choice:
    wide = rows.pivot(on="setting", index=["question_id", "cluster"], values=score).sort("question_id")
    names = [name for name in wide.columns if name not in ("question_id", "cluster")]
    values = wide.select(names).to_numpy()[:, None, :]
    law = fixed_law(np.zeros(len(wide), dtype=np.int64), 1, wide["cluster"].to_list())
    means = resample_means(values, law, config.n_resamples, config.seed)
    tokens = dict(rows.group_by("setting").agg(pl.mean("n_context_tokens")).iter_rows())
    order = sorted(range(len(names)), key=lambda at: (tokens[names[at]], names[at]))
    best = max(order, key=lambda at: means.estimates[at])
    p_values = shown_within(means, range(len(names)), config.margin)
    within = [at for at in order if p_values[at] < 1 - config.confidence]
    cut = f"{rows['cut'][0]}={rows['amount'][0]}"
    shown = f"{names[best]} leads with {SPOKEN[score]} {means.estimates[best]:.3f} over {means.n} questions"
    if len(names) == 1:
        line = f"Nothing to choose at {cut}: the sweep has one setting, {shown.replace(' leads', '')}."
        return Choice(cut, score, names[best], names[best], line)
    if not within:
        line = f"Cannot tell which setting retrieves best at {cut}: {shown}; none is shown to be within"
        return Choice(cut, score, names[best], None, f"{line} {config.margin:g} of the best.")
    chosen = names[within[0]]
    whose = f"the fewest of the {len(within)}" if len(within) > 1 else "the only one"
    line = (
        f"Retrieve with {chosen} at {cut}: {SPOKEN[score]} {means.estimates[within[0]]:.3f}, {tokens[chosen]:.0f} "
        f"tokens read, {whose} of {len(names)} settings shown to be within {config.margin:g} of the best"
    )
    return Choice(cut, score, names[best], chosen, f"{line} ({shown})." if chosen != names[best] else f"{line}.")
