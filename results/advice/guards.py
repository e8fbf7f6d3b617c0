"""Guards: warnings about degenerate sweeps, so that nobody reads an effect into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import polars as pl

from corpora.schema import Corpus
from labeling.votes.consensus import ConsensusConfig, ReaderVotes
from results.advice.advice import Advice
from results.advice.wording import NO_WINNER, count, percent
from results.config import ScoringConfig
from results.readers.answers import question_facts
from results.settings import CUT, SETTING, Setting, Spoken, cuts_in, say_cut, setting_of
from results.stats.clustered import effective_number
from results.sweep.judged import gold_law

ONE_CHUNK_SHARE = 0.5
CEILING = 0.98
SMALL_GOLD = NO_WINNER
SURE = 0.95  # of the answers from the whole document are the gold label, or the report says why not
SMALLEST = 16  # tokens; smaller chunks are hardly text
OUTSIDE_MASS = 0.5
UNEVEN = 2  # times as many questions as on the average document are many
HEAVY = 30  # times the weight of its heaviest document are a gold set on which the verdict does not hang on that one
EXACT_ENOUGH = 0.99


def find_warnings(tables: Mapping[str, pl.DataFrame]) -> list[str]:
    """One line for each way in which a sweep may say less than it seems to.

    Args:
        tables: the frames chunks, retrieval_means and index_recall of a run; with readers answers, cells, ladder too.
    """
    said = say_chunkings(tables["retrieval_means"])
    found = [
        *_whole_documents(tables["chunks"], said),
        *_without_effect(tables["chunks"], said),
        *_at_ceiling(tables["retrieval_means"]),
        *_approximate(tables["index_recall"]),
    ]
    if "cells" in tables:
        found += [
            *_small_gold(tables["cells"]),
            *(_unsure_gold(tables["baselines"]) if "baselines" in tables else ()),
            *_failed(tables["answers"]),
            *_incomplete_arms(tables["answers"]),
            *_context_free(tables["ladder"]),
        ]
    return found


def one_document(corpus: Corpus) -> list[str]:
    """Questions that all share their first gold document are one observation, however many they are."""
    facts = question_facts(corpus)
    if len(facts) < 2 or facts["cluster"].n_unique() > 1:
        return []
    return [
        f"All {len(facts)} questions share one gold document, so nothing shows how much of a difference is chance. Add "
        "documents, or make each part of this one a document."
    ]


def heavy_documents(
    corpus: Corpus, readers: Iterable[ReaderVotes], consensus: ConsensusConfig, config: ScoringConfig
) -> list[str]:
    """Readers of whose gold weight one document holds so much that it may decide the verdict.

    The worst case of the test is as heavy as the typical document, so it does not guard against a surprise in a much
    heavier one (docs/statistics.md says how often it fails). Where there are few gold questions, that is said instead.

    Args:
        corpus: gives labels and documents.
        readers: with their votes on all questions that were asked, whether they were read from chunks or not.
        consensus: the rule of the gold set.
        config: how scores are formed.
    """
    if config.answers == "drawn" or config.strict:
        return []
    return [line for reader in readers for line in _heaviest(corpus, reader, consensus, config)]


def _heaviest(corpus: Corpus, reader: ReaderVotes, consensus: ConsensusConfig, config: ScoringConfig) -> Iterator[str]:
    kept = reader.gold.filter("kept").select("question_id", gold_label="label")
    facts = question_facts(corpus).join(reader.questions, on="question_id", how="semi")
    facts = facts.join(kept, on="question_id", how="left").sort("question_id")
    if facts.is_empty():
        return
    law = gold_law(facts, reader.votes, corpus.labels, reader.sampling, consensus, reader.reviewed)
    of_question = law.chances.sum(axis=1)
    held = facts.select("cluster", weight=pl.Series(of_question)).group_by("cluster").agg(pl.sum("weight"))
    (document, heaviest), total = held.sort(-pl.col("weight"), "cluster").row(0), float(of_question.sum())
    if len(held) > 1 and effective_number(of_question) >= SMALL_GOLD and total < HEAVY * heaviest:
        yield (
            f"{reader.name}: the document {document} alone holds {percent(heaviest / total)} of the weight of its gold "
            f"questions. If settings differ mainly there, more than {percent(1 - config.confidence)} of verdicts may "
            "be wrong. Add documents, or set strict = true in [scoring]."
        )


def heavy_of_retrieval(corpus: Corpus, config: ScoringConfig) -> list[str]:
    """The document that so many questions are on that it may decide what retrieval alone recommends.

    For a run without readers. Here questions count alike, and where all documents have about as many, none is heavy.

    Args:
        corpus: gives questions and documents.
        config: how scores are formed.
    """
    held = question_facts(corpus)["cluster"].value_counts().sort("count", "cluster", descending=[True, False])
    if config.answers == "drawn" or config.strict or len(held) < 2:
        return []
    (document, heaviest), total = held.row(0), len(corpus.questions)
    if total >= HEAVY * heaviest or heaviest * len(held) <= UNEVEN * total:
        return []
    return [
        f"{percent(heaviest / total)} of the questions are on the document {document} alone. If settings differ mainly "
        f"there, retrieval alone may be wrong about them in more than {percent(1 - config.confidence)} of runs. Add "
        "questions on other documents, or set strict = true in [scoring]."
    ]


def counted_differently(counting: Mapping[str, str]) -> list[str]:
    """Embedders that count in different tokens: equal sizes and budgets are different amounts of text.

    Args:
        counting: digest of the tokenizer of each embedder.
    """
    alike: dict[str, list[str]] = {}
    for embedder, digest in counting.items():
        alike.setdefault(digest, []).append(embedder)
    if len(alike) < 2:
        return []
    groups = " | ".join(", ".join(embedders) for embedders in alike.values())
    return [
        f"{groups}: these embedders count in different tokens. Equal sizes, budgets and numbers of tokens read are "
        "different amounts of text for each; compare only settings of the same embedder."
    ]


def labeler_warnings(tables: Mapping[str, pl.DataFrame]) -> list[str]:
    """One line for each way in which the votes may say less than they seem to.

    Args:
        tables: the frames labelers and diversity of a run.
    """
    return [*_outside_labels(tables["labelers"]), *_nearly_copies(tables["diversity"])]


def say_chunkings(settings: pl.DataFrame) -> dict[str, str]:
    """How chunkings are said, by their names.

    Args:
        settings: with the columns `SETTING`, of all settings of the run.
    """
    spoken = Spoken(["splitter"] if settings["splitter"].n_unique() > 1 else [])
    found = [setting_of(row) for row in settings.select(SETTING).unique().iter_rows(named=True)]
    return {one.chunking.name: spoken.setting(one) for one in found}


def _whole_documents(chunks: pl.DataFrame, said: Mapping[str, str]) -> list[str]:
    chunks = _named(chunks, said)
    counts = chunks.group_by("chunking", "document_id").len().group_by("chunking")
    shares = counts.agg(share=(pl.col("len") == 1).mean()).filter(pl.col("share") >= ONE_CHUNK_SHARE).sort("chunking")
    if shares.is_empty():
        return []
    each = ", ".join(f"{percent(share)} with {chunking}" for chunking, share in shares.iter_rows())
    return [f"Many documents are a single chunk ({each}): there, whole documents are retrieved."]


def _named(chunks: pl.DataFrame, said: Mapping[str, str]) -> pl.DataFrame:
    """The chunkings as they are said, with the embedder whose tokens they count where there are several."""
    chunks = chunks.with_columns(pl.col("chunking").replace(said))
    if chunks["embedder"].n_unique() == 1:
        return chunks
    return chunks.with_columns(chunking=pl.concat_str("chunking", "embedder", separator=" "))


def _without_effect(chunks: pl.DataFrame, said: Mapping[str, str]) -> list[str]:
    return [
        f"{' and '.join(names)} make the same chunks: the difference between them has no effect here."
        for names in same_chunks(chunks, said)
    ]


def same_chunks(chunks: pl.DataFrame, said: Mapping[str, str]) -> list[list[str]]:
    """The chunkings that cut every document at the same places, a list for each group of them.

    Args:
        chunks: columns embedder, chunking, document_id, start and end.
        said: as of `say_chunkings`.
    """
    # Within an embedder: two that count tokens alike cut alike, and still differ in what they find.
    places = (
        _named(chunks, said)
        .sort("embedder", "chunking", "document_id", "start", "end")
        .group_by("embedder", "chunking", maintain_order=True)
        .agg(pl.struct("document_id", "start", "end").hash(seed=0).alias("places"))
    )
    alike = places.group_by("embedder", "places", maintain_order=True).agg("chunking")
    return alike.filter(pl.col("chunking").list.len() > 1)["chunking"].to_list()


def _at_ceiling(retrieval_means: pl.DataFrame) -> list[str]:
    worst = retrieval_means.group_by(CUT).agg(pl.min("hit", "span_recall")).filter(pl.col("hit") >= CEILING).sort(CUT)
    lines = []
    # Where evidence is marked, it decides: it may be missed although its document is found.
    has_room = pl.col("span_recall").is_not_null() & (pl.col("span_recall") < CEILING)
    for cuts, so in (
        (worst.filter(has_room), "so settings differ there only in how much of its evidence they retrieve"),
        (worst.filter(~has_room), "so retrieval hardly differs between settings there"),
    ):
        if len(cuts):
            named = "; ".join(say_cut(cut) for cut in cuts_in(cuts))
            least = min(cuts["hit"].to_list())
            share = "every question" if least == 1 else f"at least {100 * least:.1f} % of the questions"
            found = f"the gold document is found for {share} at every setting"
            lines.append(f"{named}: {found}, {so}.")
    return lines


def _approximate(index_recall: pl.DataFrame) -> list[str]:
    means = index_recall.group_by(SETTING).agg(pl.mean("recall")).filter(pl.col("recall") < EXACT_ENOUGH).sort(SETTING)
    return [
        f"{Spoken(['embedder']).setting(Setting(*setting))}: the approximate index finds {100 * recall:.1f} % of "
        "what the exact one does, so some of its losses are due to the index."
        for *setting, recall in means.iter_rows()
    ]


def _context_free(ladder: pl.DataFrame) -> list[str]:
    """Readers that are not shown to answer better with the document than without any context."""
    complete = pl.col("n_failed").fill_null(0) == 0  # otherwise the share recovered is left out for another reason
    known = ladder.filter(pl.col("questions") == "gold", pl.col("closed_book").is_not_null(), complete)
    lost = known.filter(pl.col("document").is_not_null(), pl.col("recovered").is_null()).unique("reader").sort("reader")
    return [
        f"{reader}: it gets {100 * closed:.1f} % of its gold questions right without any context and "
        f"{100 * document:.1f} % with the whole document, which is not shown to be more. What is retrieved may not "
        "matter to this reader."
        for reader, closed, document in lost.select("reader", "closed_book", "document").iter_rows()
    ]


def _small_gold(cells: pl.DataFrame) -> list[str]:
    sizes = cells.group_by("reader").agg(pl.min("gold_n"))
    sizes = sizes.filter(pl.col("gold_n").is_between(0, SMALL_GOLD, closed="none")).sort("reader")
    return [
        f"{reader}: with only {count(n, 'gold question')}, only very large differences can be shown."
        for reader, n in sizes.iter_rows()
    ]


def _unsure_gold(baselines: pl.DataFrame) -> list[str]:
    """Readers that do not surely give their own gold labels from the whole document, and why."""
    whole = baselines.filter(pl.col("arm") == "document", pl.col("gold_accuracy") < SURE).sort("reader")
    return [
        f"{reader}: from the whole document it gives its gold label in {percent(accuracy)} of its answers "
        + (f"({percent(greedy)} greedy), " if scores == "expected" else "only, ")
        + "so part of what it gets wrong from chunks is due to how it answers. "
        + ("A lower answer_temperature, or the rule confident, makes it surer." if scores == "expected" else "")
        for reader, accuracy, greedy, scores in whole.select(
            "reader", "gold_accuracy", "gold_greedy", "scores"
        ).iter_rows()
    ]


def lost_headings(paths: pl.DataFrame) -> list[str]:
    """Where headings before chunks do less than they seem to, because there are none or the embedder reads no more.

    Args:
        paths: columns embedder, chunking, heading_path and n_left_out, one row a chunk.
    """
    lines = []
    for (embedder,), mine in paths.group_by("embedder", maintain_order=True):
        if (mine["heading_path"] == "").all() and not mine["n_left_out"].any():
            lines.append(f"{embedder}: no chunk has a heading over it, so its chunks are embedded as they are.")
        for (chunking,), some in mine.filter(pl.col("n_left_out") > 0).group_by("chunking", maintain_order=True):
            n_all = len(mine.filter(pl.col("chunking") == chunking))
            lines.append(
                f"{embedder}, {chunking}: outer headings are left out before {len(some)} of {count(n_all, 'chunk')}, "
                "which would be longer than the embedder reads. Smaller chunks leave room for them."
            )
    return lines


def edge_of_grid(advice: Sequence[Advice]) -> list[str]:
    """Best sizes at the edge of those that were tried, with the next sizes to try.

    Args:
        advice: on cells, each with the cell that scores highest; those without a leader, or with too few questions for
            one, are left out, and so are those where cells of several sizes are equal.
    """
    return [
        f"The leading size is at the edge of the grid for {', '.join(places)}. It is the {which}."
        for which, places in edge_sizes(advice).items()
    ]


def edge_sizes(advice: Sequence[Advice]) -> dict[str, list[str]]:
    """Best sizes at the edge with the next sizes to try, as the end of a sentence, and where each is the best."""
    beyond: dict[str, list[str]] = {}
    for one in advice:
        if one.leader is None or len(one.sizes) < 2 or (one.n_gold is not None and one.n_gold < SMALL_GOLD):
            continue
        if one.leader.cut.kind == "k":
            continue  # with a fixed k, larger chunks win by reading more: there is no end to it
        size, who = one.leader.setting.size, one.reader or "retrieval"
        if any(cell.setting.size != size for cell in one.equal):
            continue  # no size leads alone
        place = f"{who} with {say_cut(one.leader.cut)}"
        if size == max(one.sizes):
            budget = f", with a budget of {size * 2} or more" if one.leader.cut.amount < size * 2 else ""
            tries = f"largest that was tried, {size}: try {size * 3 // 2} and {size * 2} as well{budget}"
            beyond.setdefault(tries, []).append(place)
        elif size == min(one.sizes) and size >= 2 * SMALLEST:
            tries = f"smallest that was tried, {size}: try {size // 2} and {size * 3 // 4} as well"
            beyond.setdefault(tries, []).append(place)
    return beyond


def _failed(answers: pl.DataFrame) -> list[str]:
    failed = answers.filter(pl.col("failure").is_not_null()).group_by("reader", "arm").len().sort("reader", "arm")
    each = failed.group_by("reader", maintain_order=True).agg(pl.format("{} in the arm {}", "len", "arm"))
    return [
        f"{reader}: answers failed, {', '.join(arms)} (such as prompts longer than num_ctx). They count as wrong in "
        "the table, and the rungs of the ladder that depend on them are left out."
        for reader, arms in each.iter_rows()
    ]


def _incomplete_arms(answers: pl.DataFrame) -> list[str]:
    """Arms that could not be asked of every question: random text where there is no other document."""
    asked = answers.group_by("reader", "arm").agg(n=pl.col("question_id").n_unique())
    asked = asked.with_columns(most=pl.col("n").max().over("reader")).filter(pl.col("n") < pl.col("most"))
    return [
        f"{reader}: the arm {arm} was asked for only {n} of {most} questions, so it is left out."
        for reader, arm, n, most in asked.sort("reader", "arm").iter_rows()
    ]


def _outside_labels(labelers: pl.DataFrame) -> list[str]:
    lost = labelers.filter(pl.col("outside_mass") > OUTSIDE_MASS).select("reader", "outside_mass").sort("reader")
    return [
        f"{reader}: {percent(mass)} of its probability lies outside the labels, so it hardly uses them. Check its "
        "prompt."
        for reader, mass in lost.iter_rows()
    ]


def _nearly_copies(diversity: pl.DataFrame) -> list[str]:
    return [
        f"{reader}: its three votes differ with a probability of only {p_differ:.3f}: they are hardly more than one "
        "vote, and their agreement reflects the sampling, not the reader. Raise the temperature, or vary the prompts."
        for reader, p_differ in diversity.filter("nearly_copies").select("reader", "p_differ").iter_rows()
    ]
