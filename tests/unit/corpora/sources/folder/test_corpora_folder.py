"""A folder of documents: what becomes a document, what is left out, and what is said of the rest."""

import json

import pytest

from corpora.errors import FileError, InputError
from corpora.loading.config import CorpusConfig
from corpora.loading.load import documents_of, list_problems, load_corpus
from corpora.schema import iter_documents
from corpora.sources.folder.conversions import Conversions

MARKDOWN = "# Boats\nOne.\n## Oars\r\nTwo.\n"


def write(folder, **files):
    for name, content in files.items():
        file = folder / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def ask(folder, *document_ids):
    rows = [{"id": f"q{n}", "text": "Is it?", "document_ids": one} for n, one in enumerate(document_ids)]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def config(folder, **keys):
    return CorpusConfig(source="folder", path=folder, split="all", **keys)


def loaded(folder, **keys):
    return load_corpus(config(folder, **keys))


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "boats", b_txt="Bee.\r\n", a_md=MARKDOWN, deep__er__c_TXT="Sea.")


def test_ids_are_paths_in_a_stable_order(folder):
    ask(folder, "a.md", "deep/er/c.TXT")
    corpus = loaded(folder)
    assert corpus.name == "boats"
    assert corpus.texts == {"a.md": MARKDOWN, "b.txt": "Bee.\r\n", "deep/er/c.TXT": "Sea."}
    assert list(corpus.inputs) == ["a.md", "b.txt", "deep/er/c.TXT", "questions.jsonl"]
    assert not corpus.notes
    assert not corpus.left_out.defects


def test_headings_are_sections(folder):
    first, second, _ = iter_documents(documents_of(config(folder)))
    assert [(one.name, first.text[one.start : one.end]) for one in first.sections] == [
        ("Boats", MARKDOWN), ("Oars", "## Oars\r\nTwo.\n")
    ]  # fmt: skip
    assert second.sections == ()


def test_without_questions_the_next_command_is_told_and_documents_are_read_all_the_same(folder):
    with pytest.raises(InputError, match=r"tercet questions draft \S+/boats --reader NAME --n 200 --out \S+jsonl`"):
        loaded(folder)
    corpus, problems = list_problems(config(folder, questions=folder / "drafts.csv"))
    assert [str(one).split(",")[0] for one in problems] == [f"{folder / 'drafts.csv'} is not there"]
    assert len(corpus.documents) == 3


