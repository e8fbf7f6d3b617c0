import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

import labeling
from corpora.errors import InputError
from labeling.models.prices import PRICES, Price, load_prices

MODEL = """
[[models]]
provider = "groq"
model = "openai/gpt-oss-20b"
usd_per_million_input = 1.0
usd_per_million_output = 3.0
as_of = 2026-11-21
"""


@pytest.fixture
def write(tmp_path):
    def write(text) -> Path:
        file = tmp_path / "mine.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def price_of(**settings):
    given = {"usd_per_million_input": 2.0, "usd_per_million_output": 8.0, "as_of": date(2026, 11, 21)}
    return Price.model_validate({"provider": "p", "model": "m"} | given | settings)


def test_a_million_tokens_each_way_cost_what_the_entry_says():
    price = price_of()
    assert price.cost(1_000_000, 0, batch=False) == 2.0
    assert price.cost(0, 1_000_000, batch=False) == 8.0
    assert price.cost(0, 0, batch=False) == 0.0


def test_the_cost_of_a_labeling_job_computed_by_hand():
    # 500 questions, three votes of 420 tokens in and 1 out: 630,000 x 0.15 + 1,500 x 0.60 = 0.0945 + 0.0009 dollars.
    price = price_of(usd_per_million_input=0.15, usd_per_million_output=0.60, batch_discount=0.5)
    assert price.cost(630_000, 1_500, batch=False) == pytest.approx(0.0954)
    assert price.cost(630_000, 1_500, batch=True) == pytest.approx(0.0477)


def test_a_batch_costs_the_full_price_where_no_discount_is_known():
    assert price_of().cost(1000, 10, batch=True) == price_of().cost(1000, 10, batch=False)


def test_an_hour_of_a_rented_machine_costs_its_rate_and_one_of_your_own_nothing(write):
    rented = load_prices(write("[machine]\nusd_per_hour = 1.8\n"))
    assert rented.machine_cost(3600) == pytest.approx(1.8)
    assert rented.machine_cost(90) == pytest.approx(0.045)
    assert load_prices().machine_cost(1e6) == 0.0


def test_the_bundled_table_holds_these_models_first_middle_and_last():
    table = load_prices()
    assert len(table.models) == 9
    first, middle, last = table.models[0], table.models[4], table.models[8]
    assert (first.provider, first.model, first.cost(1_000_000, 1_000_000, batch=True)) == (
        "groq", "openai/gpt-oss-120b", 0.375,
    )  # fmt: skip
    assert (middle.model, middle.usd_per_million_input, middle.retired) == ("qwen/qwen3-32b", 0.29, "2026-07")
    assert (last.provider, last.model, last.usd_per_million_cached_input) == ("openai", "gpt-5-mini", 0.025)


@pytest.mark.parametrize("price", load_prices().models, ids=lambda price: price.model)
def test_every_bundled_price_says_where_and_when_it_was_read(price):
    assert "pricing page" in price.source or "model and batch pages" in price.source
    assert date(2026, 1, 1) <= price.as_of <= load_prices().as_of
    assert 0 < price.usd_per_million_input <= price.usd_per_million_output
    assert (
        price.usd_per_million_cached_input is None or price.usd_per_million_cached_input < price.usd_per_million_input
    )


def test_the_table_is_as_old_as_its_newest_entry_says():
    assert load_prices().as_of == max(price.as_of for price in load_prices().models)


def test_a_model_without_a_price_is_not_free(write):
    assert load_prices().find("groq", "nobody-knows") is None
    assert load_prices().find("openai", "openai/gpt-oss-20b") is None  # another provider's


def test_a_users_entry_takes_the_place_of_the_bundled_one_and_leaves_the_others(write):
    bundled, mine = load_prices(), load_prices(write(MODEL))
    ours = mine.find("groq", "openai/gpt-oss-20b")
    assert (ours.usd_per_million_input, ours.batch_discount, ours.source) == (1.0, 0.0, "the user's price file")
    assert [price.model for price in mine.models] == [price.model for price in bundled.models]
    assert [p for p in mine.models if p != ours] == [p for p in bundled.models if p.model != ours.model]


