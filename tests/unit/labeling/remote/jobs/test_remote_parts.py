import errno
import json
import os
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from labeling.prompting.labeler import LabelerConfig
from labeling.prompting.remote_config import RemoteConfig
from labeling.remote.jobs.parts import Part, load_parts, plan_parts, write_json
from labeling.remote.requests import batch_line
from labeling.remote.spending import Usage, estimate
from labeling.votes.vote import Prompt, vote_seed

FILES = ["keys.parquet", "requests.jsonl", "state.json"]


def config_of(**remote):
    return LabelerConfig(model="m", remote=RemoteConfig(provider="groq", **remote))


def prompt_of(number, vote=0, message=None):
    name = f"q{number}"
    return Prompt(name, "document", vote, vote_seed(0, name, vote), "Be brief.", message or f"Is {number} so?", "")


PROMPTS = [prompt_of(number, vote) for number in range(4) for vote in range(3)]


def plan(folder, prompts=PROMPTS, attempt=1, **remote):
    return list(plan_parts(folder, config_of(**remote), prompts, attempt))


def lines_of(part):
    return (part.folder / "requests.jsonl").read_bytes().splitlines(keepends=True)


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


# Planning


def test_a_part_is_a_folder_with_its_requests_their_keys_and_its_state(tmp_path):
    (part,) = plan(tmp_path)
    assert part.folder == tmp_path / part.id
    assert names_in(part.folder) == FILES
    assert names_in(tmp_path) == [part.id]
    lines = [batch_line(config_of(), prompt) for prompt in PROMPTS]
    assert lines_of(part) == lines
    assert (part.n_requests, part.n_bytes) == (12, sum(map(len, lines)))
    assert (part.step, part.attempt, part.tries, part.tag) == ("planned", 1, 1, f"{part.id}.1")
    assert (part.file_id, part.batch_id, part.status, part.counts, part.created_at) == (None, None, None, {}, None)
    assert part.is_open


def test_a_part_knows_whose_votes_its_requests_are(tmp_path):
    (part,) = plan(tmp_path)
    assert part.vote_keys() == {prompt.key.id: prompt.key for prompt in PROMPTS}
    assert list(part.vote_keys()) == [json.loads(line)["custom_id"] for line in lines_of(part)]


def test_a_part_knows_what_it_may_cost_at_most(tmp_path):
    (part,) = plan(tmp_path, PROMPTS[:2])
    # "Be brief." and "Is 0 so?" are 17 bytes, 8.5 tokens; two messages, 20 more; 160 tokens of answer.
    assert part.worst == [2, 2 * 29, 2 * 160]
    assert part.worst_usage == Usage(2, 58, 320)


@pytest.mark.parametrize(("limit", "sizes"), [(12, [12]), (11, [11, 1]), (5, [5, 5, 2]), (1, [1] * 12)])
def test_a_part_holds_no_more_requests_than_a_batch_may(tmp_path, limit, sizes):
    assert [part.n_requests for part in plan(tmp_path, requests_per_batch=limit)] == sizes


def test_a_part_holds_no_more_bytes_than_a_batch_may(tmp_path):
    prompts = [prompt_of(number)._replace(seed=7) for number in range(6)]  # lines of one length
    size = len(batch_line(config_of(), prompts[0]))
    for limit, sizes in ((3 * size, [3, 3]), (3 * size - 1, [2, 2, 2]), (4 * size, [4, 2])):
        parts = plan(tmp_path / str(limit), prompts, bytes_per_batch=limit)
        assert [part.n_bytes for part in parts] == [n * size for n in sizes]


def test_nothing_to_ask_is_no_part(tmp_path):
    assert plan(tmp_path, []) == []
    assert names_in(tmp_path) == []


def test_the_same_requests_are_another_part_at_another_attempt_and_the_same_at_the_same(tmp_path):
    first, second, elsewhere = (
        plan(folder, attempt=attempt, requests_per_batch=5)
        for folder, attempt in ((tmp_path / "a", 1), (tmp_path / "a", 2), (tmp_path / "b", 1))
    )
    assert {part.id for part in first}.isdisjoint(part.id for part in second)
    assert [part.id for part in first] == [part.id for part in elsewhere]
    assert [lines_of(part) for part in first] == [lines_of(part) for part in second]
    assert [(part.attempt, part.n_requests) for part in load_parts(tmp_path / "a")] == [
        (attempt, part.n_requests)
        for attempt, parts in ((1, first), (2, second))
        for part in sorted(parts, key=lambda part: part.id)
    ]


def test_another_prompt_another_model_or_another_order_is_another_part(tmp_path):
    plans = [(PROMPTS, "m"), (PROMPTS[:-1], "m"), (PROMPTS[::-1], "m"), (PROMPTS, "n")]
    ids = set()
    for number, (prompts, model) in enumerate(plans):
        config = LabelerConfig(model=model, remote=RemoteConfig(provider="groq"))
        ids |= {part.id for part in plan_parts(tmp_path / str(number), config, prompts, 1)}
    assert len(ids) == len(plans)


