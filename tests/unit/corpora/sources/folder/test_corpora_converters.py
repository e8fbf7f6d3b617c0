"""Files to texts: what each format becomes, that sections are where they say, and what cannot be read."""

import re
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpora.errors import InputError
from corpora.sources.folder import word
from corpora.sources.folder.conversions import Conversions
from corpora.sources.folder.converters import CONVERTERS, require_converters
from corpora.sources.folder.pdf import _clean
from tests.doubles.office_files import docx, pdf

PAGE = """<!DOCTYPE html><html><head><title>Not shown</title><style>p {}</style></head><body>
<h1>Boats<a class="headerlink" href="#boats">¶</a></h1><p>One <b>red</b> <a href="http://x.org/y_z">boat_name</a>.</p>
<script>alert("no")</script><!-- no -->
<p><img src="data:image/png;base64,AAAA" alt="A boat"></p><noscript>Words.</noscript>
<h2>Oars &amp; sails</h2><ul><li>two</li></ul><table><tr><th>a</th></tr><tr><td>1</td></tr></table>
<pre>x = 1
# no heading</pre><h1></h1></body></html>"""
SHOWN = """# Boats

One **red** boat_name.

A boat

Words.

## Oars & sails

- two

| a |
| --- |
| 1 |

```
x = 1
# no heading
```"""


def convert(ending, content):
    return Conversions().convert(ending, content)


def parts(converted):
    return [(one.name, converted.text[one.start : one.end].strip()) for one in converted.sections]


def test_a_page_is_the_words_that_it_shows():
    made = convert(".html", PAGE.encode())
    assert made.text == SHOWN
    assert parts(made) == [("Boats", SHOWN), ("Oars & sails", SHOWN[SHOWN.index("##") :])]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("<p>café", "utf-8"),
        ('<meta charset="iso-8859-1"><p>café', "cp1252"),
        ('<meta http-equiv="content-type" content="text/html; charset=windows-1251"><p>кафе', "cp1251"),
        ('<meta charset="shift_jis"><p>石鹸', "shift_jis"),
        ("<p>café", "utf-16"),
    ],
)
def test_a_page_is_read_in_its_encoding(content, encoding):
    made = convert(".htm", content.encode(encoding))
    assert (made.text, made.encoding) == (content.partition("<p>")[2], encoding)


def test_a_pdf_has_its_pages():
    made = convert(".pdf", pdf("One\ntwo", "", "Three"))
    assert made.text == "One\ntwo\n\nThree"
    assert parts(made) == [("page 1", "One\ntwo"), ("page 3", "Three")]
    assert (made.n_blank_pages, made.n_pages) == (1, 3)


def test_words_that_are_hyphenated_at_the_end_of_a_line_are_put_together():
    assert _clean(" com\x02pile 10\x0212 Mc\x02Adam a\x02\x03\r\nb\r\x0c") == "compile 10-12 Mc-Adam a\ufffd\ufffd\nb"


def test_a_word_document_has_its_headings():
    made = convert(".docx", docx([("Title", "Boats"), ("heading 1", "Oars"), ("", "Two & <three>.")]))
    assert made.text == "# Boats\n\n# Oars\n\nTwo & <three>."
    assert parts(made) == [("Boats", "# Boats"), ("Oars", "# Oars\n\nTwo & <three>.")]


BAD = [
    (".pdf", b"", "is damaged"),
    (".pdf", pdf("One")[:200], "is damaged"),
    (".pdf", pdf("", ""), "has no text on its 2 pages, as after scanning: .* ocrmypdf"),
    (".docx", b"no", "is damaged"),
    (".docx", docx([("", "One")])[:-30], "is damaged"),
    (".docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is encrypted, or from Word before 2007"),
    (".docx", docx([("", "")]), "has no text"),
    (".html", b"<p>caf\xe9", "is not UTF-8 in line 1"),
    (".html", b'<meta charset="utf-8"><p>caf\xe9</p>', "declares utf-8 and holds byte 0xe9"),
    (".html", b'<meta charset="klingon"><p>a', "'klingon', which is not known"),
    (".html", b"<script>one</script>", "has no text"),
    (".html", b"<div>" * 1200 + b"a", "cannot be read as HTML"),
]


@pytest.mark.parametrize(("ending", "content", "message"), BAD)
def test_what_cannot_be_read_is_refused_with_its_reason(ending, content, message):
    with pytest.raises(InputError, match=message):
        convert(ending, content)


def test_an_encrypted_pdf_is_called_so():
    with pytest.raises(InputError, match="is encrypted: expected a PDF without a password"):
        convert(".pdf", pdf("One", is_encrypted=True))


def test_a_word_document_that_unpacks_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(word, "MOST_UNPACKED", 10_000)
    bomb = docx([("", "One")], bomb_xml=bytes(100_000))
    assert len(bomb) < 5_000
    with pytest.raises(InputError, match=r"unpacks to 10\d,\d+ bytes of XML"):
        convert(".docx", bomb)


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(CONVERTERS, ".pdf", CONVERTERS[".pdf"]._replace(packages=("no-such-package",)))
    with pytest.raises(
        InputError, match=r"has \.pdf files, and no-such-package is not .*`pip install 'tercet\[folder\]'`"
    ):
        require_converters({".pdf", ".txt"})
    require_converters({".txt", ".html"})


signs = "ab é中|&.\n\t\xa0\u2028"
heading = st.tuples(st.sampled_from(["h1", "h2", "h3"]), st.text(st.sampled_from(signs), max_size=9))
other = st.tuples(st.sampled_from(["p", "li", "pre", "td", "b"]), st.text(st.sampled_from(signs + "#"), max_size=9))


@settings(max_examples=40)
@given(st.lists(heading | other, max_size=8))
def test_sections_of_a_page_are_its_headings_where_they_are(elements):
    page = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements) + "<p>end</p>"
    made = convert(".html", page.encode())
    named = [" ".join(text.split()) for name, text in elements if name.startswith("h")]
    assert [" ".join(one.name.split()) for one in made.sections] == [one for one in named if one]
    for one in made.sections:
        assert 0 <= one.start < one.end <= len(made.text)
        assert one.start == 0 or made.text[one.start - 1] == "\n"
        assert " ".join(re.sub("^#+ ", "", made.text[one.start : one.end]).split()).startswith(one.name)


@settings(max_examples=20)
@given(st.lists(st.text(st.sampled_from("ab .-"), max_size=9), max_size=4))
def test_pages_of_a_pdf_are_where_they_say(pages):
    made = convert(".pdf", pdf("end", *pages))
    assert [one.name for one in made.sections] == [
        f"page {number}" for number, page in enumerate(["end", *pages], 1) if page.strip()
    ]
    for one in made.sections:
        text = ["end", *pages][int(one.name[5:]) - 1]
        assert made.text[one.start : one.end].split() == text.split()
    assert sum(one.end - one.start for one in made.sections) + 2 * (len(made.sections) - 1) == len(made.text)
