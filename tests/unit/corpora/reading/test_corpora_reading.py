"""Files as their formats are defined: every key and column once, byte order marks read, one line for the rest."""

import codecs
import errno
import os
import sys

import polars as pl
import pytest

from corpora.errors import InputError, one_line, shown
from corpora.reading.parquet import read_parquet_rows
from corpora.reading.strict_csv import read_csv
from corpora.reading.strict_json import parse_json, read_json, read_json_lines
from corpora.reading.strict_toml import read_toml
from corpora.reading.text import Twins, encoding_of, read_exactly, read_lines, read_text

MARKED = ["utf-8-sig", "utf-16", "utf-32"]


@pytest.fixture
def write(tmp_path):
    def write(content, name="file"):
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def refusal(call, *args, **options):
    with pytest.raises(InputError) as error:
        list(call(*args, **options))
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


# Text


@pytest.mark.parametrize("encoding", [*MARKED, "utf-8"])
def test_text_is_read_by_its_mark_and_as_it_is(write, encoding):
    text = "a\r\nb\rc\nd\N{LINE SEPARATOR}é\ufeff\n"
    file = write(text.encode(encoding))
    assert read_text(file) == text
    assert "".join(read_lines(file)) == text
    assert list(read_lines(file, newline="\n")) == ["a\r\n", "b\rc\n", "d\N{LINE SEPARATOR}é\ufeff\n"]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE])
def test_every_mark_names_its_encoding(write, mark):
    width = len(mark) * 8
    assert encoding_of(write(mark + "ab".encode(f"utf-{width}-{'le' if mark[0] == 0xFF else 'be'}"))) == f"utf-{width}"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wide_text_without_a_mark_is_named(write, encoding):
    assert "begins with NUL bytes, like UTF-16 without a byte order mark" in refusal(
        read_text, write("abc".encode(encoding))
    )


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("read", [read_text, read_lines])
def test_a_byte_that_is_no_text_is_named_with_its_line(write, read, mark):
    said = refusal(read, write(mark + b"one\ntwo\ncaf\xe9 au lait\n"))
    assert "file, line 3 is not UTF-8 (byte 0xe9, invalid continuation byte)" in said


def test_a_text_whose_offsets_count_keeps_its_mark(write):
    assert read_exactly(write("\ufeffabc\r\n")) == "\ufeffabc\r\n"
    assert "line 2 is not UTF-8" in refusal(read_exactly, write(b"a\n\xff"))


# JSON


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', '[{"b":{"a":1,"c":2,"a":3}}]', '{"x":[{"a":"","a":null}]}'])
def test_a_key_that_is_given_twice_is_refused_at_any_depth(text):
    assert refusal(parse_json, text, "here") == (
        "here has the key 'a' twice in one object: expected each key once; remove or rename one of the two."
    )


def test_equal_keys_of_different_objects_are_read():
    assert parse_json('{"a":{"a":[{"a":1},{"a":2}]}}', "here") == {"a": {"a": [{"a": 1}, {"a": 2}]}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "here is nested too deeply: expected fewer than"),
        ('{"a":' * 100_000, "here is nested too deeply"),
        ('{"a":' + "9" * 5000 + "}", f"here holds a whole number of more than {sys.get_int_max_str_digits()} digits"),
        ("[NaN]", "here holds NaN, which is not JSON"),
        ("[-Infinity]", "here holds -Infinity, which is not JSON"),
        ("", "here does not parse (there is nothing in it)"),
        ("{'a': 1}", "here does not parse (Expecting property name enclosed in double quotes at column 2)"),
        ('{"a": 1,\n "b": }', "here does not parse (Expecting value at line 2, column 7)"),
        ('{"a": 1} {"a": 2}', "here does not parse (Extra data at column 10)"),
        ('"a\tb"', "here does not parse (Invalid control character"),
    ],
)
def test_what_is_not_json_is_refused_in_one_line(text, said):
    assert refusal(parse_json, text, "here").startswith(said)


def test_nan_may_be_read_as_null():
    assert parse_json('{"a": NaN, "b": [Infinity]}', "here", nan_is_null=True) == {"a": None, "b": [None]}


