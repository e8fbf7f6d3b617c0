import polars as pl
import pytest

from labeling.votes.consensus import ConsensusConfig, ReaderVotes, build_gold
from labeling.votes.sampling import Sampling
from results.advice.advice import Advice
from results.advice.guards import (
    counted_differently,
    edge_of_grid,
    find_warnings,
    heavy_documents,
    heavy_of_retrieval,
    labeler_warnings,
    one_document,
)
from results.config import ScoringConfig
from results.readers.answers import ANSWERS
from results.readers.diversity import DIVERSITY, NEARLY_COPIES, describe_diversity
from results.readers.labelers import LABELERS
from results.settings import SETTING_SCHEMA, Cell, Setting
from results.sweep.attribution import LADDER
from results.sweep.cells import BASELINES, CELLS
from results.sweep.retrieval_means import RETRIEVAL_MEANS
from retrieval.context import Cut


def chunks(embedder="minilm", **places_by_chunking):
    rows = [
        (embedder, chunking, document, start, end)
        for chunking, places in places_by_chunking.items()
        for document, start, end in places
    ]
    return pl.DataFrame(rows, schema=["embedder", "chunking", "document_id", "start", "end"], orient="row")


CELL = {"splitter": "tokens", "size": 64, "overlap": 0, "embedder": "minilm", "retriever": "dense", "cut": "k"}
CELL |= {"amount": 3}


def rungs(*known, reader="reader", questions="gold"):
    """Rungs of the ladder, each given as accuracies closed book and with the document, and the share recovered."""
    rows = [
        {"reader": reader, **CELL, "size": 2**number, "questions": questions, "closed_book": closed,
         "document": document, "recovered": recovered}
        for number, (closed, document, recovered) in enumerate(known)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=LADDER)


def recalls(**by_embedder):
    """Recalls of the approximate index, question by question."""
    rows = [
        {**CELL, "embedder": embedder, "retriever": "approximate", "recall": recall}
        for embedder, of in by_embedder.items()
        for recall in of
    ]
    return pl.DataFrame(rows, schema={**SETTING_SCHEMA, "recall": pl.Float64()})


def of_retrieval(chunked=None, hit=0.5, index_recall=None, span_recall=None):
    """The tables of a sweep without readers."""
    chunked = chunks(small=[("d", 0, 9), ("d", 9, 20)]) if chunked is None else chunked
    return {
        "chunks": chunked,
        "retrieval_means": pl.DataFrame([CELL | {"hit": hit, "span_recall": span_recall}], schema=RETRIEVAL_MEANS),
        "index_recall": recalls() if index_recall is None else index_recall,
    }


def asked(**failures):
    """Four answers an arm, of which so many failed."""
    rows = [
        {"reader": "reader", "arm": arm, "question_id": f"q{number}", "failure": "empty" if number < failed else None}
        for arm, failed in failures.items()
        for number in range(4)
    ]
    return pl.DataFrame(rows, schema=ANSWERS)


def warnings(chunked=None, hit=0.5, gold_n=100, answers=None, index_recall=None, ladder=None):
    cells = pl.DataFrame([{"reader": "reader", **CELL, "gold_n": gold_n}], schema=CELLS)
    read = {"cells": cells, "ladder": rungs((0.2, 0.9, 0.5)) if ladder is None else ladder}
    read["answers"] = asked(retrieved=0) if answers is None else answers
    return find_warnings(of_retrieval(chunked, hit, index_recall) | read)


def of_labelers(*rows):
    """Warnings on labelers, each given as its mass outside the labels and its P(votes differ)."""
    named = [{"reader": f"reader {n}", "outside_mass": mass} for n, (mass, _) in enumerate(rows)]
    differ = [
        {"reader": f"reader {n}", "p_differ": p, "nearly_copies": None if p is None else p < NEARLY_COPIES}
        for n, (_, p) in enumerate(rows)
    ]
    labelers, diversity = pl.DataFrame(named, schema=LABELERS), pl.DataFrame(differ, schema=DIVERSITY)
    return labeler_warnings({"labelers": labelers, "diversity": diversity})


def test_a_sound_sweep_gives_no_warning():
    assert warnings() == []


def test_a_size_at_which_most_documents_are_one_chunk_is_called_retrieval_of_whole_documents():
    whole = [("a", 0, 20), ("b", 0, 30), ("c", 0, 9), ("c", 9, 20)]
    split = [(document, start, start + 5) for document in "abc" for start in (0, 5)]
    (line,) = warnings(chunks(large=whole, small=split))
    assert line.startswith("Many documents are a single chunk (67 % with large)")


