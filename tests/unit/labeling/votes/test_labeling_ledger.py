import errno
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.storage import store_path
from labeling.votes.ledger import Ledger
from labeling.votes.vote import KEY, VOTES, Prompt, Vote, vote_seed, votes_frame

NEVER = 1e9  # flush_seconds of a ledger that flushes only when told to


def prompt_of(question_id="q1", vote=0, arm="document", message=None, seed=None):
    seed = vote_seed(0, question_id, vote) if seed is None else seed
    return Prompt(question_id, arm, vote, seed, "system", message or f"about {question_id}", "Answer:")


def vote_of(prompt, label="yes", failure=None):
    return Vote(
        labeler="f1",
        prompt_hash=prompt.hash,
        arm=prompt.arm,
        vote=prompt.vote,
        seed=prompt.seed,
        question_id=prompt.question_id,
        label=None if failure else label,
        failure=failure,
        probabilities=() if failure else (0.5, 0.25, 0.125),
        outside_mass=None if failure else 0.125,
        margin=None if failure else 2 / 7,
        n_prompt_tokens=17,
    )


def three_prompts(question_id):
    return [prompt_of(question_id, vote) for vote in range(3)]


def shards(folder):
    return sorted((folder / "f1").glob("*.parquet"))


def partials(folder):
    return [path for path in folder.rglob("*") if "partial" in path.name]


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path, "f1", NEVER)


def test_a_vote_comes_back_from_disk_as_it_was(tmp_path, ledger):
    prompt = prompt_of()
    with ledger:
        ledger.append([vote_of(prompt)])
    votes = Ledger(tmp_path, "f1").votes()
    assert votes.schema == VOTES
    assert votes.rows(named=True) == [
        {
            "labeler": "f1",
            "prompt_hash": prompt.hash,
            "arm": "document",
            "vote": 0,
            "seed": prompt.seed,
            "question_id": "q1",
            "label": "yes",
            "failure": None,
            "probabilities": [0.5, 0.25, 0.125],
            "outside_mass": 0.125,
            "margin": 2 / 7,
            "n_prompt_tokens": 17,
            "text": None,
            "parse": None,
            "problem": None,
            "n_generated": None,
            "served": None,
        }
    ]


def test_a_generated_vote_comes_back_with_its_text_and_how_it_was_read(tmp_path, ledger):
    text = "Nine of 14 left.\nSo: ja \U0001f989"
    vote = replace(vote_of(prompt_of()), text=text, parse="repaired", problem="off_label", n_generated=21)
    with ledger:
        ledger.append([vote])
    row = Ledger(tmp_path, "f1").votes().row(0, named=True)
    assert (row["text"], row["parse"], row["problem"], row["n_generated"]) == (text, "repaired", "off_label", 21)


def test_a_remote_vote_comes_back_with_what_served_it(tmp_path, ledger):
    with ledger:
        ledger.append([replace(vote_of(prompt_of()), served="gpt-oss-20b fp_1")])
    assert Ledger(tmp_path, "f1").votes()["served"].to_list() == ["gpt-oss-20b fp_1"]


# What a vote had before text was generated; such shards are on users' disks.
LATER = ("text", "parse", "problem", "n_generated", "served")
OLD_VOTES = pl.Schema({name: VOTES[name] for name in VOTES if name not in LATER})


def write_old_shard(folder, votes):
    (folder / "f1").mkdir(parents=True, exist_ok=True)
    rows = votes_frame(votes).select(OLD_VOTES.names())
    rows.write_parquet(folder / "f1" / "00000000000000000001-0123abcd.parquet")


def test_votes_of_an_older_version_are_read_with_nothing_in_the_columns_that_came_later(tmp_path):
    votes = [vote_of(prompt_of("q1")), vote_of(prompt_of("q2"), failure="no_label_mass")]
    write_old_shard(tmp_path, votes)
    read = Ledger(tmp_path, "f1").votes()
    assert read.schema == VOTES
    assert read.sort("question_id").equals(votes_frame(votes))
    assert read.select(LATER).null_count().row(0) == (2, 2, 2, 2, 2)


def test_old_and_new_shards_make_one_ledger_and_what_the_old_one_knows_is_not_asked_again(tmp_path):
    write_old_shard(tmp_path, [vote_of(prompt_of("q1"))])
    new = replace(vote_of(prompt_of("q2")), text="Answer: yes", parse="strict", n_generated=3)
    with Ledger(tmp_path, "f1", NEVER) as ledger:
        assert ledger.missing([prompt_of("q1"), prompt_of("q2")]) == [prompt_of("q2")]
        ledger.append([new, vote_of(prompt_of("q1"), "no")])
    votes = ledger.votes().sort("question_id")
    assert votes.select("question_id", "label", "text").rows() == [("q1", "yes", None), ("q2", "yes", "Answer: yes")]
    assert len(shards(tmp_path)) == 2


