"""What the store keeps of converted files: each is converted once, and a change is said."""

import pytest

from corpora.errors import InputError
from corpora.schema import Section
from corpora.sources.folder.conversions import Conversions, damaged_conversions
from corpora.sources.folder.converted import Converted
from corpora.sources.folder.converters import CONVERTERS, Converter


@pytest.fixture
def converter(monkeypatch):
    """Makes `.pdf` be read by a converter that counts; the text says which version it is."""
    calls = []

    def install(revision, text=None):
        def read(content):
            calls.append(revision)
            made = text if text is not None else f"{content.decode()} by {revision}"
            return Converted(made, (Section("page 1", 0, 3),), n_pages=2, n_blank_pages=1)

        monkeypatch.setitem(CONVERTERS, ".pdf", Converter(read, ("pypdfium2",), revision))
        return calls

    return install


def files(folder):
    return sorted(one.name for one in folder.iterdir())


def test_a_file_is_converted_once(converter, tmp_path):
    calls = converter(1)
    first = Conversions(tmp_path / "converted").convert(".pdf", b"One")
    again = Conversions(tmp_path / "converted")
    assert again.convert(".pdf", b"One") == first == Converted("One by 1", (Section("page 1", 0, 3),), "", 1, 2)
    assert again.convert(".pdf", b"Two").text == "Two by 1"
    assert again.notes() == []
    assert calls == [1, 1]
    assert len(files(tmp_path / "converted")) == 2


def test_another_version_converts_anew_and_says_so_as_long_as_it_is_used(converter, tmp_path):
    converter(1)
    Conversions(tmp_path).convert(".pdf", b"One")
    calls = converter(2)
    for _ in range(2):
        conversions = Conversions(tmp_path)
        assert conversions.convert(".pdf", b"One").text == "One by 2"
        (note,) = conversions.notes()
        assert note.startswith("the text of 1 file is not the one of before: converted with pypdfium2 ")
        assert note.index("tercet 2") < note.index("tercet 1")
    converter(1)
    back = Conversions(tmp_path)
    assert (back.convert(".pdf", b"One").text, back.notes(), calls) == ("One by 1", [], [1, 2])


def test_another_version_with_the_same_text_needs_no_word(converter, tmp_path):
    for revision in (1, 2):
        converter(revision, "One")
        conversions = Conversions(tmp_path)
        conversions.convert(".pdf", b"One")
    assert conversions.notes() == []


def test_a_damaged_copy_is_noticed_and_made_again(converter, tmp_path, caplog):
    calls = converter(1)
    Conversions(tmp_path).convert(".pdf", b"One")
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace(b"One by", b"Onf by"))
    (damage,) = damaged_conversions(tmp_path)
    assert (damage.path, damage.effect) == (file, "its file is converted again")
    assert Conversions(tmp_path).convert(".pdf", b"One").text == "One by 1"
    assert "was damaged: its file is converted again" in caplog.text
    assert calls == [1, 1]
    assert list(damaged_conversions(tmp_path)) == []


def test_without_a_store_a_file_is_converted_once_and_nothing_is_written(converter, tmp_path):
    calls = converter(1)
    for conversions in (Conversions(), Conversions(tmp_path, writes=False)):
        assert [conversions.convert(".pdf", b"One").text for _ in range(2)] == ["One by 1"] * 2
    assert calls == [1, 1]
    assert files(tmp_path) == []


def test_what_cannot_be_read_is_not_kept(converter, tmp_path):
    converter(1, " ")
    with pytest.raises(InputError, match="has no text on its 2 pages"):
        Conversions(tmp_path).convert(".pdf", b"One")
    assert files(tmp_path) == []


def test_a_store_that_cannot_be_written_to_is_no_fault_of_the_file(converter, tmp_path):
    converter(1)
    (tmp_path / "converted").write_text("a file")
    with pytest.raises(InputError, match="cannot write what was converted"):
        Conversions(tmp_path / "converted").convert(".pdf", b"One")
