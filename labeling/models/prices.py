"""What asking costs: a dated table of token prices, and what an hour of this machine costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpora.errors import InputError, one_line
from corpora.reading.key_hints import unknown_key
from corpora.reading.plain_words import wrong_value
from corpora.reading.strict_toml import check_types, read_toml
from corpora.reading.text import is_file

PRICES = Path(__file__).with_name("prices.toml")


class Price(BaseModel):
    """What a provider charges for a model, in US dollars per million tokens, and where and when that was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str = Field(min_length=1, description="who serves it, such as groq")
    model: str = Field(min_length=1, description="the provider's id of the model")
    usd_per_million_input: float = Field(ge=0, allow_inf_nan=False, description="price of tokens sent")
    usd_per_million_output: float = Field(ge=0, allow_inf_nan=False, description="price of tokens written")
    usd_per_million_cached_input: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="price of tokens sent that the provider has in its cache"
    )
    batch_discount: float = Field(0.0, ge=0, le=1, description="share that the batch API takes off; 0 if none is known")
    retired: str | None = Field(
        None, pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="month in which the provider stops serving it"
    )
    source: str = Field("the user's price file", description="where the price was read, in words")
    as_of: date = Field(description="when the price was read")

    def cost(self, n_input: int, n_output: int, *, batch: bool) -> float:
        """Price of these tokens in US dollars, as if the provider had none of them in its cache.

        Args:
            n_input: tokens sent.
            n_output: tokens written.
            batch: whether they are sent through the batch API.
        """
        full = (n_input * self.usd_per_million_input + n_output * self.usd_per_million_output) / 1e6
        return full * (1 - self.batch_discount) if batch else full


class PriceTable(BaseModel):
    """The prices in force: the bundled ones, overridden by the user's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date = Field(description="date of the newest entry")
    machine_usd_per_hour: float = Field(description="what an hour of this machine costs; 0 if you own it")
    models: tuple[Price, ...] = Field(description="one price per provider and model")

    def find(self, provider: str, model: str) -> Price | None:
        """The price of a provider's model; None if the table has none, as its cost is then unknown, not 0."""
        return next((price for price in self.models if (price.provider, price.model) == (provider, model)), None)

    def machine_cost(self, seconds: float) -> float:
        """Price of this machine for a number of seconds, in US dollars."""
        return seconds / 3600 * self.machine_usd_per_hour


class _Machine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    usd_per_hour: float = Field(ge=0, allow_inf_nan=False)


class _PriceFile(BaseModel):
    """A price file as it is written; a user's own file may leave out any part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date | None = None
    machine: _Machine | None = None
    models: tuple[Price, ...] = ()


def load_prices(path: Path | None = None) -> PriceTable:
    """The bundled prices, overridden by a user's file: its machine, and its entries by provider and model.

    Args:
        path: the user's file.

    Raises:
        InputError: there is no such file, it is not TOML, a key is unknown or missing, a value is bad, or a model has
            two prices.
    """
    files = [_read(PRICES), *([] if path is None else [_read(path)])]
    prices = {(price.provider, price.model): price for file in files for price in file.models}
    dates = [*(price.as_of for price in prices.values()), *(file.as_of for file in files if file.as_of is not None)]
    machines = [file.machine for file in files if file.machine is not None]
    return PriceTable(as_of=max(dates), machine_usd_per_hour=machines[-1].usd_per_hour, models=tuple(prices.values()))


def _read(path: Path) -> _PriceFile:
    if not is_file(path):
        raise InputError(f"no price file {path}", "a .toml file of prices", "check the path")
    content = read_toml(path)
    try:
        with one_line(f"{path} cannot be checked", "a price table", passing=ValidationError):
            file = _PriceFile.model_validate(content)
    except ValidationError as error:
        raise _first_problem(error, path) from error
    check_types(content, file, str(path))
    _refuse_doubles(file.models, path)
    return file


def _refuse_doubles(models: Sequence[Price], path: Path) -> None:
    names = [f"{price.provider} {price.model}" for price in models]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise InputError(f"{path}: two prices for {min(doubled)}", "one price per model", "remove one of the two")


def _first_problem(error: ValidationError, path: Path) -> InputError:
    # A misspelt key also leaves a key missing: the misspelt name says more.
    first: Any = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    if first["type"] == "extra_forbidden":
        return unknown_key(first, str(path), _PriceFile)
    return wrong_value(first, str(path))
