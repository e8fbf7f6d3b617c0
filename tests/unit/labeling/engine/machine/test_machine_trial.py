"""A damaged model file is one line, however llama.cpp takes it."""

import os
import random
import subprocess
import sys

import pytest

from corpora.errors import InputError
from corpora.schema import LabelSet
from labeling.engine.local_readers import LocalReaders
from labeling.engine.machine import trial
from labeling.models.registry import ModelFile
from labeling.prompting.labeler import LabelerConfig

N_DAMAGES = 80

# Loads each file in a child of its own, as cheaply as that goes: the library is loaded once, in their parent.
LOAD_ALL = """
import os, sys
from pathlib import Path
from labeling.engine.machine.trial import main
from labeling.engine.vocabulary import load_library
load_library()
for path in sys.argv[1:]:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            os._exit(main(Path(path)))
        except BaseException:
            os._exit(9)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def file_of(path, sha256="a" * 64):
    return ModelFile(name=path.stem, path=path, sha256=sha256)


@pytest.fixture
def runs(monkeypatch, cache):
    """What trials were run, and the exit code that they all end with."""

    class Runs(list):
        code = 0

        def __call__(self, path):
            self.append(path)
            if isinstance(self.code, Exception):
                raise self.code
            return self.code

    runs = Runs()
    monkeypatch.setattr(trial, "_run", runs)
    return runs


def test_a_sound_file_is_tried_once(runs, tmp_path):
    for _ in range(2):
        trial.prove_loadable(file_of(tmp_path / "m.gguf"))
    assert len(runs) == 1
    trial.prove_loadable(file_of(tmp_path / "m.gguf", sha256="b" * 64))
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-6, "ends llama.cpp with signal 6"),
        (-9, "was killed, as happens where memory runs out: expected enough free memory"),
        (1, "ends llama.cpp with exit code 1"),
        (subprocess.TimeoutExpired("x", 600), "does not finish loading within 600 seconds"),
    ],
    ids=["aborted", "killed", "a traceback", "a hang"],
)
def test_a_file_that_ends_its_trial_is_refused_every_time(runs, tmp_path, code, said):
    runs.code = code
    for _ in range(2):
        with pytest.raises(InputError, match=said) as refused:
            trial.prove_loadable(file_of(tmp_path / "m.gguf"))
        assert "\n" not in str(refused.value)
    assert len(runs) == 2


def test_an_error_that_llama_cpp_survives_is_reported_where_the_file_is_opened(runs, tmp_path):
    runs.code = trial.REFUSED
    trial.prove_loadable(file_of(tmp_path / "m.gguf"))
    trial.prove_loadable(file_of(tmp_path / "m.gguf"))
    assert len(runs) == 2  # and it is not remembered as sound


def test_a_file_that_is_no_gguf_passes_through_a_real_trial(cache, tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="starts with b'<htm'"):
        LocalReaders().open(LabelerConfig(model=str(path)), LabelSet())


@pytest.fixture(scope="module")
def damaged(smollm2_path, tmp_path_factory):
    """Copies of a model's header with seeded damage, the weights behind it all zero and not on the disk."""
    folder = tmp_path_factory.mktemp("damaged")
    size, n_header = smollm2_path.stat().st_size, 2_200_000
    with smollm2_path.open("rb") as file:
        header = file.read(n_header)
    paths = []
    for seed in range(N_DAMAGES):
        chance = random.Random(seed)
        content, kind = bytearray(header), seed % 4
        if kind == 0:  # the counts and the first settings
            at = chance.randrange(4, 2000)
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 1:  # a number of 8 bytes, such as a length or a count
            at = chance.randrange(4, 4000)
            content[at : at + 8] = chance.choice([0, 1, 2**31, 2**62, 2**64 - 1]).to_bytes(8, "little")
        elif kind == 2:  # the vocabulary and the table of tensors
            for _ in range(40):
                content[chance.randrange(n_header)] = chance.randrange(256)
        else:
            del content[chance.randrange(24, n_header) :]
        path = folder / f"damaged-{seed:02d}.gguf"
        path.write_bytes(content)
        if kind != 3:
            os.truncate(path, size)
        paths.append(path)
    return paths


@pytest.mark.slow
@pytest.mark.model
def test_no_damaged_file_ends_the_process(damaged, cache):
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, *map(str, damaged)],
        capture_output=True, text=True, check=True, env={**os.environ, "GGML_NO_BACKTRACE": "1"},
    )  # fmt: skip
    codes = [int(line) for line in done.stdout.split()]
    assert len(codes) == N_DAMAGES
    fatal = [path for path, code in zip(damaged, codes, strict=True) if code not in (0, trial.REFUSED)]
    refused = [path for path, code in zip(damaged, codes, strict=True) if code == trial.REFUSED]
    assert fatal, "no damage that llama.cpp does not survive: this test shows nothing"
    for path in (*fatal[:6], *refused[:3]):
        with pytest.raises(InputError) as error:
            LocalReaders().open(LabelerConfig(model=str(path), num_ctx=256), LabelSet())
        assert "\n" not in str(error.value)
