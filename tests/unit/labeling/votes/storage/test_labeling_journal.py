"""What was answered is on disk before the next question is asked, and comes back bit by bit, however a process ends."""

import errno
import io
import resource
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.reading.damage import DamageError, set_aside
from corpora.storage import store_path
from labeling.votes import ledger as ledgers
from labeling.votes.ledger import Ledger
from labeling.votes.ledger_check import damaged_votes
from labeling.votes.storage import shards as shard_files
from labeling.votes.storage.entries import decode, encode
from labeling.votes.storage.journal import Journals
from labeling.votes.vote import KEY, votes_frame
from tests.conftest import ROOT
from tests.unit.labeling.votes.test_labeling_ledger import NEVER, prompt_of, shards, three_prompts, vote_of

ENTRIES = [[vote_of(prompt) for prompt in three_prompts(one)] for one in ("q1", "q2", "q3")]
CONTENT = b"".join(map(encode, ENTRIES))
VOTES = [vote for entry in ENTRIES for vote in entry]


def journals(folder):
    return sorted((folder / "f1" / "journal").glob("*.jsonl"))


def rows(folder) -> pl.DataFrame:
    """The votes of all shards, doubles included."""
    return pl.concat([pl.read_parquet(one) for one in shards(folder)])


floats = st.floats(0.0, 1.0) | st.sampled_from([5e-324, 1 / 3, 0.1 + 0.2, 1.0, -0.0])
texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(floats, max_size=4), st.none() | floats, texts, st.integers(-(2**63), 2**63 - 1))
def test_a_vote_comes_back_from_a_journal_as_it_was_bit_by_bit(probabilities, mass, text, seed):
    vote = replace(vote_of(prompt_of(seed=seed)), probabilities=tuple(probabilities), outside_mass=mass, text=text)
    (again,) = decode(encode([vote])).votes
    assert again == vote
    frames = [shard_files.votes_frame(one) for one in ([vote], [again])]
    assert frames[0].serialize() == frames[1].serialize()


def test_a_shard_made_of_a_journal_has_the_bytes_of_one_made_directly(tmp_path, monkeypatch):
    votes = [replace(vote, margin=1 / 3 + n, text="Straße\n\u2028 \U0001f989") for n, vote in enumerate(VOTES)]
    Ledger(tmp_path / "killed", "f1", NEVER).append(votes)
    Ledger(tmp_path / "killed", "f1", NEVER).look()
    with Ledger(tmp_path / "whole", "f1", NEVER) as whole:
        whole.append(votes)
    assert shards(tmp_path / "killed")[0].read_bytes() == shards(tmp_path / "whole")[0].read_bytes()


def test_an_entry_that_breaks_off_is_dropped_and_the_others_are_kept():
    ends = [len(b"".join(map(encode, ENTRIES[:n]))) for n in range(4)]
    for n in range(len(CONTENT) + 1):
        whole = sum(n >= end - 1 for end in ends[1:])  # the line's end says nothing that its length does not
        assert decode(CONTENT[:n]) == (VOTES[: 3 * whole], 0), n


