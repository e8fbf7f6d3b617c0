"""Scores from drawn answers, as of the runs that were published before expected scores, are still to be had."""

import pytest

from tests.benchmarks.rescored import finished
from tests.conftest import ROOT

PUBLISHED = ROOT / "results" / "published"
CELL = ("reader", "splitter", "size", "overlap", "embedder", "retriever", "cut", "amount", "setting")


def side_by_side(name):
    """Every number of the published cells, and the same column scored anew under the suffix `_now`."""
    run = finished(PUBLISHED / name)
    published, now = run.tables["cells"], run.scored(run.tables["answers"], "drawn").cells
    both = published.join(now, on=CELL, suffix="_now", nulls_equal=True, maintain_order="left")
    assert len(both) == len(published) == len(now)
    numbers = [column for column in published.columns if published[column].dtype.is_numeric() and column not in CELL]
    return both, numbers


def test_a_published_table_is_reproduced_from_its_answers_to_the_last_interval():
    both, numbers = side_by_side("pubmedqa-sizes")
    assert {"gold_accuracy", "gold_accuracy_low", "gold_f1_high", "all_recall_low"} <= set(numbers)
    for column in numbers:
        assert both[column].to_list() == pytest.approx(both[f"{column}_now"].to_list(), abs=1e-12), column


# The rule unanimous has since kept an agreed label only if it is the reader's most probable one, too.
@pytest.mark.parametrize("name", ["pubmedqa-stitched", "evidence-inference"])
def test_all_but_the_gold_set_of_another_rule_is_reproduced(name):
    both, numbers = side_by_side(name)
    of_all = [column for column in numbers if column.startswith("all_")]
    assert "all_accuracy_low" in of_all
    for column in of_all:
        assert both[column].to_list() == pytest.approx(both[f"{column}_now"].to_list(), abs=1e-12), column
    fewer = both["gold_n"] - both["gold_n_now"]
    assert fewer.min() >= 0 < fewer.max()
