"""A shard that is not as it was written is named, never read; once it is set aside, only its votes are asked again."""

import io
import random
from dataclasses import replace

import polars as pl
import pytest

from corpora.reading.damage import DamageError, digest_in, set_aside
from corpora.schema import LabelSet
from labeling.votes.ledger import Ledger
from labeling.votes.ledger_check import damaged_votes
from labeling.votes.storage.shards import read_shard
from labeling.votes.vote import votes_frame
from tests.unit.labeling.votes.test_labeling_ledger import NEVER, prompt_of, shards, vote_of

LABELS = LabelSet(("yes", "no", "maybe"))
VOTES = [vote_of(prompt_of(f"q{n}"), ("yes", "no", "maybe")[n % 3]) for n in range(40)]


@pytest.fixture
def shard(tmp_path):
    """The shard of 40 votes."""
    with Ledger(tmp_path, "f1", NEVER) as ledger:
        ledger.append(VOTES)
    (path,) = shards(tmp_path)
    return path


@pytest.fixture
def old_shard(tmp_path):
    """The same shard as an older version wrote it."""
    folder = tmp_path / "f1"
    folder.mkdir()
    path = folder / "00000000000000000001-0123abcd.parquet"
    votes_frame(VOTES).write_parquet(path, statistics=False)
    return path


def flips(content, n, seed):
    """Copies of a content, each with one bit flipped."""
    moments = random.Random(seed)
    for _ in range(n):
        at = moments.randrange(8 * len(content))
        changed = bytearray(content)
        changed[at // 8] ^= 1 << at % 8
        yield at, bytes(changed)


def test_each_of_400_flipped_bits_is_noticed(tmp_path, shard):
    content = shard.read_bytes()
    for at, changed in flips(content, 400, seed=12):
        shard.write_bytes(changed)
        for looks in (Ledger(tmp_path, "f1").look, Ledger(tmp_path, "f1").votes):
            with pytest.raises(DamageError, match="tercet store check --set-aside"):
                looks()
        assert [one.path for one in damaged_votes(tmp_path)] == [shard], at


def test_a_flipped_bit_in_a_shard_of_an_older_version_ends_in_no_traceback(old_shard):
    content, n_noticed = old_shard.read_bytes(), 0
    for _, changed in flips(content, 400, seed=12):
        old_shard.write_bytes(changed)
        try:
            read_shard(old_shard, seals=False)
        except DamageError:
            n_noticed += 1
    assert n_noticed > 100


def test_a_shard_of_an_older_version_gets_a_digest_when_it_is_first_read(tmp_path, old_shard):
    assert len(Ledger(tmp_path, "f1").votes()) == len(VOTES)
    (sealed,) = shards(tmp_path)
    assert (sealed.name.startswith(old_shard.stem), digest_in(old_shard.name)) == (True, None)
    assert digest_in(sealed.name)
    ledger = Ledger(tmp_path, "f1")
    assert ledger.missing([prompt_of("q1")]) == []
    sealed.write_bytes(sealed.read_bytes().replace(b"maybe", b"maybf", 1))
    with pytest.raises(DamageError):
        ledger.votes()


def test_to_check_a_store_changes_nothing_in_it(tmp_path, old_shard):
    assert list(damaged_votes(tmp_path)) == []
    assert shards(tmp_path) == [old_shard]


def test_a_shard_that_another_process_gives_its_digest_meanwhile_is_read_all_the_same(tmp_path, old_shard):
    one, two = Ledger(tmp_path, "f1"), Ledger(tmp_path, "f1")
    one.look()
    two.look()
    assert one.missing([prompt_of("q1")]) == two.missing([prompt_of("q1")]) == []
    assert len(one.votes()) == len(two.votes()) == len(VOTES)


def edited(**columns):
    frame = votes_frame(VOTES).with_columns(**columns)
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def test_an_edited_shard_is_damaged(tmp_path, shard):
    shard.write_bytes(edited(label=pl.lit("banana")))
    with pytest.raises(DamageError, match="digest"):
        Ledger(tmp_path, "f1").votes()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (edited(label=pl.lit("banana")), "the label 'banana'"),
        (edited(labeler=pl.lit("f2")), "the labeler 'f2'"),
        (edited(arm=pl.lit("dokument")), "the arm 'dokument'"),
        (edited(failure=pl.lit("tired")), "the failure 'tired'"),
        (edited(failure=pl.lit("empty")), "both a label and a failure"),
        (edited(label=pl.lit(None, pl.String)), "neither"),
        (edited(outside_mass=pl.lit(1.5)), "outside 0 to 1"),
        (edited(probabilities=pl.lit([2.0, 0.0, 0.0])), "outside 0 to 1"),
        (edited(probabilities=pl.lit([float("nan")])), "outside 0 to 1"),
        (edited(seed=pl.lit("one")), "no Parquet file of votes"),
        (edited(surprise=pl.lit(1)), "no Parquet file of votes"),
        (edited()[:-1], "no Parquet file of votes"),
        (edited()[:100], "no Parquet file of votes"),
        (b"", "no Parquet file of votes"),
    ],
)
def test_a_shard_without_a_digest_is_checked_by_its_content(tmp_path, old_shard, content, told):
    old_shard.write_bytes(content)
    with pytest.raises(DamageError, match=told) as stopped:
        Ledger(tmp_path, "f1", labels=LABELS).votes()
    assert old_shard.stem in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_among_many_shards_the_one_with_a_strange_label_is_named(tmp_path, shard, old_shard_of_bananas):
    with pytest.raises(DamageError, match="banana") as stopped:
        Ledger(tmp_path, "f1", labels=LABELS).votes()
    assert stopped.value.damage.path.name.startswith(old_shard_of_bananas.stem)


@pytest.fixture
def old_shard_of_bananas(tmp_path):
    path = tmp_path / "f1" / "00000000000000000002-0123abcd.parquet"
    path.parent.mkdir(exist_ok=True)
    votes_frame([replace(VOTES[0], label="banana")]).write_parquet(path)
    return path


def test_once_a_shard_is_set_aside_only_its_votes_are_asked_again(tmp_path, shard):
    with Ledger(tmp_path, "f1", NEVER) as ledger:
        ledger.append([vote_of(prompt_of("other"))])
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    at_work = Ledger(tmp_path, "f1", NEVER)
    (damage,) = damaged_votes(tmp_path)
    aside = set_aside(damage)
    assert aside.read_bytes() == content
    assert aside.parent.name == "damaged"
    asked = [prompt_of(f"q{n}") for n in range(40)]
    for ledger in (at_work, Ledger(tmp_path, "f1")):
        assert ledger.missing([*asked, prompt_of("other")]) == asked
    assert list(damaged_votes(tmp_path)) == []


def test_two_files_of_one_name_are_both_kept(tmp_path, shard):
    for _ in range(2):
        shard.write_bytes(b"not votes")
        (damage,) = damaged_votes(tmp_path)
        set_aside(damage)
    assert len(list((tmp_path / "f1" / "damaged").iterdir())) == 2