def test_a_ledger_without_votes_is_an_empty_frame_and_writes_nothing(tmp_path):
    with Ledger(tmp_path, "f1") as ledger:
        assert ledger.votes().schema == VOTES
        assert len(ledger.votes()) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flushed", [False, True], ids=["unwritten", "written"])
def test_what_was_answered_is_not_asked_again(ledger, flushed):
    ledger.append([vote_of(prompt) for prompt in three_prompts("q1")])
    if flushed:
        ledger.flush()
    assert ledger.missing(three_prompts("q1")) == []
    assert ledger.missing(three_prompts("q2")) == three_prompts("q2")


def test_what_was_answered_is_not_asked_again_after_a_restart(tmp_path, ledger):
    with ledger:
        ledger.append([vote_of(prompt) for prompt in three_prompts("q1")])
    assert Ledger(tmp_path, "f1").missing(three_prompts("q1")) == []


@pytest.mark.parametrize(
    "failure", ["no_label_mass", "empty", "refused", "truncated", "off_label", "rejected", "prompt_too_long"]
)
def test_a_named_failure_of_the_model_is_an_answer_too(tmp_path, ledger, failure):
    with ledger:
        ledger.append([vote_of(prompt_of(), failure=failure)])
    assert Ledger(tmp_path, "f1").missing([prompt_of()]) == []
    assert ledger.votes()["failure"].to_list() == [failure]


def test_a_ledger_is_empty_until_its_first_vote_whoever_wrote_it(tmp_path, ledger):
    assert ledger.is_empty
    with Ledger(tmp_path, "f1", NEVER) as other:
        other.append([vote_of(prompt_of())])
        assert not other.is_empty
        assert ledger.is_empty
    assert not ledger.is_empty


def test_missing_keeps_the_order_and_names_each_key_once(ledger):
    a, b, c = (prompt_of(question_id) for question_id in "cab")
    ledger.append([vote_of(b)])
    assert ledger.missing([c, a, b, a, c]) == [c, a]


def test_the_same_prompt_in_two_cells_is_asked_once(ledger):
    one, two = prompt_of(message="same chunks"), prompt_of(message="same chunks")
    assert ledger.missing([one, two]) == [one]


@pytest.mark.parametrize(
    "other",
    [prompt_of(arm="random"), prompt_of(vote=1, seed=vote_seed(0, "q1", 0)), prompt_of(seed=5), prompt_of(message="m")],
    ids=["arm", "vote", "seed", "prompt"],
)
def test_another_arm_vote_seed_or_prompt_is_another_key(ledger, other):
    ledger.append([vote_of(prompt_of())])
    assert ledger.missing([prompt_of(), other]) == [other]
    ledger.append([vote_of(other)])
    ledger.flush()
    assert len(ledger.votes()) == 2


def test_labelers_do_not_see_each_others_votes(tmp_path, ledger):
    with ledger:
        ledger.append([vote_of(prompt_of())])
    other = Ledger(tmp_path, "f2")
    assert other.missing([prompt_of()]) == [prompt_of()]
    assert len(other.votes()) == 0


