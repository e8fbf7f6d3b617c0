"""A wrong experiment: every mistake at once, each in plain words, with the name that was probably meant."""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError

from corpora.errors import InputError
from corpora.reading.plain_words import expected_for, wrong_value
from flows.session.cross_checks import cross_mistakes
from flows.session.experiment import Experiment, check_experiment, load_experiment, parse_experiment
from flows.session.mistakes import parse
from labeling.models.prices import _PriceFile

SPEAK = re.compile(
    r"input|valid |tuple|instance|dictionary|boolean|integer|\bstring\b|pattern|\^|\$$|<class|validation|parse|form \^",
    re.IGNORECASE,
)


def mistakes(text):
    parsed = parse(Experiment, tomllib.loads(text), "my.toml")
    return [str(one) for one in parsed.mistakes]


def the_only(text):
    (mistake,) = mistakes(text)
    return mistake


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from models_in(one)


def places(model, path=()):
    """Every key that a file may have, and the first element of every list."""
    for name, field in model.model_fields.items():
        is_list = "tuple" in str(field.annotation)
        yield (*path, name)
        if is_list:
            yield (*path, name, 0)
        for inner in list(models_in(field.annotation))[:1]:
            yield from places(inner, (*path, name, 0) if is_list else (*path, name))


def put(place, value):
    for part in reversed(place):
        value = [value] if part == 0 else {part: value}
    return value


WRONG = ["", "x", "5", "2026-04-31", 1, -1, 10**10, 1.5, True, [], [1], ["x"], [{}], {"a": 1}, date(2026, 1, 1)]
# What pydantic raises for the settings of an experiment or of a price table; nothing else was ever seen.
KINDS = {
    "string_type", "string_pattern_mismatch", "string_too_short", "path_type", "literal_error", "value_error",
    "int_type", "int_parsing", "int_from_float", "float_type", "float_parsing", "bool_type", "bool_parsing",
    "date_type", "date_from_datetime_parsing", "date_from_datetime_inexact",
    "greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short",
    "tuple_type", "dict_type", "model_type", "extra_forbidden", "missing",
}  # fmt: skip


def test_every_kind_of_mistake_has_plain_words():
    seen = set()
    for model in (Experiment, _PriceFile):
        for place in places(model):
            for value in WRONG:
                try:
                    model.model_validate(put(place, value))
                except InputError:
                    continue
                except ValidationError as error:
                    for problem in error.errors():
                        seen.add(problem["type"])
                        said = wrong_value(problem, "e.toml")
                        if problem["type"] != "extra_forbidden":
                            assert not SPEAK.search(said.expected), said
    assert seen == KINDS


def test_one_mistake_is_told_once():
    assert the_only('[retrieval]\nretrievers = ["densest"]') == (
        "my.toml: retrieval.retrievers.0 is 'densest': expected one of dense, bm25, hybrid or approximate; "
        "correct the value (did you mean 'dense'?)."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('readers = "x"', "readers is 'x': expected a list, in [ ]; write readers = ['x']."),
        ("[[corpus]]", "corpus is a list of sections: expected a section, which begins with [corpus]; write [corpus]"),
        ("[readers]\nseed = 1", "readers is a section: expected a list, in [ ]; write [[readers]] with double"),
        ("[retrieval]\nsizes = []", "sizes is []: expected at least 1 value; add a value, or leave the key out"),
        ('[scoring]\nmargin = "0.1"', "margin is '0.1': expected a number; remove the quotes."),
        ('[scoring]\nseed = "many"', "seed is 'many': expected a whole number; correct the value."),
        ("[scoring]\nn_resamples = 5", "n_resamples is 5: expected at least 100; correct the value."),
        ("[scoring]\nn_resamples = 9999999", "expected at most 1000000;"),
        ("name = 'my own'", "name is 'my own': expected a name of letters, digits, '_', '.' and '-' that begins"),
        ("name = 5", "name is 5: expected a text; write the value in quotes."),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(text, said):
    assert said in the_only(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[retrieval]\nsize = [32]", "(did you mean 'sizes'?): expected a key of [retrieval];"),
        ("[retreival]\nsizes = [32]", "unknown key 'retreival' (did you mean 'retrieval'?)"),
        ("[[readers]]\nmodle = 'x'", "unknown key 'readers.0.modle' (did you mean 'model'?)"),
        ("[retrieval]\nmargin = 0.1", "expected a key of [retrieval]; move it to [scoring]."),
        ("[scoring]\nreaders = []", "move it to the top of the file, above the first section."),
        ("[remote]\nprovider = 'groq'", "move it to [readers.remote]"),
        ("[[readers]]\nsample = 5", "move it to [corpus] or [[other_corpora]]."),
        ("[scoring]\nheld_out_fractoin = 5", "(did you mean 'held_out_fraction' in [corpus]?)"),
        ("[corpus]\nxyz = 5", "unknown key 'corpus.xyz': expected a key of [corpus]; correct the key or remove it."),
        ("[corpus.document_columns]\nidd = 'x'", "(did you mean 'id'?): expected a key of [corpus.document_columns]"),
    ],
)
def test_an_unknown_key_comes_with_the_one_that_was_meant(text, said):
    assert said in the_only(text)