@pytest.mark.parametrize("encoding", [*MARKED, "utf-8"])
def test_json_is_read_in_every_marked_encoding(write, encoding):
    assert read_json(write('{"a": "é"}'.encode(encoding))) == {"a": "é"}
    assert list(read_json_lines(write('\n{"a": "é"}\r\n \n{"a": 2}'.encode(encoding)))) == [
        (2, {"a": "é"}),
        (4, {"a": 2}),
    ]


@pytest.mark.parametrize("text", ['[{"a": 1}]', '\n[\n  {"a": 1}\n]\n'])
def test_a_json_array_in_place_of_json_lines_is_named(write, text):
    assert "begins a JSON array: expected JSON Lines, with one object on each line" in refusal(
        read_json_lines, write(text)
    )


def test_a_line_that_is_no_object_is_named(write):
    assert "line 2 holds a list: expected a JSON object" in refusal(read_json_lines, write('{"a": 1}\n["b"]\n'))
    assert "line 1 holds null" in refusal(read_json_lines, write("null"))


# CSV


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ('a,b\r\n1,"x, ""y""\r\nz"\r\n', [{"a": "1", "b": 'x, "y"\r\nz'}]),
        ("a,b\r1,2\r3,", [{"a": "1", "b": "2"}, {"a": "3", "b": ""}]),
        ("\n\na,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
        ("a,b,,\n1,2,,\n", [{"a": "1", "b": "2"}]),  # the empty columns that spreadsheets append
        ("a,b\n1, \n", [{"a": "1", "b": " "}]),
        ("a\n\N{NO-BREAK SPACE}\n", [{"a": "\N{NO-BREAK SPACE}"}]),
    ],
)
def test_csv_is_read_as_it_is_defined(write, content, rows):
    assert [row for _, row in read_csv(write(content))] == rows


@pytest.mark.parametrize("encoding", [*MARKED, "utf-8"])
def test_csv_is_read_in_every_marked_encoding_with_its_separator(write, encoding):
    assert list(read_csv(write("a;b\nx,y;é\n".encode(encoding)), separator=";")) == [(1, {"a": "x,y", "b": "é"})]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,text,text\n1,a,b\n", "has 2 columns named 'text': expected a different name for each column"),
        ("note,id,note,note\n", "has 3 columns named 'note'"),
        ("id;text\n1;a\n", "has the single column 'id;text' (is the separator ';'?)"),
        ("id\ttext\n1\ta\n", "(is the separator '\\t'?): expected columns separated by ','; set `separator = \"\\t\"`"),
        ("a,b\n1,2\n1,2,3\n", "row 2 has 3 fields, and the header has 2 fields"),
        ("a,b\n1\n", "row 1 has 1 field, and the header has 2 fields"),
        ('a,b\n1,"open\n', "line 2 does not parse (unexpected end of data)"),
        ('a,b\n1,"x"y\n', "line 2 does not parse"),
        ("", "is empty: expected a header and rows"),
    ],
)
def test_what_is_not_csv_is_refused_in_one_line(write, content, said):
    assert said in refusal(read_csv, write(content), separator=",")


def test_the_separator_of_a_published_format_cannot_be_set(write):
    assert refusal(read_csv, write("id;text\n")).endswith("expected columns separated by ','; write the file with ','.")


def test_a_cut_text_in_csv_names_its_line(write):
    assert "line 3 is not UTF-8" in refusal(read_csv, write(b"a,b\n1,2\n1,caf\xe9\n"))


# TOML


@pytest.mark.parametrize("encoding", [*MARKED, "utf-8"])
def test_toml_is_read_in_every_marked_encoding(write, encoding):
    assert read_toml(write('a = "é"\r\nb = [1, 2.5]\r\n'.encode(encoding))) == {"a": "é", "b": [1, 2.5]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a = 1\na = 2\n", "is not valid TOML (Cannot overwrite a value"),
        ("a = " + "[" * 5000, "is nested too deeply"),
        ("a = " + "9" * 5000, "holds a whole number of more than"),
        ("a = [0, nan]", "a.1 = nan: expected a finite number of 64 bits"),
        ("[b]\na = -inf", "b.a = -inf: expected a finite number"),
        (f"a = {2**63}", "a = 9223372036854775808: expected a finite number of 64 bits"),
    ],
)
def test_what_is_not_toml_is_refused_in_one_line(write, content, said):
    assert said in refusal(read_toml, write(content))


