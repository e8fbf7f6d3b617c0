"""`tercet store check`: damage is named and set aside on request, and a run stops at it in one line."""

from pathlib import Path

import polars as pl
import pytest

from tests.conftest import write_remote
from tests.doubles.provider import ProviderDouble

CALLS = 'provider = "groq"\napi = "direct"'
CHATS = ("POST", "/chat/completions")
LABEL = ("label", "far.toml", "--max-cost", "1", "--quiet")


@pytest.fixture
def double(monkeypatch):
    with ProviderDouble() as served:
        monkeypatch.setenv("GROQ_API_KEY", "sk-checked")
        monkeypatch.setenv("GROQ_BASE_URL", served.url)
        yield served


@pytest.fixture
def labeled(tercet, double, tmp_path, monkeypatch):
    """A store with 18 paid votes, each in a shard of its own."""
    monkeypatch.setenv("TERCET_FLUSH_SECONDS", "0")
    write_remote(tmp_path / "far.toml", CALLS)
    assert tercet(*LABEL).exit_code == 0
    return tercet


def shards() -> list[Path]:
    return sorted(Path("runs").glob("ledger/*/*.parquet"))


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 16
    path.write_bytes(content)


def test_a_sound_store_is_said_to_be_sound(labeled):
    checked = labeled("store", "check")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert "nothing is damaged" in checked.stdout


def test_a_run_stops_at_a_damaged_shard_and_goes_on_once_it_is_set_aside(labeled, double):
    first = shards()[0]
    damage(first)
    stopped = labeled(*LABEL)
    assert stopped.exit_code == 2, stopped.output
    (line,) = stopped.stderr.splitlines()
    assert first.name in line
    assert "tercet store check --set-aside" in line

    checked = labeled("store", "check")
    assert checked.exit_code == 2
    assert first.name in checked.stderr
    assert first.is_file(), "to check is not to change"

    aside = labeled("store", "check", "--set-aside")
    assert aside.exit_code == 0, aside.output
    assert (first.parent / "damaged" / first.name).is_file()
    assert labeled("store", "check").exit_code == 0

    n_asked = double.requests[CHATS]
    assert labeled(*LABEL).exit_code == 0
    assert double.requests[CHATS] - n_asked == 1
    assert sum(len(pl.read_parquet(one)) for one in shards()) == 18


def test_a_store_that_is_not_there_is_one_line(tercet):
    checked = tercet("store", "check", "--store", "none")
    assert checked.exit_code == 2
    assert checked.stderr.startswith("tercet: there is no store none: expected a folder")