def test_all_mistakes_are_told_at_once_and_in_their_places():
    said = mistakes(
        """
        max_cosst = 3
        [corpus]
        source = "table"
        [[readers]]
        [[readers]]
        temperature = "hot"
        [[readers]]
        preset = "family"
        model = "x.gguf"
        [[readers]]
        repack = true
        [scoring]
        strict = 1
        """
    )
    found = [one.removeprefix("my.toml: ").split(": expected")[0] for one in said]
    assert found == [
        "unknown key 'max_cosst' (did you mean 'max_cost'?)",
        "corpus.source is 'table'",
        "readers.1.temperature is 'hot'",
        "preset 'family' with the model file x.gguf",
        "readers.3.repack is the truth value true",
        "scoring.strict is 1",
    ]


def test_what_depends_on_a_mistake_is_not_checked_and_the_rest_is():
    content = tomllib.loads(
        """
        [retrieval]
        size = [512]
        budgets = [100]
        [[readers]]
        name = "one"
        [[readers]]
        name = "one"
        prompts = ["juge"]
        """
    )
    parsed = parse(Experiment, content, "my.toml")
    across = [str(one) for one in cross_mistakes(parsed.made, parsed.wrong)]
    assert parsed.wrong == {"retrieval"}
    assert len(across) == 2  # the budget may well hold what the misspelt key says
    assert "two readers are called 'one'" in across[0]
    assert "no prompt 'juge' (did you mean 'judge'?)" in across[1]


def test_a_run_is_told_the_first_mistake_and_how_to_list_the_others():
    content = {"max_cosst": 1, "corpus": {"soruce": "x"}, "scoring": {"margin": 5}}
    with pytest.raises(InputError) as refused:
        parse_experiment(content, "my first.toml", Path("my first.toml"))
    assert "'max_cosst'" in refused.value.found
    assert refused.value.remedy.endswith("(2 more mistakes: `tercet check 'my first.toml'` lists all)")
    with pytest.raises(InputError) as refused:
        parse_experiment(content, "the code")
    assert "tercet check" not in str(refused.value), "there is no file to check"
    others = "(2 more mistakes: unknown key 'corpus.soruce' (did you mean 'source'?); scoring.margin is 5)."
    assert str(refused.value).endswith(others)


@pytest.mark.parametrize("name", ["splitters", "sizes", "overlaps", "retrievers", "k", "budgets", "controls"])
def test_a_value_that_is_given_twice_is_refused(name):
    values = {"splitters": ["tokens"], "retrievers": ["bm25"], "controls": ["random"], "overlaps": [0]}.get(name, [256])
    experiment = parse_experiment({"retrieval": {name: [*values, *values]}}, "my.toml")
    with pytest.raises(InputError, match=f"retrieval.{name} = .* twice: expected each value once; remove"):
        check_experiment(experiment)


def test_the_value_of_a_remote_setting_is_not_repeated():
    said = mistakes('[[readers]]\n[readers.remote]\nprovider = "gsk_1"\nkey_variable = "gsk_2"\napi_key = "gsk_3"')
    assert len(said) == 3
    assert not any("gsk_" in one for one in said)
    assert "comes from the environment" in said[2]


@pytest.mark.parametrize(("given", "meant"), [("dmo", "demo"), ("Demo", "demo"), ("pubmedqa-size", "pubmedqa")])
def test_the_name_of_an_experiment_comes_with_the_one_that_was_meant(given, meant, tmp_path):
    with pytest.raises(InputError, match=rf"did you mean '{meant}"):
        load_experiment(tmp_path.__class__(given))


def test_a_file_is_suggested_where_its_name_is_misspelt(tmp_path):
    (tmp_path / "mine.toml").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"did you mean 'mine.toml'\?"):
        load_experiment(tmp_path / "mien.toml")


def test_expected_never_repeats_the_value():
    with pytest.raises(ValidationError) as refused:
        Experiment.model_validate({"name": "a secret!"})
    assert "secret" not in expected_for(refused.value.errors()[0])
