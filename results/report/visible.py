"""Text from a corpus or a config, made safe to show: what cannot be seen, or acts on its surroundings, is spelt out.

HTML and SVG do not allow most control characters, a terminal obeys them, and an override of the writing direction would
reverse the text that follows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_KEPT = "\t\n\r"
_DIRECTION = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_NO_CHARACTERS = (*range(0xFDD0, 0xFDF0), *(plane << 16 | end for plane in range(17) for end in (0xFFFE, 0xFFFF)))
_SPELT = {
    code: f"⟨U+{code:04X}⟩" for code in (*range(0x80, 0xA0), *_DIRECTION, *_NO_CHARACTERS, *range(0xD800, 0xE000))
}
# Unicode has a picture of each of the oldest control characters: ␀ for NUL.
_SPELT |= {code: chr(0x2400 + code) for code in range(32) if chr(code) not in _KEPT} | {0x7F: "␡"}


def visible(text: str) -> str:
    """The text with control characters, direction overrides and non-characters spelt out, as in `⟨U+202E⟩`."""
    return text if text.isascii() and text.isprintable() else text.translate(_SPELT)


def for_terminal(text: str) -> str:
    """The text as a terminal may be given it: visible, and no carriage return lets one line overwrite another."""
    return visible(text).replace("\r\n", "\n").replace("\r", "␍")


def visible_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with every text column made visible; nested columns stay as they are."""
    # Imported here: a message of the command line needs no tables.
    import polars as pl

    columns = [name for name, kind in frame.schema.items() if kind == pl.String]
    return frame.with_columns(pl.col(columns).map_elements(visible, return_dtype=pl.String)) if columns else frame
