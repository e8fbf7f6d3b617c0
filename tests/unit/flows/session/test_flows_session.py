"""What a process keeps open is opened once, and closed with its session."""

import pytest

from corpora.errors import InputError
from corpora.schema import LabelSet
from flows.planning.plan import plan
from flows.planning.quote import quote
from flows.run.pipeline import execute
from flows.session.experiment import ReaderConfig, parse_experiment
from flows.session.session import Session
from flows.session.workspace import Workspace, workspace_of
from flows.stages.progress import Quiet
from flows.stages.runner import Runner
from labeling.remote.spending import LimitError, Usage
from retrieval.embedding.embedder_config import EmbedderConfig
from tests.doubles.scripted import scripted_session

LABELS = LabelSet(("yes", "no"))
READER = ReaderConfig(model="one")
PAID = ReaderConfig(model="openai/gpt-oss-20b", remote={"provider": "groq"})
UNKNOWN = ReaderConfig(model="m", remote={"provider": "server", "base_url": "http://127.0.0.1:9/v1"})


@pytest.fixture
def session(tmp_path):
    return scripted_session(tmp_path, lambda *_: (0.5, 0.5)).session


def test_each_thing_is_opened_once(session, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "gsk_test")
    assert session.ledger(READER, LABELS) is session.ledger(READER, LABELS)
    assert session.embedder(EmbedderConfig()) is session.embedder(EmbedderConfig())
    assert session.providers.client(PAID.remote) is session.providers.client(PAID.remote)
    assert session.providers.pacer(PAID.remote, "m") is session.providers.pacer(PAID.remote, "m")


def test_two_sessions_share_nothing(tmp_path):
    one, other = (scripted_session(tmp_path, lambda *_: (0.5, 0.5)).session for _ in range(2))
    assert one.ledger(READER, LABELS) is not other.ledger(READER, LABELS)
    assert one.ledger(READER, LABELS).folder == other.ledger(READER, LABELS).folder


def test_a_run_counts_its_spending_until_the_next_begins(session):
    session.begin_spending(1.0)
    session.meter(PAID, "direct").set_aside(Usage(1, 4_000_000, 0))
    session.meter(UNKNOWN, "direct").set_aside(Usage(1, 4_000_000, 0))  # a free server in between starts no new count
    with pytest.raises(LimitError):
        session.meter(PAID, "direct").set_aside(Usage(1, 40_000_000, 0))
    session.begin_spending(100.0)
    session.meter(PAID, "direct").set_aside(Usage(1, 40_000_000, 0))


def test_smaller_readers_come_first_and_remote_ones_last(tmp_path):
    session = scripted_session(tmp_path, lambda *_: (0.5, 0.5), {"large": 8, "small": 2}).session
    large, small = ReaderConfig(model="large"), ReaderConfig(model="small")
    assert session.by_size([PAID, large, small]) == [small, large, PAID]


def test_an_unknown_model_is_one_line(tmp_path):
    with Session(Workspace(tmp_path)) as session, pytest.raises(InputError, match="smollm2-135"):
        session.fingerprint(ReaderConfig(model="smollm2-135"), LABELS)


def test_an_error_on_the_way_is_not_hidden_by_one_on_closing(session, monkeypatch):
    def full():
        raise InputError("a full disk", "room", "make some")

    monkeypatch.setattr(session.ledger(READER, LABELS), "release", full)
    with pytest.raises(RuntimeError, match="first"), session:
        raise RuntimeError("first")
    monkeypatch.setattr(session.ledger(READER, LABELS), "release", full)
    with pytest.raises(InputError, match="full disk"), session:
        pass


@pytest.mark.parametrize("readers", [[], [{"model": "one"}]], ids=["no reader", "a reader"])
def test_a_wrong_price_table_is_refused_before_anything_is_measured(tmp_path, readers):
    experiment = parse_experiment({"readers": readers, "prices": "none.toml"}, "the test")
    scripted = scripted_session(tmp_path, lambda *_: (0.5, 0.5))
    session = Session(workspace_of(experiment, tmp_path, tmp_path), scripted.readers)
    with pytest.raises(InputError, match=r"none\.toml"):
        quote(experiment, session, all_corpora=False, reads=False)
    with pytest.raises(InputError, match=r"none\.toml"):
        plan(experiment, "label", session)
    assert scripted.readers.opened == []


@pytest.mark.parametrize("kind", ["label", "sweep", "compare", "run"])
def test_a_wrong_price_table_is_refused_before_anything_is_asked(tmp_path, kind):
    (tmp_path / "prices.toml").write_text("[machine]\nusd_per_day = 1\n", encoding="utf-8")
    experiment = parse_experiment({"prices": "prices.toml", "readers": [{"model": "one"}, {"model": "two"}]}, "e.toml")
    scripted = scripted_session(tmp_path / "store", lambda *_: (0.5, 0.5))
    workspace = workspace_of(experiment, tmp_path / "store", tmp_path)
    with Session(workspace, scripted.session.readers) as session, pytest.raises(InputError, match="usd_per_day"):
        execute(experiment, kind, session, Runner(Quiet()))
    assert not (tmp_path / "store").exists()
