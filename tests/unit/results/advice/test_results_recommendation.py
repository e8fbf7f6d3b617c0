import math
from types import SimpleNamespace

import polars as pl
import pytest
from scipy.stats import norm

from results.advice.advice import recommendation_entry, recommended_cells
from results.advice.recommendation import more_questions, recommend
from results.config import ScoringConfig
from results.readers.labelers import LABELERS
from results.settings import Cell, Setting, cell_of, names_in
from results.sweep.attribution import LADDER
from results.sweep.cells import CELLS
from results.sweep.pairwise import COMPARISONS
from retrieval.context import Cut

CONFIG = ScoringConfig(answers="drawn")


def cells(*rows: dict) -> pl.DataFrame:
    """Cells of 100 gold questions under k=3 unless said otherwise; the setting is named after its size."""
    built = []
    for row in rows:
        accuracy = row.get("gold_accuracy", 0.8)
        place = {"reader": "reader", "splitter": "tokens", "overlap": 0, "embedder": "e", "retriever": "dense"}
        place |= {
            "cut": "k",
            "amount": 3,
            "setting": f"tokens({row['size']})",
            "gold_n": 100,
            "n_failed": 0,
            "n_too_long": 0,
        }
        place |= {"gold_accuracy_low": accuracy - 0.1, "gold_accuracy_high": accuracy + 0.1, "p_within": 1.0}
        built.append(place | {"n_context_tokens": float(row["size"]), "gold_accuracy": accuracy} | row)
    return pl.DataFrame(built, schema=CELLS)


def pairs(*errors: float) -> pl.DataFrame:
    return pl.DataFrame([{"reader": "reader", "standard_error": error} for error in errors], schema=COMPARISONS)


def recommended(
    frame: pl.DataFrame, qualified=True, compared=None, ladder=None, config=CONFIG, tried=None
) -> list[SimpleNamespace]:
    """The recommendations as a manifest holds them."""
    names = frame["reader"].unique(maintain_order=True)
    told = qualified if isinstance(qualified, dict) else dict.fromkeys(names, qualified)
    labelers = pl.DataFrame(
        [{"reader": name, "qualified": told[name]} for name in names],
        schema={name: LABELERS[name] for name in ("reader", "qualified")},
    )
    compared = pairs(0.03) if compared is None else compared
    ladder = pl.DataFrame(schema=LADDER) if ladder is None else ladder
    found = recommend(frame, compared, ladder, labelers, config, frame if tried is None else tried)
    assert all(one.told == (one.recommended is not None) for one in found)
    return [SimpleNamespace(**recommendation_entry(one, names_in(frame))) for one in found]


def test_the_cheapest_cell_shown_to_be_within_the_margin_is_recommended():
    frame = cells(
        {"size": 32, "p_within": 0.2, "gold_accuracy": 0.78},  # cheaper, but not shown
        {"size": 64, "p_within": 0.04, "gold_accuracy": 0.79},
        {"size": 128, "p_within": 0.001, "gold_accuracy": 0.82},
    )
    (one,) = recommended(frame)
    assert (one.setting, one.cut, one.best, one.n_gold) == ("tokens(64)", "k=3", "tokens(128) at k=3", 100)
    assert one.n_more is None
    assert one.line == (
        "Use the best 3 chunks of 64 tokens, with reader: 79 % right (69 to 89 %), on 100 gold questions; it reads the "
        "least of the 2 settings (of 3) within 5 points of the best."
    )


def test_what_is_cheap_is_what_the_reader_reads_not_the_size():
    frame = cells(
        {"size": 64, "p_within": 0.01, "n_context_tokens": 500.0}, {"size": 128, "p_within": 0.01, "cut": "budget"}
    )
    (one,) = recommended(frame)
    assert (one.setting, one.cut) == ("tokens(128)", "budget=3")


def test_the_line_says_where_the_recommended_cell_loses():
    frame = cells({"size": 64, "p_within": 0.01}, {"size": 128})
    place = frame.row(0, named=True)
    rung = {name: place[name] for name in LADDER if name in place and name != "setting"}
    rung |= {"questions": "gold", "n": 100, "n_wrong": 20, "n_reader": 6, "n_chunking": 9, "n_retrieval": 5}
    ladder = pl.DataFrame([rung, rung | {"questions": "all", "n_wrong": 50}], schema=LADDER)
    (one,) = recommended(frame, ladder=ladder)
    assert one.line.endswith("Of the 20 % that are wrong, 6 are due to the reader, 9 to chunking, 5 to retrieval.")


