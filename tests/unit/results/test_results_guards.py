import polars as pl
import pytest

from results.diversity import DIVERSITY, NEARLY_COPIES, describe_diversity
from results.guards import find_warnings, labeler_warnings
from results.labelers import LABELERS


def chunks(**places_by_chunking):
    rows = [
        (chunking, document, start, end)
        for chunking, places in places_by_chunking.items()
        for document, start, end in places
    ]
    return pl.DataFrame(rows, schema=["chunking", "document_id", "start", "end"], orient="row")


def warnings(chunked=None, hit=0.5, gold_n=100, n_failed=0):
    cell = {"reader": ["reader"], "splitter": ["tokens"], "size": [64], "overlap": [0], "cut": ["k"], "amount": [3]}
    chunked = chunks(small=[("d", 0, 9), ("d", 9, 20)]) if chunked is None else chunked
    cells = pl.DataFrame(cell | {"gold_n": [gold_n], "n_failed": [n_failed]})
    retrieval = pl.DataFrame({name: values for name, values in cell.items() if name != "reader"} | {"hit": [hit]})
    return find_warnings({"chunks": chunked, "retrieval": retrieval, "cells": cells})


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
    assert line.startswith("large: 67% of the documents are one chunk")


def test_chunkings_that_cut_at_the_same_places_are_called_without_effect():
    places = [("a", 0, 9), ("a", 9, 20), ("b", 0, 9), ("b", 9, 15)]
    (line,) = warnings(chunks(large=places[::-1], small=places, other=[("a", 0, 8), ("a", 8, 20)]))
    assert line == "large and small make the same chunks: the size has no effect."


def test_chunkings_that_differ_in_one_place_are_not():
    places = [("a", 0, 9), ("a", 9, 20), ("b", 0, 9), ("b", 9, 15)]
    assert warnings(chunks(large=places, small=[*places[:-1], ("b", 9, 14)])) == []


def test_retrieval_that_finds_everything_is_called_at_its_ceiling():
    (line,) = warnings(hit=0.99)
    assert line.startswith("k=3: the gold document is found for at least 99.0%")
    assert warnings(hit=0.97) == []


def test_few_gold_questions_are_pointed_out():
    (line,) = warnings(gold_n=29)
    assert line.startswith("reader: only 29 gold questions")
    assert warnings(gold_n=30) == []


def test_failed_answers_are_pointed_out():
    (line,) = warnings(n_failed=3)
    assert line.startswith("reader: 3 answers failed")


def test_every_way_of_saying_little_has_its_own_line():
    places = [("a", 0, 20)]
    assert len(warnings(chunks(large=places, small=places), 1.0, gold_n=5, n_failed=1)) == 6


def test_a_reader_that_hardly_answers_with_the_labels_is_pointed_out():
    (line,) = of_labelers((0.1, 0.5), (0.8, 0.5))
    assert line.startswith("reader 1: 80% of the probability lies outside the labels")


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