BAD = {
    "latin_txt": ("caf\xe9".encode("latin-1"), r"is not UTF-8 in line 1 \(byte 0xe9"),
    "wide_txt": ("café".encode("utf-16-le"), "NUL bytes, like UTF-16"),
    "image_md": (b"\x89PNG\r\n\x1a\n\x00\x00", "is not UTF-8"),
    "zero_txt": (b"", "has no text"),
    "blank_md": (" \r\n\u2003".encode(), "has no text"),
    "nul_txt": (b"one\ntw\x00o", "holds a NUL character in line 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_left_out_and_named_or_refused(folder, name):
    content, reason = BAD[name]
    write(folder, **{name: content})
    identifier = name.replace("_", ".")
    ask(folder, "a.md", identifier, ["b.txt", identifier])
    corpus = loaded(folder, question_columns={})
    assert identifier not in corpus.texts
    assert [(one.kind, one.id) for one in corpus.left_out.defects] == [
        ("document", identifier), ("gold document", f"q1 {identifier}"), ("question", "q1"),
        ("gold document", f"q2 {identifier}"),
    ]  # fmt: skip
    assert corpus.left_out_line.startswith("boats: 1 of 4 documents, 2 of 4 gold documents and 1 of 3 questions")
    assert identifier in corpus.left_out.defects[0].line
    with pytest.raises(FileError, match=reason):
        loaded(folder, on_defect="refuse")
    _, problems = list_problems(config(folder, on_defect="refuse"))
    assert any(identifier in str(one) for one in problems)


def test_a_folder_that_is_mostly_unreadable_is_refused(folder):
    write(folder, x_txt=b"", y_txt=b"", z_txt=b"", w_txt=b"")
    ask(folder, "a.md")
    with pytest.raises(InputError, match=r"4 of 7 documents cannot be used \(the first: w.txt has no text"):
        loaded(folder)
    with pytest.raises(InputError, match="4 of 7 documents"):
        documents_of(config(folder))


def test_a_wrong_row_of_questions_is_refused_by_its_row(folder):
    ask(folder, "a.md", "nowhere.md")
    with pytest.raises(InputError, match=r"questions.jsonl, row 2 \(id 'q1'\), field 'document_ids'.*nowhere.md"):
        loaded(folder)


def test_what_is_passed_over_is_counted_and_named(folder):
    write(folder, photo_PNG=b"", data_csv="a,b", map_png=b"", LICENSE=b"MIT", **{".git__config": b""})
    (folder / ".hidden.md").write_text("# no")
    (folder / "~$a.docx").write_text("lock")
    write(folder, runs__ledger__x=b"", runs__samples__y=b"", runs__report_md="# Of a run")
    (folder / "loop").symlink_to(folder)
    assert list_problems(config(folder))[0].notes == (
        "4 files of other kinds not read: 2 .png, 1 .csv, 1 without an ending",
        "3 hidden files or folders not read: .git, .hidden.md, ~$a.docx",
        "1 link to a folder not read: loop",
        "1 folder that Tercet wrote not read: runs",
    )


def test_links_to_files_are_read_and_links_to_nothing_are_left_out(folder):
    (folder / "d.md").symlink_to(folder / "a.md")
    (folder / "e.md").symlink_to(folder / "e.md")
    corpus, _ = list_problems(config(folder))
    assert corpus.texts["d.md"] == MARKDOWN
    assert [one.line.split(" (")[0] for one in corpus.left_out.defects] == [
        "e.md is not a file, or a link that leads nowhere"
    ]
    assert corpus.notes == ("2 documents with the same text as another: a.md = d.md",)


def test_another_encoding_than_utf_8_is_said(folder):
    write(folder, mark_txt="\ufeffÉ".encode(), wide_txt="中文".encode("utf-16"))
    corpus, _ = list_problems(config(folder))
    assert (corpus.texts["mark.txt"], corpus.texts["wide.txt"]) == ("É", "中文")
    assert corpus.notes == ("read as UTF-16: wide.txt", "read as UTF-8 with a byte order mark: mark.txt")
    assert {"mark.txt (text)", "wide.txt (text)"} < set(corpus.inputs)


def test_too_large_a_file_is_left_out(folder, monkeypatch):
    monkeypatch.setattr("corpora.sources.folder.documents.MOST_BYTES", 10)
    corpus, _ = list_problems(config(folder))
    assert [one.reason for one in corpus.left_out.defects] == ["has 27 bytes (expected at most 10)"]


def test_files_that_changed_since_the_store_read_them_are_named_once(folder, tmp_path, caplog):
    def read():
        caplog.clear()
        documents_of(config(folder), Conversions(tmp_path / "converted"))
        return [one.getMessage() for one in caplog.records]

    assert read() == read() == []
    write(folder, a_md="# Other", new_txt="New.")
    (folder / "b.txt").unlink()
    changed = "1 file changed (a.md), 1 file new (new.txt), 1 file gone (b.txt). This is another run."
    assert read() == [f"{folder} since this store last read it: {changed}"]
    assert read() == []


@pytest.mark.parametrize(
    ("path", "message"),
    [(None, "without `path`"), ("gone", "does not exist"), ("boats/b.txt", "is a file"), ("boats/none", "no document")],
)
def test_no_folder_of_documents_is_refused(folder, path, message):
    (folder / "none").mkdir()
    with pytest.raises(InputError, match=message):
        documents_of(CorpusConfig(source="folder", path=path and folder.parent / path))
