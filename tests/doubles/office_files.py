"""Tiny files as office programs write them: a PDF and a Word document of given words."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from html import escape

_NAMES = "http://schemas.openxmlformats.org"
_STYLES = (
    f'<w:styles xmlns:w="{_NAMES}/wordprocessingml/2006/main">'
    + "".join(
        f'<w:style w:type="paragraph" w:styleId="S{name}"><w:name w:val="{name}"/></w:style>'
        for name in ("heading 1", "heading 2", "Title")
    )
    + "</w:styles>"
)


def pdf(*pages: str, is_encrypted: bool = False) -> bytes:
    """A PDF with a line of text for each line of a page, in Latin letters; an empty page has no text.

    An encrypted one asks for a password that nobody knows.
    """
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for page in pages:
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in page.split("\n") if line)
        stream = f"BT /F1 12 Tf 72 720 Td {lines}ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        kids.append(f"{len(objects) + 1} 0 R")
        resources = "<< /Font << /F1 3 0 R >> >>"
        box = "/MediaBox [0 0 612 792]"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} /Resources {resources} /Contents {len(objects)} 0 R >>")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    content, places = "%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{one}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    lock = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{'01' * 32}> /U <{'02' * 32}> /P -4 >> /ID [<03> <03>]"
    content += (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {lock * is_encrypted} >>\n"
    )
    return (content + f"startxref\n{content.index('xref')}\n%%EOF\n").encode("latin-1")


def docx(paragraphs: Sequence[tuple[str, str]], **more: bytes) -> bytes:
    """A Word document.

    Args:
        paragraphs: the name of a style, or an empty text, and the words.
        more: other files in the archive; a dot in a name is written as `_`.
    """
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="S{style}"/></w:pPr><w:r><w:t>{escape(words)}</w:t></w:r></w:p>'
        for style, words in paragraphs
    )
    kind = "officeDocument/2006/relationships"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_NAMES}/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{_NAMES}/package/2006/relationships"><Relationship Id="r1" '
        f'Type="{_NAMES}/{kind}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{_NAMES}/package/2006/relationships"><Relationship '
        f'Id="r1" Type="{_NAMES}/{kind}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": _STYLES,
        "word/document.xml": f'<w:document xmlns:w="{_NAMES}/wordprocessingml/2006/main"><w:body>{body}</w:body>'
        "</w:document>",
    }
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
        for name, extra in more.items():
            archive.writestr(name.replace("_", "."), extra)
    return file.getvalue()