def test_votes_stay_open_until_the_flush_interval_is_over(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr("labeling.votes.ledger.time.monotonic", lambda: now)
    ledger = Ledger(tmp_path, "f1", flush_seconds=30)
    ledger.append([vote_of(prompt_of("q1"))])
    now = 129.0
    ledger.append([vote_of(prompt_of("q2"))])
    assert shards(tmp_path) == []
    now = 130.0
    ledger.append([vote_of(prompt_of("q3"))])
    assert len(shards(tmp_path)) == 1
    assert ledger.votes()["question_id"].sort().to_list() == ["q1", "q2", "q3"]
    now = 159.0
    ledger.append([vote_of(prompt_of("q4"))])
    assert len(shards(tmp_path)) == 1


def test_a_shard_appears_by_renaming_a_whole_file(tmp_path, ledger, monkeypatch):
    seen = []
    rename = Path.replace

    def watch(self, target):
        seen.append((shards(tmp_path), len(pl.read_parquet(self))))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    ledger.append([vote_of(prompt) for prompt in three_prompts("q1")])
    ledger.flush()
    assert seen == [([], 3)]  # no shard before the rename, all three votes in what is renamed
    assert len(shards(tmp_path)) == 1
    assert partials(tmp_path) == []


def test_what_a_killed_run_left_half_written_is_ignored(tmp_path, ledger):
    with ledger:
        ledger.append([vote_of(prompt_of("q1"))])
    (tmp_path / "f1" / ".00000000000000000001-deadbeef.parquet.partial").write_bytes(b"PAR1 half a sha")
    again = Ledger(tmp_path, "f1")
    assert again.missing([prompt_of("q1"), prompt_of("q2")]) == [prompt_of("q2")]
    assert again.votes()["question_id"].to_list() == ["q1"]


def test_two_ledgers_written_at_once_are_merged_without_doubles_and_the_first_shard_wins(tmp_path):
    early, late = Ledger(tmp_path, "f1", NEVER), Ledger(tmp_path, "f1", NEVER)
    assert early.missing([prompt_of()]) == late.missing([prompt_of()]) == [prompt_of()]
    late.append([vote_of(prompt_of(), "no"), vote_of(prompt_of("q3"), "no")])
    early.append([vote_of(prompt_of(), "yes"), vote_of(prompt_of("q2"), "yes")])
    early.flush()
    late.flush()
    for ledger in (early, late, Ledger(tmp_path, "f1")):
        votes = ledger.votes()
        assert dict(votes.select("question_id", "label").iter_rows()) == {"q1": "yes", "q2": "yes", "q3": "no"}
        assert len(votes) == 3


def test_votes_that_the_ledger_has_already_are_told_from_those_that_it_lacks(ledger):
    known, new, other = (vote_of(prompt_of(question_id)) for question_id in ("q1", "q2", "q3"))
    assert ledger.unknown([]) == []
    assert ledger.unknown([other, known, new]) == [other, known, new]
    ledger.append([known])
    assert ledger.unknown([other, known, new]) == [other, new]
    ledger.flush()
    assert ledger.unknown([other, known, new]) == [other, new]
    # The key says which vote it is, not what it says.
    assert ledger.unknown([replace(known, label="no", text="No.", served="m-2")]) == []


def test_a_vote_that_another_process_wrote_in_the_meantime_is_not_unknown(tmp_path):
    one, two = Ledger(tmp_path, "f1", NEVER), Ledger(tmp_path, "f1", NEVER)
    votes = [vote_of(prompt) for prompt in three_prompts("q1")]
    assert one.unknown(votes) == votes
    two.append(votes[:2])
    assert one.unknown(votes) == votes
    two.flush()
    assert one.unknown(votes) == votes[2:]


def test_a_vote_on_another_prompt_arm_number_or_seed_is_unknown(ledger):
    ledger.append([vote_of(prompt_of())])
    others = [
        prompt_of(arm="random"),
        prompt_of(vote=1, seed=prompt_of().seed),
        prompt_of(seed=5),
        prompt_of(message="m"),
    ]
    votes = [vote_of(prompt) for prompt in others]
    assert ledger.unknown([vote_of(prompt_of()), *votes]) == votes


def test_results_that_are_collected_again_after_a_crash_are_in_the_ledger_once(tmp_path):
    votes = [vote_of(prompt) for prompt in three_prompts("q1")]
    for _ in range(2):
        with Ledger(tmp_path, "f1", NEVER) as ledger:
            ledger.append(ledger.unknown(votes))
    assert len(shards(tmp_path)) == 1
    assert len(ledger.votes()) == 3


def test_a_ledger_sees_what_another_process_wrote_in_the_meantime(tmp_path):
    one, two = Ledger(tmp_path, "f1", NEVER), Ledger(tmp_path, "f1", NEVER)
    assert one.missing([prompt_of()]) == [prompt_of()]
    two.append([vote_of(prompt_of())])
    assert one.missing([prompt_of()]) == [prompt_of()]
    two.flush()
    assert one.missing([prompt_of()]) == []


def test_votes_that_somebody_has_removed_are_asked_again(tmp_path):
    one = Ledger(tmp_path, "f1", NEVER)
    one.append([vote_of(prompt_of("q1"))])
    one.flush()
    one.append([vote_of(prompt_of("q2"))])
    shutil.rmtree(tmp_path / "f1")
    asked = [prompt_of("q1"), prompt_of("q2")]
    assert one.missing(asked) == [prompt_of("q1")], "what is not written yet is still known"


def test_a_ledger_can_be_asked_without_looking_at_the_folder_each_time(tmp_path):
    one, two = Ledger(tmp_path, "f1", NEVER), Ledger(tmp_path, "f1", NEVER)
    two.append([vote_of(prompt_of())])
    two.flush()
    assert one.missing([prompt_of()], looks=False) == [prompt_of()]
    one.look()
    assert one.missing([prompt_of()], looks=False) == []


def test_what_was_asked_before_an_exception_is_kept(tmp_path, ledger):
    def ask_and_fail():
        with ledger:
            ledger.append([vote_of(prompt_of())])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask_and_fail()
    assert Ledger(tmp_path, "f1").missing([prompt_of()]) == []


def test_votes_come_in_an_order_that_does_not_depend_on_the_shards(tmp_path):
    votes = [vote_of(prompt) for question_id in ("q1", "q2", "q3") for prompt in three_prompts(question_id)]
    with Ledger(tmp_path / "one", "f1", NEVER) as one:
        one.append(votes)
    with Ledger(tmp_path / "many", "f1", 0) as many:
        for vote in reversed(votes):
            many.append([vote])
    assert len(shards(tmp_path / "many")) == 9
    assert many.votes().equals(one.votes())


@pytest.fixture
def disk_full_at_fsync(monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("corpora.storage.os.fsync", full)
        yield patch


@pytest.fixture
def disk_full_at_write(monkeypatch):
    """Every byte of a partial file goes to /dev/full, where the kernel itself answers ENOSPC."""
    plain_open = Path.open

    def open_full(self, mode="r", *args, **kwargs):
        if not self.name.endswith(".partial"):
            return plain_open(self, mode, *args, **kwargs)
        self.touch()
        return plain_open(Path("/dev/full"), mode, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_full)
        yield patch


@pytest.mark.parametrize("disk_full", ["disk_full_at_fsync", "disk_full_at_write"])
def test_a_full_disk_is_said_in_one_line_and_costs_nothing_that_was_written(tmp_path, request, disk_full):
    ledger = Ledger(tmp_path, "f1", NEVER)
    ledger.append([vote_of(prompt_of("q1"))])
    ledger.flush()
    before = ledger.votes()

    disk = request.getfixturevalue(disk_full)
    ledger.append([vote_of(prompt_of("q2"))])
    with pytest.raises(InputError, match="the disk is full") as refused:
        ledger.flush()
    assert "\n" not in str(refused.value)
    assert partials(tmp_path) == []
    assert ledger.votes().equals(before)
    assert Ledger(tmp_path, "f1").missing([prompt_of("q1"), prompt_of("q2")]) == [prompt_of("q2")]

    disk.undo()
    ledger.flush()
    assert ledger.votes()["question_id"].sort().to_list() == ["q1", "q2"]


def test_a_ledger_folder_that_is_a_file_is_said_in_one_line(tmp_path):
    (tmp_path / "ledger").write_text("not a folder")
    ledger = Ledger(tmp_path / "ledger", "f1", NEVER)
    with pytest.raises(InputError, match="cannot write 1 votes"):
        ledger.append([vote_of(prompt_of())])


QUESTION_IDS = [f"q{number}" for number in range(6)]
STEPS = st.lists(
    st.tuples(st.just("ask"), st.sampled_from(QUESTION_IDS))
    | st.tuples(st.sampled_from(["flush", "crash", "reopen"]), st.none()),
    max_size=25,
)


def answer(prompt):
    """A labeler whose votes follow from the prompt and the seed alone."""
    return vote_of(prompt, ("yes", "no", "maybe")[(prompt.seed + int(prompt.hash, 16)) % 3])


def ask_all(ledger, asked):
    for question_id in QUESTION_IDS:
        prompts = ledger.missing(three_prompts(question_id))
        asked.update(prompts)
        ledger.append([answer(prompt) for prompt in prompts])
    ledger.flush()
    return ledger.votes()


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_however_a_run_is_disturbed_it_ends_with_the_votes_of_an_undisturbed_one(steps):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        undisturbed = ask_all(Ledger(folder / "undisturbed", "f1", NEVER), Counter())

        ledger = Ledger(folder, "f1", NEVER)
        asked = Counter()
        for step, question_id in steps:
            if step == "ask":
                prompts = ledger.missing(three_prompts(question_id))
                asked.update(prompts)
                ledger.append([answer(prompt) for prompt in prompts])
                continue
            if step != "crash":
                ledger.flush()
            if step != "flush":
                ledger = Ledger(folder, "f1", NEVER)
        votes = ask_all(ledger, asked)

        assert votes.equals(undisturbed)
        assert votes.select(KEY).is_unique().all()
        assert asked == Counter(prompt for q in QUESTION_IDS for prompt in three_prompts(q)), "asked twice"


def test_a_ledger_on_another_file_system_keeps_votes_and_finds_those_of_others(tmp_path):
    folder = store_path(f"memory://{tmp_path.name}")
    ours, theirs = Ledger(folder, "f1", NEVER), Ledger(folder, "f1", NEVER)
    prompts = three_prompts("q1")
    assert ours.missing(prompts) == prompts
    assert ours.claim("q1")
    assert theirs.claim("q1"), "there are no locks there"
    ours.append([vote_of(prompt, "yes") for prompt in prompts])
    ours.flush()
    assert theirs.missing(prompts) == []
    theirs.append([vote_of(prompts[0], "no")])
    theirs.flush()
    assert ours.votes()["label"].to_list() == ["yes"] * 3, "the first vote counts"
