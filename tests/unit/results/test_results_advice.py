"""What a manifest says of a piece of advice, letter by letter: reports of older runs read the same keys."""

import json

from results.advice.advice import Advice, manifest_entries
from results.settings import Cell, Setting
from retrieval.context import Cut

SMALL, LARGE = (Setting("tokens", size, 0, "e", "dense") for size in (32, 64))
NAMES = {SMALL: "tokens(size=32,overlap=0)", LARGE: "tokens(size=64,overlap=0)"}
CUT = Cut("budget", 256)


def written(**advice):
    given = {"verdicts": (), "choices": (), "recommendations": (), **advice}
    return json.dumps(manifest_entries(**given, names=NAMES))


def test_a_verdict_names_settings_under_its_cut():
    cells = [Cell("reader", setting, CUT) for setting in (SMALL, LARGE)]
    one = Advice("Use it.", False, "reader", CUT, cells[0], cells[1], level=(LARGE, SMALL), n_gold=9, detectable=0.5)
    assert written(verdicts=[one]) == (
        '{"verdicts": [{"reader": "reader", "cut": "budget=256", "n_gold": 9, "best": "tokens(size=64,overlap=0)", '
        '"not_worse": ["tokens(size=64,overlap=0)", "tokens(size=32,overlap=0)"], '
        '"recommended": "tokens(size=32,overlap=0)", "detectable": 0.5, "decided": false, "line": "Use it."}], '
        '"retrieval": [], "recommendations": []}'
    )


def test_a_recommendation_names_cells():
    cell = Cell("reader", LARGE, CUT)
    told = Advice("Use it.", True, "reader", recommended=cell, leader=cell, n_gold=9)
    untold = Advice("Cannot tell.", False, "reader", leader=cell, n_gold=9, n_more=70)
    assert written(recommendations=[told, untold]) == (
        '{"verdicts": [], "retrieval": [], "recommendations": ['
        '{"reader": "reader", "setting": "tokens(size=64,overlap=0)", "cut": "budget=256", '
        '"best": "tokens(size=64,overlap=0) at budget=256", "n_gold": 9, "n_more": null, "line": "Use it."}, '
        '{"reader": "reader", "setting": null, "cut": null, '
        '"best": "tokens(size=64,overlap=0) at budget=256", "n_gold": 9, "n_more": 70, "line": "Cannot tell."}]}'
    )


def test_advice_on_retrieval_has_no_reader():
    one = Advice("Cannot tell.", False, cut=Cut("k", 3), leader=Cell(None, SMALL, Cut("k", 3)), score="ndcg")
    assert written(choices=[one]) == (
        '{"verdicts": [], "retrieval": [{"cut": "k=3", "score": "ndcg", "best": "tokens(size=32,overlap=0)", '
        '"not_worse": [], "recommended": null, "line": "Cannot tell."}], "recommendations": []}'
    )


def test_where_nothing_is_scored_no_setting_is_named():
    one = Advice("Cannot tell.", False, "reader", CUT, n_gold=0)
    (verdict,) = json.loads(written(verdicts=[one]))["verdicts"]
    (recommendation,) = json.loads(written(recommendations=[one]))["recommendations"]
    assert (verdict["best"], verdict["not_worse"], recommendation["best"]) == ("", [], "")
