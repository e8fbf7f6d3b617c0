"""Ways in which a sound file goes wrong: what editors, exports, hands and disks do to it, drawn by seed."""

# ruff: noqa: E501  # tables of values, a line each kind

import codecs
import copy
import csv
import io
import json
from random import Random
from typing import Any, NamedTuple


class Raw(NamedTuple):
    """A JSON text that stands for itself, since no value of Python's makes it."""

    text: str


ODD_VALUES = [
    None, True, False, 0, 1, -1, 2**70, 17.0, 2019.0, 1.5, "", " ", "\n", "0", "true", "NaN", "null", "[1]", '["d1"]', "{3F25-04E0}",
    "[PMID:1023]", "1_0", "١٢", "d1", "d1 ", "D1", "é", "e\N{COMBINING ACUTE ACCENT}", "\ud800", "a\0b", "\ufeffd1", "\u2028", "=1+1", "a,b;c\td",
    'a "quoted" word', "a\r\nb\rc\nd", [], {}, [None], ["d1", "d1"], [[]], [1, "d2"], {"id": "d1"}, [{"start": 0, "end": 2}],
    Raw("NaN"), Raw("-Infinity"), Raw("1e400"), Raw("9" * 5000), Raw("[" * 3000 + "]" * 3000), Raw('{"a":' * 2000 + "1" + "}" * 2000),
    Raw('{"a":1,"a":2}'), Raw("01"), Raw("+1"), Raw(".5"), Raw("'x'"), Raw("\"\\x41\""), Raw('"\t"'), Raw('"\\ud83d\\ude00"'),
]  # fmt: skip
ENCODINGS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1", "cp1252", "utf-7"]
PIECES = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"{", b"}",
    b"[", b"]", b":", b"\\", b"\\u", b"\\ud800", b"#", b"=", b"===", b"-1", b"1_0", b"9" * 5000, b"[" * 2000, b"nan", b"true", b"\x1b[2J", b"\xe2\x80\xae",
]  # fmt: skip


def mutated_bytes(rng: Random, content: bytes) -> bytes:
    """A text or binary file with one to three faults."""
    for _ in range(rng.randint(1, 3)):
        content = _fault(rng, content)
    return content


def _fault(rng: Random, content: bytes) -> bytes:
    at, to = sorted(rng.randint(0, len(content)) for _ in range(2))
    match rng.randrange(9):
        case 0:
            return (
                content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
                if at < len(content)
                else content
            )
        case 1:
            return content[:at]
        case 2:
            return content[:at] + content[min(to, at + 20) :]
        case 3:
            return content[:at] + content[at:to] + content[at:]
        case 4 | 5:
            return content[:at] + rng.choice(PIECES) + content[at:]
        case 6:
            lines = content.split(b"\n")
            rng.shuffle(lines)
            return b"\n".join(lines)
        case 7:
            return recoded(rng, content)
        case _:
            old, new = rng.choice(
                [(b"\n", b"\r\n"), (b"\n", b"\r"), (b",", b";"), (b'"', b"'"), (b'"', b""), (b" ", b"\xc2\xa0")]
            )
            return content.replace(old, new)


def recoded(rng: Random, content: bytes) -> bytes:
    """The same text in another encoding, with or without its mark."""
    encoding = rng.choice(ENCODINGS)
    mark = rng.choice([b"", b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
    return mark + content.decode("utf-8", "replace").encode(encoding, "replace")


def mutated_value(rng: Random, value: Any) -> Any:
    """A JSON value with one to two places changed: another value, a key less, more, twice or renamed, a list's item."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 2)):
        value = _changed(rng, value, depth=0)
    return value


def _changed(rng: Random, value: Any, depth: int) -> Any:
    if isinstance(value, dict) and value and rng.random() < (0.95 if depth == 0 else 0.8):
        name = rng.choice(list(value))
        match rng.randrange(8):
            case 0:
                del value[name]
            case 1:
                value[rng.choice([f"{name} ", name.upper(), f"{name}s", "", "\ud800"])] = value.pop(name)
            case 2:
                value = Raw(_twice(rng, value, name))
            case _:
                value[name] = _changed(rng, value[name], depth + 1)
        return value
    if isinstance(value, list) and value and rng.random() < (0.95 if depth == 0 else 0.8):
        at = rng.randrange(len(value))
        match rng.randrange(6):
            case 0:
                del value[at]
            case 1:
                value.insert(at, copy.deepcopy(value[rng.randrange(len(value))]))
            case _:
                value[at] = _changed(rng, value[at], depth + 1)
        return value
    return copy.deepcopy(rng.choice(ODD_VALUES))


def _twice(rng: Random, value: dict[str, Any], name: str) -> str:
    """An object with one of its keys twice, the second with the same or another value."""
    again = value[name] if rng.random() < 0.3 else rng.choice(ODD_VALUES)
    pairs = [*value.items()]
    pairs.insert(rng.randint(0, len(pairs)), (name, again))
    return "{" + ",".join(f"{json.dumps(key)}:{as_json(one)}" for key, one in pairs) + "}"


def as_json(value: Any) -> str:
    """A JSON text, with what stands for itself as it is."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {as_json(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_json, value)) + "]"
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())


def mutated_records(rng: Random, records: list[list[str]]) -> list[list[str]]:
    """CSV records, header first, with a cell, a column or a record changed."""
    records = [list(record) for record in records]
    at, column = rng.randrange(len(records)), rng.randrange(len(records[0]))
    other = rng.randrange(len(records[0]))
    match rng.randrange(8):
        case 0:
            records[0][column] = records[0][other]
        case 1:
            for record in records:
                record.append(record[column])
        case 2:
            records[at].append("more")
        case 3:
            del records[at][column]
        case 4:
            records.insert(at, list(records[at]))
        case 5:
            for record in records:
                del record[column]
        case _:
            odd = rng.choice(ODD_VALUES)
            records[at][column] = as_json(odd) if not isinstance(odd, str) else odd.replace("\ud800", "?")
    return records


def as_csv(rng: Random | None, records: list[list[str]]) -> bytes:
    """CSV as one of the programs that write it, or, without a draw, as RFC 4180 has it."""
    text = io.StringIO()
    quoting, separator, end = csv.QUOTE_MINIMAL, ",", "\r\n"
    if rng is not None:
        quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        separator, end = rng.choice([",", ",", ",", ",", ",", ";", "\t"]), rng.choice(["\n", "\r\n", "\r"])
    csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end).writerows(records)
    return text.getvalue().encode()