def test_chunkings_that_cut_at_the_same_places_are_called_without_effect():
    places = [("a", 0, 9), ("a", 9, 20), ("b", 0, 9), ("b", 9, 15)]
    (line,) = warnings(chunks(large=places[::-1], small=places, other=[("a", 0, 8), ("a", 8, 20)]))
    assert line == "large and small make the same chunks: the difference between them has no effect here."


def test_chunkings_that_differ_in_one_place_are_not():
    places = [("a", 0, 9), ("a", 9, 20), ("b", 0, 9), ("b", 9, 15)]
    assert warnings(chunks(large=places, small=[*places[:-1], ("b", 9, 14)])) == []


def test_retrieval_that_finds_everything_is_called_at_its_ceiling():
    (line,) = warnings(hit=0.99)
    assert line.startswith("the best 3 chunks read: the gold document is found for at least 99.0 %")
    assert line.endswith("retrieval hardly differs between settings there.")
    assert warnings(hit=0.97) == []


@pytest.mark.parametrize(("span_recall", "told"), [(0.4, "how much of its evidence"), (0.99, "hardly differs")])
def test_where_evidence_is_marked_it_decides_what_is_left_to_lose(span_recall, told):
    (line,) = find_warnings(of_retrieval(hit=0.99, span_recall=span_recall))
    assert told in line


def test_few_gold_questions_are_pointed_out():
    (line,) = warnings(gold_n=29)
    assert line.startswith("reader: with only 29 gold questions, ")
    assert warnings(gold_n=30) == []


def test_failed_answers_are_pointed_out():
    lines = warnings(answers=asked(retrieved=3, oracle_chunk=1, document=0))
    assert [line.split(" (")[0] for line in lines] == [
        "reader: answers failed, 1 in the arm oracle_chunk, 3 in the arm retrieved",
    ]


def test_an_arm_that_some_questions_lack_is_pointed_out():
    answers = asked(retrieved=0, random=0).filter((pl.col("arm") != "random") | (pl.col("question_id") != "q2"))
    (line,) = warnings(answers=answers)
    assert line == "reader: the arm random was asked for only 3 of 4 questions, so it is left out."


def test_the_same_chunking_of_two_embedders_is_judged_by_its_own_tokens():
    split, whole = [("a", 0, 9), ("a", 9, 20)], [("a", 0, 20)]
    both = chunks(tokens=split).vstack(chunks("other", tokens=whole))
    (line,) = warnings(both)
    assert line.startswith("Many documents are a single chunk (100 % with tokens other)")


def test_two_embedders_that_cut_alike_differ_in_what_they_find():
    split = [("a", 0, 9), ("a", 9, 20)]
    assert warnings(chunks(tokens=split).vstack(chunks("other", tokens=split))) == []


def test_chunkings_that_cut_alike_are_named_with_their_embedder_where_there_are_several():
    split = [("a", 0, 9), ("a", 9, 20)]
    (line,) = warnings(chunks(large=split, small=split).vstack(chunks("other", large=split)))
    assert line == "large minilm and small minilm make the same chunks: the difference between them has no effect here."


def test_an_approximate_index_that_misses_neighbours_is_pointed_out():
    # Over the questions of one setting: (1 + .98 + .96) / 3 = .98; the other loses 1 in 200.
    (line,) = warnings(index_recall=recalls(minilm=[1.0, 0.98, 0.96], other=[1.0, 0.99]))
    assert line == (
        "64-token chunks, minilm embedder: the approximate index finds 98.0 % of what the exact one does, so some of "
        "its losses are due to the index."
    )


def test_an_approximate_index_that_finds_nearly_all_is_not():
    assert warnings(index_recall=recalls(minilm=[1.0, 0.98])) == []  # .99, the bound itself


def test_a_reader_that_needs_no_context_is_pointed_out_once():
    (line,) = warnings(ladder=rungs((0.875, 0.9, None), (0.875, 0.9, None)))
    assert line == (
        "reader: it gets 87.5 % of its gold questions right without any context and 90.0 % with the whole document, "
        "which is not shown to be more. What is retrieved may not matter to this reader."
    )


def test_failed_answers_do_not_make_a_reader_that_needs_no_context():
    # The share recovered is left out here because the document arm has gaps, not because there is nothing to recover.
    failed = rungs((0.2, 0.9, None)).with_columns(n_failed=pl.lit(3, dtype=pl.Int64))
    assert warnings(ladder=failed) == []


def test_only_the_readers_that_need_no_context_are():
    known = rungs((0.9, 0.9, None), reader="knows").vstack(rungs((0.2, 0.9, 0.0), reader="reads"))
    (line,) = warnings(ladder=known)
    assert line.startswith("knows: ")


@pytest.mark.parametrize(
    "ladder",
    [rungs((None, 0.9, None)), rungs((0.9, None, None)), rungs((0.9, 0.9, None), questions="all"), rungs()],
    ids=["no closed book", "no document", "not on gold", "no gold"],
)
def test_what_was_not_asked_shows_no_reader_to_need_no_context(ladder):
    assert warnings(ladder=ladder) == []