# Parquet


def test_parquet_is_read_by_its_name_and_not_as_a_pattern(tmp_path):
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "docs[1].parquet")
    pl.DataFrame({"a": [7]}).write_parquet(tmp_path / "docs1.parquet")
    assert list(read_parquet_rows(tmp_path / "docs[1].parquet")) == [(1, {"a": 1}), (2, {"a": 2})]


@pytest.mark.parametrize("content", [b"", b"id,text\n1,a\n", b"PAR1" * 10, b"PAR1" + b"\xff" * 60 + b"PAR1"])
def test_what_is_not_parquet_is_refused_in_one_line(write, content):
    assert "cannot be read as Parquet" in refusal(read_parquet_rows, write(content))


def test_a_panic_of_polars_is_one_line_and_nothing_else(tmp_path, capfd):
    file = tmp_path / "damaged.parquet"
    pl.DataFrame({"id": ["d1", "d2"], "text": ["one", "two"]}).write_parquet(file, compression="uncompressed")
    content = file.read_bytes()
    kinds = set()
    for at in range(len(content)):  # until a byte makes Polars panic
        file.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            list(read_parquet_rows(file))
        except InputError as error:
            kinds.add(str(error).split("(")[1].split(":")[0])
        if "PanicException" in kinds:
            break
    assert "PanicException" in kinds
    assert capfd.readouterr().err == ""


def test_what_others_say_meanwhile_is_said_after(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(pl, "read_parquet", lambda *_, **__: os.write(2, b"a line") and pl.DataFrame({"a": [1]}))
    assert list(read_parquet_rows(tmp_path / "any.parquet")) == [(1, {"a": 1})]
    assert capfd.readouterr().err == "a line"


# The boundary


class PanicException(BaseException):
    """As a library in Rust raises it: no `Exception`."""


class Termination(BaseException):
    """As Prefect raises it to end a run."""


@pytest.mark.parametrize("error", [PanicException("index\nout of bounds"), OverflowError("too large")])
def test_whatever_a_parser_raises_becomes_one_line(error):
    def parse():
        with one_line("the file cannot be read", "a file"):
            raise error

    said = refusal(parse)
    assert said.startswith(f"the file cannot be read ({type(error).__name__}")


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory")])
def test_memory_that_runs_out_is_not_taken_for_a_fault_of_the_file(error):
    def parse():
        with one_line("the file cannot be read", "a file", "fetch it again"):
            raise error

    said = refusal(parse)
    assert said.startswith("the file cannot be read, because memory ran out")
    assert ": expected enough free memory; " in said
    assert "fetch" not in said


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(2), Termination(), PermissionError(13, "denied")])
def test_an_interruption_and_the_operating_system_are_not_the_files_fault(error):
    with pytest.raises(type(error)), one_line("the file cannot be read", "a file"):
        raise error


def test_an_error_that_says_what_is_wrong_passes():
    with pytest.raises(ZeroDivisionError), one_line("the file cannot be read", "a file", passing=ZeroDivisionError):
        raise ZeroDivisionError


def test_an_error_without_a_remedy_has_two_parts():
    assert str(InputError("the file is odd", "a file")) == "the file is odd: expected a file."


def test_values_are_shown_in_the_words_of_json():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    values = [None, True, False, 1.5, "a\u202eb\x1b", ["x"], deep, 10**5000]
    assert [shown(value) for value in values] == [
        "null",
        "the truth value true",
        "the truth value false",
        "1.5",
        r"'a\u202eb\x1b'",
        "['x']",
        "a value that is too large to show",
        "a value that is too large to show",
    ]
    assert len(shown("x" * 1000)) == 60


def test_names_that_look_the_same_are_found():
    twins = Twins(["d1", "re\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER A WITH GRAVE}"])
    assert twins.of("r\N{LATIN SMALL LETTER E WITH ACUTE}") == "re\N{COMBINING ACUTE ACCENT}"
    assert twins.of("a\N{COMBINING GRAVE ACCENT}") == "\N{LATIN SMALL LETTER A WITH GRAVE}"
    assert [twins.of(name) for name in ("d1", "d2", "a")] == [None, None, None]
