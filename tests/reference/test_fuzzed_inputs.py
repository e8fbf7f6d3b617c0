"""Ten thousand files that went wrong: each is read as its format's definition has it, or refused in one line.

An independent strict reader (`strict_reader`) is the oracle. What Tercet refuses though the oracle reads it is no
fault: Tercet also checks that ids are unique, that documents exist, and the like.
"""

import json
import signal
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from corpora.errors import InputError
from corpora.reading import strict_json
from tests.reference.fuzzed_formats import FORMATS, mutated, sound
from tests.reference.strict_reader import RefusedError

CPU_SECONDS = 20  # of this process, so that a busy machine does not make a hang of a slow reading


class HangError(KeyboardInterrupt):
    """A reading took too long; no reader may catch it."""


@contextmanager
def watched():
    def stop(*_):
        raise HangError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def write_sound(name: str, folder: Path) -> None:
    for file, content in FORMATS[name].files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(sound(file, content))


def verdict(name: str, folder: Path, damaged: bool) -> tuple[str, str]:
    """What became of the files in a folder, and the details of a fault."""
    try:
        with watched():
            made = FORMATS[name].reads(folder)
    except HangError:
        return "hang", ""
    except InputError as error:
        if len(str(error).splitlines()) != 1:
            return "traceback", f"several lines: {error}"
        try:
            FORMATS[name].expects(folder)
        except RefusedError:
            return "refused by both", ""
        return "refused, though of its format", str(error)
    except BaseException as error:  # noqa: BLE001  # whatever it is, a user would see a traceback
        return "traceback", f"{type(error).__name__}: {error!s:.200}"
    try:
        found = FORMATS[name].misreadings(made, FORMATS[name].expects(folder))
    except RefusedError as error:
        found = [f"read, though the definition refuses it ({error})"]
    if found and damaged and name == "tables.parquet":
        return "damaged bytes read", ""  # Parquet has no checksum by default: what the bytes say now is what they say
    return ("misread", "; ".join(found)) if found else ("read as it is", "")


def fuzz(name: str, n: int, folder: Path) -> tuple[Counter[str], list[str]]:
    write_sound(name, folder)
    files = [file for file in FORMATS[name].files if file != "model.gguf"]
    counts: Counter[str] = Counter()
    faults = []
    for number in range(n):
        rng = Random(f"{name}/{number}")
        file = rng.choice(files)
        content, damaged = mutated(file, FORMATS[name].files[file], rng)
        (folder / file).write_bytes(content)
        what, details = verdict(name, folder, damaged)
        counts[what] += 1
        if what in ("traceback", "misread", "hang"):
            faults.append(f"{name}/{number} {file}: {what}: {details}")
        (folder / file).write_bytes(sound(file, FORMATS[name].files[file]))
    return counts, faults


@pytest.mark.parametrize("name", FORMATS)
def test_sound_files_are_read_as_they_are(tmp_path, name):
    write_sound(name, tmp_path)
    assert verdict(name, tmp_path, damaged=False) == ("read as it is", "")


@pytest.mark.parametrize("name", FORMATS)
def test_a_few_fuzzed_files_are_read_as_they_are_or_refused_in_one_line(tmp_path, name):
    counts, faults = fuzz(name, 17, tmp_path)
    assert faults == []
    assert sum(counts.values()) == 17


@pytest.mark.slow
def test_ten_thousand_fuzzed_files(tmp_path):
    """Prints its counts: `pytest -s`."""
    total: Counter[str] = Counter()
    faults = []
    for name in FORMATS:
        (tmp_path / name).mkdir()
        counts, found = fuzz(name, 10_000 // len(FORMATS) + 1, tmp_path / name)
        print(f"{name:20}", dict(sorted(counts.items())))  # noqa: T201
        assert counts["read as it is"] > 0, name
        assert counts["refused by both"] > 0, name
        total += counts
        faults += found
    print(f"{'all':20}", dict(sorted(total.items())))  # noqa: T201
    assert faults == []
    assert sum(total.values()) >= 10_000


def test_a_reader_that_keeps_the_last_key_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(strict_json, "_STRICT", json.JSONDecoder())
    _, faults = fuzz("tables.jsonl", 200, tmp_path)
    assert "a key twice" in " ".join(faults)