@pytest.mark.parametrize(("n_document", "warned"), [(24, True), (40, False)])
def test_the_ladder_of_a_real_sweep_says_whether_the_context_matters(sweep, n_document, warned):
    # Closed book 20 of 40 are right: four more with the document could be chance, twenty more could not.
    arms = {"closed_book": [n < 20 for n in range(40)], "document": [n < n_document for n in range(40)]}
    built = sweep({64: [True] * 40}, arms=arms)
    scored = built.score()
    read = {"answers": built.answers, "cells": scored.cells, "ladder": scored.ladder}
    found = find_warnings(of_retrieval() | read)
    assert [line.startswith("reader: it gets 50.0 % of its gold questions right") for line in found] == [True] * warned


def test_a_sweep_without_readers_is_judged_by_its_retrieval_alone():
    assert find_warnings(of_retrieval()) == []
    assert len(find_warnings(of_retrieval(hit=1.0, index_recall=recalls(minilm=[0.5])))) == 2


def test_every_way_of_saying_little_has_its_own_line():
    places = [("a", 0, 20)]
    lost, poor = rungs((0.9, 0.9, None)), recalls(minilm=[0.5])
    found = warnings(
        chunks(large=places, small=places), 1.0, gold_n=5, answers=asked(retrieved=1), index_recall=poor, ladder=lost
    )
    assert len(found) == len(set(found)) == 7  # one a cause, however many settings have it


def test_a_reader_that_hardly_answers_with_the_labels_is_pointed_out():
    (line,) = of_labelers((0.1, 0.5), (0.8, 0.5))
    assert line.startswith("reader 1: 80 % of its probability lies outside the labels")


def test_a_reader_whose_three_votes_are_nearly_copies_is_pointed_out():
    (line,) = of_labelers((0.1, 0.5), (0.1, 0.0123))
    assert line.startswith("reader 1: ")
    assert "0.012" in line


@pytest.mark.parametrize("known", [(0.5, 0.5), (None, None), (0.0, 0.02)])
def test_half_of_the_probability_or_none_known_is_not_pointed_out(known):
    assert of_labelers(known) == []


def test_both_ways_of_a_reader_to_say_little_are_pointed_out():
    assert [line.split(":")[0] for line in of_labelers((0.9, 0.001), (0.7, 0.5))] == [
        "reader 0",
        "reader 1",
        "reader 0",
    ]


@pytest.mark.parametrize(("p", "warned"), [((0.999, 0.001, 0.0), True), ((0.98, 0.02, 0.0), False)])
def test_near_copies_are_those_of_the_exact_law(cast_of, p, warned):
    # Three votes of .999 / .001 differ with probability 1 - .999^3 - .001^3 = .003; of .98 / .02 with .058.
    diversity = describe_diversity(cast_of({"q1": p}, {"q1": "yes"}), "resample")
    labelers = pl.DataFrame([{"reader": "reader", "outside_mass": 0.0}], schema=LABELERS)
    assert bool(labeler_warnings({"labelers": labelers, "diversity": diversity})) is warned


def test_questions_that_are_all_on_one_document_are_one_observation(corpus_of):
    (line,) = one_document(corpus_of(["yes"] * 5, questions_per_document=5))
    assert line.startswith("All 5 questions share one gold document, ")
    assert one_document(corpus_of(["yes"] * 6, questions_per_document=5)) == []
    assert one_document(corpus_of(["yes"])) == []


def heavy_of(corpus_of, ballots, sure, per_document=1, **config):
    """Warnings about a reader that is this sure of `yes`, question by question."""
    corpus = corpus_of(["yes"] * len(sure), questions_per_document=per_document)
    votes = ballots({f"q{number:03d}": (one, (1 - one) / 2, (1 - one) / 2) for number, one in enumerate(sure)})
    consensus, asked = ConsensusConfig(), corpus.questions.select("question_id")
    gold = build_gold(votes, corpus.questions, corpus.labels, consensus)
    reader = ReaderVotes("reader", Sampling(), "resample", asked, votes, gold, None)
    return heavy_documents(corpus, [reader], consensus, ScoringConfig(**config))


def test_a_document_that_holds_much_of_the_weight_is_named(corpus_of, ballots):
    # Twenty documents with three questions each; those of the first count with .8^3, the others with .5^3.
    sure = [0.8] * 3 + [0.5] * 57
    share = 3 * 0.8**3 / (3 * 0.8**3 + 57 * 0.5**3)
    assert heavy_of(corpus_of, ballots, sure, 3) == [
        f"reader: the document d0 alone holds {100 * share:.0f} % of the weight of its gold questions. If settings "
        "differ mainly there, more than 5 % of verdicts may be wrong. Add documents, or set strict = true in [scoring]."
    ]
    assert heavy_of(corpus_of, ballots, sure, 3, strict=True) == []
    assert heavy_of(corpus_of, ballots, sure, 3, answers="drawn") == []


