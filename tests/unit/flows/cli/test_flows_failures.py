"""Disks, paths and memory end a command in one line with its three parts; what is a bug is shown as one."""

import errno

import pytest

from corpora.errors import InputError
from flows.cli.shell.failures import LOOP, explain
from flows.planning.checking import input_check


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory ran out: expected enough free memory; end other programs or ask for less, "),
        (MemoryError("Unable to allocate 3 TiB"), "memory ran out (Unable to allocate 3 TiB): expected enough free"),
        (RuntimeError("[enforce] can't allocate memory: you tried to allocate 9 bytes"), "memory ran out ([enforce] "),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out ("),
        (RuntimeError(f"{LOOP}'/a/b'"), "the links in the path /a/b lead in a circle: expected a path that ends "),
        (OSError(errno.ELOOP, "Too many levels", "/a/b"), "the links in the path /a/b lead in a circle: expected "),
        (OSError(errno.ENOSPC, "No space left", "/a/b"), "cannot use /a/b (No space left): expected a path"),
    ],
)  # fmt: skip
def test_what_is_no_bug_has_three_parts(error, said):
    explained = explain(error)
    assert isinstance(explained, InputError)
    assert str(explained).startswith(said)


@pytest.mark.parametrize("error", [RuntimeError("llama_decode answered -3"), OSError(errno.EIO, "x"), OSError("x")])
def test_a_bug_is_not_explained(error):
    assert explain(error) is None


CIRCULAR = (
    "run loop.toml", "check loop.toml", "plan loop/loop.toml", "init loop", "corpora check loop", "demo --store loop",
    "runs list --store loop", "store check --store loop", "run demo --store loop/runs", "models import loop",
    "specialise loop",
)  # fmt: skip
# These look for what is there, and such links lead to nothing.
ABSENT = (
    "runs show loop", "report loop", "diff loop loop", "review loop", "export loop out --as csv",
    "init . --out loop.toml",
)  # fmt: skip


@pytest.mark.parametrize("command", [*CIRCULAR, *ABSENT])
def test_links_that_lead_to_themselves_are_told_in_one_line(tercet, tmp_path, command):
    for name in ("loop", "loop.toml"):
        (tmp_path / name).symlink_to(tmp_path / name)
    (tmp_path / "documents.csv").write_text("id,text\nd1,Some text.\nd2,Other text.\n", encoding="utf-8")
    (tmp_path / "questions.csv").write_text("id,text,document_ids\nq1,So?,d1\nq2,No?,d2\n", encoding="utf-8")
    result = tercet(*command.split())
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.output
    assert ("lead in a circle: expected" in result.stderr) == (command in CIRCULAR)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["documents.csv", "loop", "loop.toml", "questions.csv"]
    assert (tmp_path / "loop").is_symlink()


def test_a_command_that_runs_out_of_memory_says_so(tercet, monkeypatch):
    def full(*_):
        raise MemoryError("Unable to allocate 3 TiB")

    monkeypatch.setattr(input_check, "check_input", full)
    result = tercet("check", "demo")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("tercet: memory ran out (Unable to allocate 3 TiB): expected enough free memory; ")
    assert len(result.stderr.splitlines()) == 1