def test_cannot_tell_says_how_many_questions_would():
    frame = cells({"size": 64, "p_within": 0.06}, {"size": 128, "gold_accuracy": 0.79})
    (one,) = recommended(frame, compared=pairs(0.04, 0.05, 0.06))
    # (1.9600 + .8416)^2 * (.05 / .05)^2 = 7.849: 785 questions instead of 100.
    assert (one.setting, one.cut, one.n_more) == (None, None, 685)
    assert one.line == (
        "No winner yet with reader. Best so far: the best 3 chunks of 64 tokens (80 %, 70 to 90 %); about 690 "
        "more gold questions are needed."
    )


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"gold_n": 0, "gold_accuracy": None}, "no question is in the gold set"),
        ({"n_failed": 2, "n_too_long": 2}, "2 prompts did not fit in num_ctx"),
    ],
)
def test_what_cannot_be_scored_is_not_recommended(row, says):
    frame = pl.DataFrame([{**cells({"size": 64, "p_within": 0.01}).row(0, named=True), **row}], schema=CELLS)
    (one,) = recommended(frame)
    assert one.setting is None
    assert says in one.line


def test_one_cell_is_nothing_to_choose():
    (one,) = recommended(cells({"size": 64, "p_within": 0.0}))
    assert (one.setting, one.cut) == ("tokens(64)", "k=3")
    assert one.line.startswith("Nothing to choose with reader: the best 3 chunks of 64 tokens, the only setting")


def test_where_no_answer_is_right_nothing_is_recommended():
    wrong = {"gold_accuracy": 0.0, "p_within": 0.01}
    (one,) = recommended(cells({"size": 64} | wrong, {"size": 128} | wrong))
    assert one.setting is None
    assert one.line == "Nothing can be told with reader: no setting gets any gold question right."


def test_what_was_dropped_on_the_way_was_tried_too_and_settings_keep_their_names():
    left = cells({"size": 64, "p_within": 0.0})
    tried = cells(*({"size": size, "splitter": one} for size in (64, 128) for one in ("tokens", "sentences")))
    (one,) = recommended(left, tried=tried)
    assert one.line == (
        "Use the best 3 chunks of 64 tokens, token splitter, with reader: 80 % right (70 to 90 %), on 100 gold "
        "questions; only this one of 4 settings is shown to be within 5 points of the best."
    )
    (one,) = recommended(cells({"size": 64, "p_within": 0.01}, {"size": 128, "p_within": 0.0}), tried=tried)
    assert one.line.endswith("it reads the least of the 2 settings (of 4) within 5 points of the best.")


def test_of_cells_as_good_the_cheapest_leads():
    (one,) = recommended(cells({"size": 128}, {"size": 64}))
    assert one.best == "tokens(64) at k=3"


def test_an_unqualified_reader_comes_last():
    frame = cells(
        {"size": 64, "reader": "guesser", "gold_n": 300}, {"size": 64, "reader": "few", "gold_n": 50},
        {"size": 64, "reader": "many", "gold_n": 200},
    )  # fmt: skip
    found = recommended(frame, {"guesser": False, "few": None, "many": True})
    assert [one.reader for one in found] == ["many", "few", "guesser"]


def test_questions_needed_are_those_of_a_non_inferiority_test():
    reach = norm.ppf(1 - 0.05 / 8) + norm.ppf(0.8)
    needed = math.ceil(100 * (reach * 0.03 / 0.05) ** 2)
    assert more_questions(pairs(0.03), 8, 100, CONFIG) == needed - 100


@pytest.mark.parametrize(
    ("compared", "config"),
    [
        (pairs(0.001), CONFIG),  # there are enough already
        (pairs(), CONFIG),
        (pairs(float("inf")), CONFIG),
        (pairs(0.03), ScoringConfig(answers="drawn", margin=0)),
    ],
)
def test_no_number_is_named_where_none_is_known(compared, config):
    assert more_questions(compared, 4, 100, config) is None


def test_a_cell_is_named_by_setting_and_cut():
    setting = Setting("tokens", 64, 0, "e", "dense")
    cell = Cell("reader", setting, Cut("budget", 256))
    assert cell.name({setting: setting.name()}) == "tokens(size=64,overlap=0) at budget=256"
    assert cell.name({setting: setting.name(["retriever"])}) == "tokens(size=64,overlap=0) dense at budget=256"


def test_a_manifest_names_the_cells_that_it_recommends():
    frame = cells({"size": 64, "cut": "budget"}, {"size": 64}, {"size": 128}, {"size": 64, "reader": "other"})
    entries = [
        {"reader": "reader", "setting": "tokens(64)", "cut": "k=3"}, {"reader": "other", "setting": None, "cut": None}
    ]  # fmt: skip
    assert recommended_cells(entries, frame) == {cell_of(frame.row(1, named=True))}