@pytest.mark.parametrize(("n_questions", "per_document", "is_said"), [(31, 1, False), (62, 2, False), (58, 2, True)])
def test_the_heaviest_document_may_hold_a_thirtieth(corpus_of, ballots, n_questions, per_document, is_said):
    assert bool(heavy_of(corpus_of, ballots, [0.9] * n_questions, per_document)) is is_said


def test_too_few_gold_questions_and_a_single_document_are_said_elsewhere(corpus_of, ballots):
    assert heavy_of(corpus_of, ballots, [0.9] * 29) == []
    assert heavy_of(corpus_of, ballots, [0.9] * 40, 40) == []


def test_retrieval_alone_names_a_document_with_most_of_the_questions(corpus_of):
    def on(*counts):
        corpus = corpus_of(["yes"] * sum(counts))
        names = [[f"d{number}"] for number, n in enumerate(counts) for _ in range(n)]
        return corpus.with_questions(corpus.questions.with_columns(document_ids=pl.Series(names)))

    assert heavy_of_retrieval(on(5, *[1] * 95), ScoringConfig()) == [
        "5 % of the questions are on the document d0 alone. If settings differ mainly there, retrieval alone may "
        "be wrong about them in more than 5 % of runs. Add questions on other documents, or set strict = "
        "true in [scoring]."
    ]
    assert heavy_of_retrieval(on(3, *[1] * 97), ScoringConfig()) == []  # a thirtieth and less
    assert heavy_of_retrieval(on(*[4] * 20), ScoringConfig()) == []  # all documents alike
    assert heavy_of_retrieval(on(5, *[1] * 95), ScoringConfig(strict=True)) == []
    assert heavy_of_retrieval(on(9), ScoringConfig()) == []


def test_embedders_that_count_in_other_tokens_are_pointed_out():
    (line,) = counted_differently({"minilm": "a", "minilm-late": "a", "xlm": "b"})
    assert line.startswith("minilm, minilm-late | xlm: these embedders count in different tokens. ")
    assert counted_differently({"minilm": "a", "minilm-late": "a"}) == []


def best(size, sizes=(32, 64, 128), n_gold=100.0, reader="reader", cut=("budget", 256)):
    """Advice whose best cell has this size."""
    leader = Cell(reader, Setting("tokens", size, 0, "minilm", "dense"), Cut(*cut))
    return Advice("", told=False, reader=reader, leader=leader, n_gold=n_gold, sizes=sizes)


@pytest.mark.parametrize(
    ("size", "tries"),
    [(128, "largest that was tried, 128: try 192 and 256"), (32, "smallest that was tried, 32: try 16 and 24")],
)
def test_a_best_size_at_the_edge_of_the_grid_names_the_next_ones(size, tries):
    (line,) = edge_of_grid([best(size), best(size, reader=None, cut=("budget", 512))])
    assert "reader with 256 tokens read, retrieval with 512 tokens read" in line
    assert f"{tries} as well" in line


@pytest.mark.parametrize(
    "advice",
    [
        best(64),
        best(128, n_gold=29.0),
        best(64, sizes=(64,)),
        best(16, sizes=(16, 32)),
        best(128, cut=("k", 1)),
        Advice("", told=False),
        best(128)._replace(equal=(best(128).leader, best(64).leader)),
    ],
)
def test_other_best_sizes_are_not_at_the_edge(advice):
    assert edge_of_grid([advice]) == []


@pytest.mark.parametrize(("scores", "says"), [("expected", "(97 % greedy), "), ("observed", "only, ")])
def test_a_gold_set_that_the_reader_itself_is_not_sure_of_is_pointed_out(scores, says):
    whole = {"reader": "reader", "arm": "document", "gold_accuracy": 0.81, "gold_greedy": 0.97, "scores": scores}
    read = {"cells": pl.DataFrame([{"reader": "reader", **CELL, "gold_n": 100.0}], schema=CELLS), "ladder": rungs(),
            "answers": asked(retrieved=0), "baselines": pl.DataFrame([whole], schema=BASELINES)}  # fmt: skip
    (line,) = find_warnings(of_retrieval() | read)
    assert line.startswith("reader: from the whole document it gives its gold label in 81 % of its answers")
    assert says in line
    sure = read | {"baselines": pl.DataFrame([whole | {"gold_accuracy": 0.96}], schema=BASELINES)}
    assert find_warnings(of_retrieval() | sure) == []