def test_no_flipped_bit_changes_a_vote_and_each_that_costs_votes_is_noticed():
    for at in range(0, 8 * len(CONTENT), 3):
        content = bytearray(CONTENT)
        content[at // 8] ^= 1 << at % 8
        found = decode(bytes(content))
        assert all(vote in VOTES for vote in found.votes)
        assert found.votes == VOTES or found.n_damaged, at


KILLED = """
import os, signal, sys
from pathlib import Path
from labeling.votes.ledger import Ledger
from tests.unit.labeling.votes.storage.test_labeling_journal import ENTRIES
ledger = Ledger(Path(sys.argv[1]), "f1", 1e9)
assert ledger.claim("q1")
for entry in ENTRIES[:2]:
    ledger.append(entry)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_was_answered_is_not_asked_again(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (len(journals(tmp_path)), shards(tmp_path)) == (1, [])
    next_run = Ledger(tmp_path, "f1", NEVER)
    asked = [prompt for one in ("q1", "q2", "q3") for prompt in three_prompts(one)]
    assert next_run.missing(asked) == asked[6:]
    assert next_run.votes().sort(KEY).equals(votes_frame(VOTES[:6]).sort(KEY))
    assert (journals(tmp_path), len(shards(tmp_path))) == ([], 1)
    assert [one.name for one in (tmp_path / "f1" / "journal").iterdir()] == [".fold.lock"]


def test_the_journal_of_a_process_at_work_is_left_to_it(tmp_path):
    at_work, other = Ledger(tmp_path, "f1", NEVER), Ledger(tmp_path, "f1", NEVER)
    at_work.append(ENTRIES[0])
    assert other.missing(three_prompts("q1")) == three_prompts("q1")
    at_work.append(ENTRIES[1])
    assert shards(tmp_path) == []
    at_work.flush()
    assert other.missing([*three_prompts("q1"), *three_prompts("q2")]) == []
    assert journals(tmp_path) == []


def test_an_abandoned_ledger_leaves_its_votes_to_the_next(tmp_path):
    abandoned = Ledger(tmp_path, "f1", NEVER)
    abandoned.append(ENTRIES[0])
    abandoned.abandon()
    assert Ledger(tmp_path, "f1", NEVER).missing(three_prompts("q1")) == []


def test_many_that_look_at_once_fold_each_journal_once(tmp_path):
    for entry in ENTRIES * 4:
        Ledger(tmp_path, "f1", NEVER).append(entry)
    assert len(journals(tmp_path)) == 12
    lookers = [Ledger(tmp_path, "f1", NEVER) for _ in range(6)]
    threads = [threading.Thread(target=looker.look) for looker in lookers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(looker.missing(three_prompts("q2")) == [] for looker in lookers)
    assert len(rows(tmp_path)) == len(VOTES)
    assert journals(tmp_path) == []


def test_a_run_interrupted_after_its_shard_was_written_does_not_write_it_twice(tmp_path, monkeypatch):
    def interrupted(folder, votes):
        shard_files.write_shard(folder, votes)
        raise KeyboardInterrupt

    ledger = Ledger(tmp_path, "f1", NEVER)
    ledger.append(ENTRIES[0])
    with monkeypatch.context() as patch:
        patch.setattr(ledgers, "write_shard", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ledger.flush()
    ledger.append(ENTRIES[1])
    ledger.release()
    assert rows(tmp_path).sort(KEY).equals(votes_frame(VOTES[:6]).sort(KEY))


def test_a_process_killed_between_its_shard_and_its_journal_leaves_no_double(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path, "f1", NEVER)
    ledger.append(ENTRIES[0])
    monkeypatch.setattr(Journals, "end", Journals.leave)
    ledger.flush()
    assert len(journals(tmp_path)) == len(shards(tmp_path)) == 1
    assert Ledger(tmp_path, "f1", NEVER).missing(three_prompts("q1")) == []
    assert len(rows(tmp_path)) == 3
    assert journals(tmp_path) == []


def test_a_full_disk_leaves_no_half_entry_in_the_way_of_later_ones(tmp_path):
    ledger = Ledger(tmp_path, "f1", NEVER)
    ledger.append(ENTRIES[0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(encode(ENTRIES[0])) + 100, before[1]))
    try:
        with pytest.raises(InputError, match="cannot write 3 votes"):
            ledger.append(ENTRIES[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    ledger.append(ENTRIES[2])
    assert decode(journals(tmp_path)[0].read_bytes()) == (ENTRIES[0] + ENTRIES[2], 0)
    ledger.flush()  # the votes that did not fit then are written now
    assert len(rows(tmp_path)) == 9


def test_where_half_an_entry_cannot_be_taken_back_the_next_one_goes_into_another_journal(tmp_path):
    class FullDisk(io.FileIO):
        def write(self, data):
            if len(data) > 100:
                return super().write(data[:100])
            raise OSError(errno.ENOSPC, "no space left")

        def truncate(self, size=None):
            raise OSError(errno.EROFS, "read-only")

    own = Journals(tmp_path)
    own.append(ENTRIES[0])
    own._file.close()
    own._file = FullDisk(own._path, "a")
    with pytest.raises(OSError, match="no space left"):
        own.append(ENTRIES[1])
    own.append(ENTRIES[2])
    own.leave()
    folded = []
    Journals(tmp_path).fold(folded.extend)
    assert folded == ENTRIES[0] + ENTRIES[2]


def leave_damaged(folder):
    """A dead process's journal whose second entry has a flipped bit."""
    Ledger(folder, "f1", NEVER).append(VOTES[:1])
    content = bytearray(CONTENT)
    content[len(encode(ENTRIES[0])) + 200] ^= 4
    journals(folder)[0].write_bytes(content)


def test_a_damaged_journal_is_named_and_only_what_is_damaged_in_it_is_asked_again(tmp_path):
    leave_damaged(tmp_path)
    (journal,) = journals(tmp_path)
    with pytest.raises(DamageError, match="tercet store check --set-aside") as stopped:
        Ledger(tmp_path, "f1", NEVER).look()
    assert journal.name in str(stopped.value)
    (damage,) = damaged_votes(tmp_path)
    assert damage.path == journal
    assert shards(tmp_path) == [], "to look is not to change"
    aside = set_aside(damage)
    assert aside.is_file()
    asked = [prompt for one in ("q1", "q2", "q3") for prompt in three_prompts(one)]
    assert Ledger(tmp_path, "f1", NEVER).missing(asked) == asked[3:6]
    assert list(damaged_votes(tmp_path)) == []


def test_at_an_address_the_journal_lies_on_this_machine(tmp_path):
    folder = store_path(f"memory://{tmp_path.name}-spooled")
    Ledger(folder, "f1", NEVER, spool=tmp_path).append(ENTRIES[0])
    elsewhere = Ledger(folder, "f1", NEVER)
    assert elsewhere.missing(three_prompts("q1")) == three_prompts("q1")
    here = Ledger(folder, "f1", NEVER, spool=tmp_path)
    assert here.missing(three_prompts("q1")) == []
    assert elsewhere.missing(three_prompts("q1")) == [], "it is in the store now"
    assert list((tmp_path / "f1").glob("*.jsonl")) == []


def test_damage_on_this_machine_is_found_though_the_store_knows_nothing_of_the_reader(tmp_path):
    folder = store_path(f"memory://{tmp_path.name}-damaged")
    Ledger(folder, "f1", NEVER, spool=tmp_path).append(ENTRIES[0])
    (journal,) = (tmp_path / "f1").glob("*.jsonl")
    journal.write_bytes(encode(ENTRIES[0]).replace(b"yes", b"yez", 1))
    assert [one.path for one in damaged_votes(folder, tmp_path)] == [journal]


def test_votes_that_somebody_has_removed_are_not_known_from_a_journal(tmp_path):
    ledger = Ledger(tmp_path, "f1", NEVER)
    ledger.append(ENTRIES[0])
    ledger.flush()
    shutil.rmtree(tmp_path / "f1")
    ledger.append(ENTRIES[1])
    ledger.flush()
    assert ledger.missing(three_prompts("q1")) == three_prompts("q1")
    assert len(shards(tmp_path)) == 1
