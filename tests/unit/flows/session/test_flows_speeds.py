"""How fast a reader was is remembered until something changes that makes it faster or slower."""

import json

import pytest

from flows.session.experiment import ReaderConfig
from flows.session.speeds import Speed, Speeds

READER = ReaderConfig(model="one")
DIGEST = "0" * 64


def test_a_speed_is_found_again_by_the_next_session(tmp_path):
    Speeds(tmp_path).note(DIGEST, READER, "repacked", 500, 10.0, 7)
    assert Speeds(tmp_path).find(DIGEST, READER, "repacked") == Speed(50.0, 7)


def test_shards_of_a_session_are_taken_together_and_short_ones_say_nothing(tmp_path):
    speeds = Speeds(tmp_path)
    speeds.note(DIGEST, READER, "plain", 1000, 0.5, 7)
    assert speeds.find(DIGEST, READER, "plain") is None
    speeds.note(DIGEST, READER, "plain", 100, 0.6, 7)
    assert speeds.find(DIGEST, READER, "plain") == Speed(1000.0, 7)


def test_a_measurement_stands_for_itself(tmp_path):
    speeds = Speeds(tmp_path)
    speeds.note(DIGEST, READER, "plain", 1000, 10.0, 7)
    speeds.note(DIGEST, READER, "plain", 100, 0.5, 8, afresh=True)
    assert speeds.find(DIGEST, READER, "plain") == Speed(200.0, 8)


@pytest.mark.parametrize("changed", [{"threads": 3}, {"mode": "generate"}, {"num_ctx": 8192}])
def test_what_makes_a_reader_faster_or_slower_is_another_speed(tmp_path, changed):
    speeds = Speeds(tmp_path)
    speeds.note(DIGEST, READER, "plain", 1000, 10.0, 7)
    assert speeds.find(DIGEST, READER.model_copy(update=changed), "plain") is None
    assert speeds.find("1" * 64, READER, "plain") is None
    assert speeds.find(DIGEST, READER, "repacked") is None
    assert speeds.find(DIGEST, READER.model_copy(update={"name": "another"}), "plain")


def test_where_the_kernels_are_not_settled_the_faster_ones_count(tmp_path):
    speeds = Speeds(tmp_path)
    speeds.note(DIGEST, READER, "plain", 1000, 10.0, 7)
    speeds.note(DIGEST, READER, "repacked", 1000, 5.0, 7)
    assert speeds.find(DIGEST, READER, None) == Speed(200.0, 7)


@pytest.mark.parametrize("text", ["{", '["x"]', "[]", "[0, 1]", "7"])
def test_what_nobody_wrote_here_is_no_speed(tmp_path, text):
    Speeds(tmp_path).note(DIGEST, READER, "plain", 1000, 10.0, 7)
    file = tmp_path / "speeds.json"
    file.write_text(json.dumps(dict.fromkeys(json.loads(file.read_text()), text)))
    assert Speeds(tmp_path).find(DIGEST, READER, "plain") is None


def test_a_cache_that_cannot_be_written_or_read_stops_no_work(tmp_path):
    (tmp_path / "file").write_text("")
    Speeds(tmp_path / "file").note(DIGEST, READER, "plain", 1000, 10.0, 7)
    (tmp_path / "speeds.json").mkdir()
    assert Speeds(tmp_path).find(DIGEST, READER, "plain") is None