def test_a_request_larger_than_a_batch_is_refused_and_leaves_whole_parts_alone(tmp_path):
    prompts = [*PROMPTS[:3], prompt_of(77, message="very " * 400)]
    with pytest.raises(
        InputError, match=r"question 'q77' has \d+ bytes: expected at most 800 bytes \(remote.bytes_per_batch"
    ):
        plan(tmp_path, prompts, bytes_per_batch=800, requests_per_batch=2)
    (whole,) = load_parts(tmp_path)
    assert whole.n_requests == len(lines_of(whole)) == 2
    assert names_in(whole.folder) == FILES
    # What was begun with the third prompt does not stand in the way of the next plan.
    assert [part.n_requests for part in plan(tmp_path, prompts[2:3], bytes_per_batch=800)] == [1]
    assert len(load_parts(tmp_path)) == 2


def test_a_request_that_fills_a_batch_to_the_last_byte_is_taken(tmp_path):
    size = len(batch_line(config_of(), PROMPTS[0]))
    assert [part.n_bytes for part in plan(tmp_path, PROMPTS[:1], bytes_per_batch=size)] == [size]
    with pytest.raises(InputError, match=f"has {size} bytes"):
        plan(tmp_path / "less", PROMPTS[:1], bytes_per_batch=size - 1)


def test_parts_come_one_by_one_so_that_memory_holds_one(tmp_path):
    asked = []

    def prompts():
        for prompt in PROMPTS:
            asked.append(prompt)
            yield prompt

    parts = plan_parts(tmp_path, config_of(requests_per_batch=2), prompts(), 1)
    next(parts)
    assert len(asked) == 3
    assert len(load_parts(tmp_path)) == 1


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 2)), unique=True, max_size=14),
    st.data(),
    st.integers(1, 5),
    st.integers(0, 700),
)
def test_every_prompt_is_in_exactly_one_part_and_every_part_within_the_limits(keys, data, most_requests, more_bytes):
    texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
    prompts = [prompt_of(*key, data.draw(texts)) for key in keys]
    lines = [batch_line(config_of(), prompt) for prompt in prompts]
    most_bytes = max(map(len, lines), default=1) + more_bytes
    with tempfile.TemporaryDirectory() as name:
        parts = plan(Path(name), prompts, requests_per_batch=most_requests, bytes_per_batch=most_bytes)
        assert [line for part in parts for line in lines_of(part)] == lines
        assert [key for part in parts for key in part.vote_keys().values()] == [prompt.key for prompt in prompts]
        for part in parts:
            assert 1 <= part.n_requests == len(lines_of(part)) <= most_requests
            assert part.n_bytes == (part.folder / "requests.jsonl").stat().st_size <= most_bytes
        for part, following in pairwise(parts):  # and none is smaller than it must be
            first = len(lines_of(following)[0])
            assert part.n_requests == most_requests or part.n_bytes + first > most_bytes
        worst = [sum(tokens) for tokens in zip(*(part.worst for part in parts), strict=True)]
        estimates = [estimate(config_of(), prompt) for prompt in prompts]
        assert worst == [sum(tokens) for tokens in zip(*estimates, strict=True)]
        assert load_parts(Path(name)) == sorted(parts, key=lambda part: part.id)


# What a killed run leaves


@pytest.mark.parametrize("kept", [FILES, FILES[1:2], []], ids=str)
def test_what_a_killed_run_was_making_is_no_part(tmp_path, kept):
    (part,) = plan(tmp_path / "other")
    making = tmp_path / ".making-4711"
    making.mkdir()
    for name in kept:
        shutil.copy(part.folder / name, making / name)
    assert load_parts(tmp_path) == []
    (real,) = plan(tmp_path)
    assert load_parts(tmp_path) == [real]


def test_what_this_process_was_making_before_is_made_again(tmp_path):
    making = tmp_path / f".making-{os.getpid()}"
    making.mkdir()
    (making / "requests.jsonl").write_bytes(b'{"custom_id": "half a li')
    (making / "output.jsonl").write_bytes(b"of another part")
    (part,) = plan(tmp_path)
    assert names_in(part.folder) == FILES
    assert len(lines_of(part)) == 12
    assert not making.exists()


def test_a_folder_without_a_state_is_no_part(tmp_path):
    (tmp_path / "abc").mkdir()
    (tmp_path / "labeler.json").write_text("{}")
    assert load_parts(tmp_path) == []
    assert load_parts(tmp_path / "nowhere") == []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"id": "x"}', '{"bogus": 1}', "7", "null"])
def test_a_state_that_nobody_wrote_is_refused_with_its_path(tmp_path, content):
    (part,) = plan(tmp_path)
    (part.folder / "state.json").write_text(content)
    with pytest.raises(InputError, match=r"state\.json is not the state of a batch"):
        load_parts(tmp_path)


# Steps


def test_a_step_is_on_disk_and_in_memory(tmp_path):
    (part,) = plan(tmp_path)
    part.move("uploaded", file_id="file-1")
    assert load_parts(tmp_path) == [part]
    part.move("created", batch_id="batch-1", status="validating", created_at=1_790_000_000)
    assert (part.step, part.file_id, part.batch_id) == ("created", "file-1", "batch-1")
    assert load_parts(tmp_path) == [part]
    part.move("collected", counts={"votes": 11, "broken": 1})
    assert load_parts(tmp_path) == [part]
    assert not part.is_open
    assert names_in(part.folder) == FILES  # and nothing half-written beside them