def test_a_users_new_model_is_added(write):
    mine = load_prices(write(MODEL.replace("openai/gpt-oss-20b", "house-8b")))
    assert mine.models[-1].model == "house-8b"
    assert len(mine.models) == len(load_prices().models) + 1
    assert mine.as_of == date(2026, 11, 21)


def test_the_date_of_a_users_file_counts_where_it_is_newer(write):
    assert load_prices(write("as_of = 2026-11-22\n")).as_of == date(2026, 11, 22)
    assert load_prices(write("as_of = 2020-01-01\n")).as_of == load_prices().as_of


def test_an_empty_file_changes_nothing(write):
    assert load_prices(write("")) == load_prices()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[machine\n", r"is not valid TOML \(.*: expected a TOML file"),
        ("[machine]\nusd_per_day = 1.0\n", r"unknown key 'machine.usd_per_day'"),
        ("currency = 'EUR'\n", r"unknown key 'currency'"),
        ("[machine]\nusd_per_hour = -1.0\n", r"machine.usd_per_hour is -1.0: expected at least 0"),
        ("[machine]\nusd_per_hour = nan\n", r"machine.usd_per_hour = nan: expected a finite number"),
        (
            MODEL.replace("= 1.0", "= -0.5"),
            r"models.0.usd_per_million_input is -0.5: expected at least 0",
        ),
        (MODEL.replace("3.0", "inf"), r"models.0.usd_per_million_output = inf: expected a finite number"),
        (MODEL.replace("= 1.0", "= '1.0'"), r"models.0.usd_per_million_input is '1.0': expected a number"),
        (MODEL + "batch_discount = true\n", r"models.0.batch_discount is the truth value true: expected a number"),
        (MODEL.replace("= 2026-11-21", "= 0"), r"models.0.as_of is 0: expected a date"),
        (MODEL.replace("= 2026-11-21", "= '2026-11-21'"), r"as_of is '2026-11-21': expected a date; remove the quotes"),
        (MODEL + "batch_discount = 50\n", r"models.0.batch_discount is 50: expected at most 1"),
        (MODEL + "retired = 'soon'\n", r"models.0.retired is 'soon': expected a month, such as"),
        (MODEL + "usd_per_million_tokens = 1.0\n", r"unknown key 'models.0.usd_per_million_tokens'"),
        (MODEL.replace("as_of = 2026-11-21", ""), r"'models.0.as_of' is missing: expected a value; add it"),
        (MODEL + MODEL, r"two prices for groq openai/gpt-oss-20b: expected one price per model"),
    ],
    ids=lambda value: value.strip().splitlines()[-1] if "\n" in value else None,
)
def test_a_bad_price_file_is_refused_with_its_name_the_place_and_what_belongs_there(write, text, said):
    with pytest.raises(InputError, match=said) as refused:
        load_prices(write(text))
    assert "mine.toml" in str(refused.value)


def test_bytes_that_are_not_utf_8_are_refused(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(b"# caf\xe9\n")
    with pytest.raises(InputError, match=r"mine\.toml, line 1 is not UTF-8"):
        load_prices(file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"no price file {tmp_path / 'gone.toml'}")):
        load_prices(tmp_path / "gone.toml")


def test_a_price_cannot_be_changed_after_it_was_read():
    with pytest.raises(ValidationError, match="frozen"):
        load_prices().models[0].usd_per_million_input = 0.0


def test_the_bundled_table_travels_with_the_package():
    root = Path(labeling.__file__).parents[1]
    packaged = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = packaged["tool"]["setuptools"]["package-data"]["labeling"]
    assert any(PRICES.relative_to(root / "labeling").match(pattern) for pattern in patterns)
