"""Word documents (.docx): their text as Markdown, with the headings of their styles."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import mammoth

from corpora.errors import InputError, one_line
from corpora.sources.folder.converted import Converted
from corpora.sources.folder.page import read_markup

MOST_UNPACKED = 200_000_000  # bytes of XML
_OLD = b"\xd0\xcf\x11\xe0"  # of Word before 2007, and of what is encrypted
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => h2:fresh"


def read_docx(content: bytes) -> Converted:
    """The text of a Word document, as Markdown with its headings; of images, what describes them.

    Raises:
        InputError: it is encrypted, damaged or another kind of file, or its text is enormous once unpacked.
    """
    _check_archive(content)
    with one_line("cannot be read as .docx", "a Word document that is whole", "save it anew"):
        made = mammoth.convert_to_html(
            io.BytesIO(content), style_map=_STYLES, convert_image=mammoth.images.img_element(_no_content)
        )
    return read_markup(made.value)


def _check_archive(content: bytes) -> None:
    if content.startswith(_OLD):
        found, remedy = "is encrypted, or from Word before 2007", "save it as .docx without a password"
        raise InputError(found, "a Word document (.docx)", remedy)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # What is longer than it says is cut and its checksum is wrong, so no part grows beyond this.
            n_bytes = sum(one.file_size for one in archive.infolist() if one.filename.endswith((".xml", ".rels")))
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise InputError(f"is damaged ({error})", "a Word document (.docx)", "save it anew") from error
    if n_bytes > MOST_UNPACKED:
        found = f"unpacks to {n_bytes:,} bytes of XML"
        raise InputError(found, f"at most {MOST_UNPACKED:,}", "split the document")


def _no_content(_: Any) -> dict[str, str]:
    return {}