def test_a_part_of_which_votes_may_come_is_open(tmp_path):
    (part,) = plan(tmp_path)
    for step in ("planned", "uploaded", "creating", "created", "finished"):
        part.move(step)
        assert part.is_open
        assert part.is_under_way == (step in ("created", "finished"))
        assert [one.is_open for one in load_parts(tmp_path)] == [True]
    part.move("collected")
    assert not part.is_open
    assert not part.is_under_way


def test_a_batch_that_is_made_again_has_another_tag(tmp_path):
    (part,) = plan(tmp_path)
    before = part.tag
    part.move("uploaded", tries=2)
    assert part.tag == f"{part.id}.2" != before


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "file_id": st.none() | st.text(max_size=8),
        "batch_id": st.none() | st.text(max_size=8),
        "status": st.none() | st.text(max_size=8),
        "tries": st.integers(1, 99),
        "counts": st.dictionaries(st.text(max_size=4), st.integers(0, 10**6), max_size=3),
        "created_at": st.none() | st.integers(0, 2**40),
    },
)
STEPS = st.sampled_from(["planned", "uploaded", "creating", "created", "finished", "collected"])


@settings(max_examples=30)
@given(st.lists(st.tuples(STEPS, CHANGES), max_size=5))
def test_whatever_a_part_goes_through_it_comes_back_from_disk_as_it_was(moves):
    with tempfile.TemporaryDirectory() as name:
        (part,) = plan(Path(name), PROMPTS[:1])
        for step, changes in moves:
            part.move(step, **changes)
            assert load_parts(Path(name)) == [part]


@pytest.fixture
def disk_full(monkeypatch):
    """Nothing reaches the disk any more."""

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        yield lambda: patch.setattr(os, "fsync", full)


def test_a_step_that_cannot_be_written_is_not_taken_at_all(tmp_path, disk_full):
    (part,) = plan(tmp_path)
    part.move("uploaded", file_id="file-1")
    disk_full()
    with pytest.raises(InputError, match=r"cannot write .*state\.json \(No space left on device\)") as refused:
        part.move("creating", batch_id="batch-1")
    assert "\n" not in str(refused.value)
    assert (part.step, part.batch_id) == ("uploaded", None)
    assert load_parts(tmp_path) == [part]
    assert names_in(part.folder) == FILES


def test_a_part_that_cannot_be_written_is_none(tmp_path, disk_full):
    disk_full()
    with pytest.raises(InputError, match="No space left on device"):
        plan(tmp_path)
    assert load_parts(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path):
    (tmp_path / "batch").write_text("not a folder")
    with pytest.raises(InputError, match="cannot write"):
        plan(tmp_path / "batch")


def test_a_state_appears_by_renaming_a_whole_file(tmp_path, monkeypatch):
    (part,) = plan(tmp_path)
    seen, rename = [], Path.replace

    def watch(self, target):
        seen.append([json.loads(file.read_text())["step"] for file in (Path(target), self)])
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    part.move("uploaded")
    assert seen == [["planned", "uploaded"]]


def test_json_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "facts.json"
    write_json(target, {"b": 1, "a": "ü"})
    assert json.loads(target.read_text(encoding="utf-8")) == {"a": "ü", "b": 1}
    with pytest.raises(TypeError):
        write_json(target, {"a": object()})
    assert json.loads(target.read_text(encoding="utf-8")) == {"a": "ü", "b": 1}


# What is kept


def test_collected_a_part_keeps_its_keys_and_its_state_alone(tmp_path):
    (part,) = plan(tmp_path)
    for name in ("output.jsonl", "error.jsonl"):
        (part.folder / name).write_text("{}\n")
    part.move("collected")
    for _ in range(2):  # a run that was killed in between does it again
        part.forget_requests()
        assert names_in(part.folder) == ["keys.parquet", "state.json"]
    (again,) = load_parts(tmp_path)
    assert again == part
    assert again.vote_keys() == {prompt.key.id: prompt.key for prompt in PROMPTS}


def test_a_part_that_is_taken_back_leaves_nothing_and_can_be_planned_again(tmp_path):
    first, *_ = plan(tmp_path, requests_per_batch=6)
    first.drop()
    assert len(load_parts(tmp_path)) == 1
    (again,) = plan(tmp_path, PROMPTS[:6], requests_per_batch=6)
    assert again == first


def test_the_keys_are_a_table_that_any_tool_reads(tmp_path):
    (part,) = plan(tmp_path, PROMPTS[:1])
    frame = pl.read_parquet(part.folder / "keys.parquet")
    assert frame.rows(named=True) == [PROMPTS[0].key._asdict()]


def test_a_part_moves_with_its_folder(tmp_path):
    (part,) = plan(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    (moved,) = load_parts(tmp_path / "there")
    assert isinstance(moved, Part)
    assert moved.as_json() == part.as_json()
    assert moved.folder == tmp_path / "there" / part.id
