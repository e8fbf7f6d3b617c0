import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from results.report.visible import visible, visible_frame


def test_what_cannot_be_seen_is_spelt_out():
    assert visible("a\x00b\x1bc\x7f") == "a␀b␛c␡"
    assert visible("\u202eevil\u202c \u2066x\u2069 \x85") == "⟨U+202E⟩evil⟨U+202C⟩ ⟨U+2066⟩x⟨U+2069⟩ ⟨U+0085⟩"
    assert visible("\ufffe\ud800\U0010ffff") == "⟨U+FFFE⟩⟨U+D800⟩⟨U+10FFFF⟩"


def test_other_text_stays_as_it_is():
    for text in ("plain", "two\nlines\tand\r\n", "مرحبا שלום 日本 é 😀", "<b>&\"'", ""):
        assert visible(text) == text


@given(st.text(st.characters(codec=None)))
def test_the_result_can_be_written_and_is_stable(text):
    shown = visible(text)
    shown.encode()
    assert visible(shown) == shown


def test_a_frame_keeps_its_other_columns():
    frame = pl.DataFrame({"a": ["x\x00", None], "n": [1, 2], "l": [["\x00"], []]})
    assert visible_frame(frame).rows() == [("x␀", 1, ["\x00"]), (None, 2, [])]
