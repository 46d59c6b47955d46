"""Damage for files of all kinds: bytes, texts, archives, databases. Everything follows from a generator."""

from __future__ import annotations

import gzip
import io
import re
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Rng = np.random.Generator

#: What a text may hold in the place of a value.
TOKENS = (
    "9" * 5000, "-" + "9" * 400, "1e999", "-1e999", "inf", "nan", "Infinity", "NaN", "null", "true", "-1",
    "0", "18446744073709551616", "9223372036854775807", "1e-400", '"\\u0000"', '"a\\u0000b.npz"',
    '"~nouser/x"', '"~"', '""', '"' + "x" * 100_000 + '"', '"\\ud800"', '"\\u202e"', "'", '"', "[" * 3000,
    "]" * 70, "{" * 3000,
    "[" * 70 + "]" * 70, "{a=" * 80 + "1" + "}" * 80, "[[[]]]", "{}", "[]", "a." * 5000 + "a = 1",
    '"a".' * 3000 + "a = 1", "\0", "\ufeff", "\r", "\x85", "\u2028", "1979-05-27T07:32:00Z", "0x1f", "1_000",
    "²", "[1, [2, [3]]]", '{"a": {"b": 1}}', "3.0", "007", "+5", "--5", ",", ",,", "\n", "\n\n", "#", "=",
)  # fmt: skip

_NUMBERS = tuple(
    struct.pack(code, value & mask)
    for code, mask in (("<H", 0xFFFF), ("<I", 0xFFFFFFFF), (">I", 0xFFFFFFFF), ("<Q", 2**64 - 1))
    for value in (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
)


def of_bytes(content: bytes, rng: Rng) -> bytes:
    """Flip, cut, insert, repeat, blank or overwrite at one to four places."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        place = int(rng.integers(len(data)))
        length = int(rng.integers(1, 1 + min(64, len(data))))
        kind = int(rng.integers(7))
        if kind == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place:place] = rng.bytes(length)
        elif kind == 3:
            data[place:place] = data[place : place + length] * int(rng.integers(1, 50))
        elif kind == 4:
            data[place : place + length] = bytes([int(rng.choice([0, 255]))]) * length
        elif kind == 5:
            number = _NUMBERS[int(rng.integers(len(_NUMBERS)))]
            data[place : place + len(number)] = number
        else:
            del data[place : place + length]
    return bytes(data)


def of_text(content: bytes, rng: Rng) -> bytes:
    """Replace, repeat, move or leave out words and lines; now and then damage bytes too."""
    text = content.decode()
    for _ in range(int(rng.integers(1, 4))):
        words = [match.span() for match in re.finditer(r'"[^"\n]*"|[\w.+-]+|[^\w\s]', text)]
        if not words:
            break
        start, end = words[int(rng.integers(len(words)))]
        kind = int(rng.integers(5))
        if kind < 3:
            text = text[:start] + TOKENS[int(rng.integers(len(TOKENS)))] + text[end:]
        elif kind == 3:
            text = text[:start] + text[end:]
        else:
            lines = text.splitlines(keepends=True)
            line = int(rng.integers(len(lines)))
            lines.insert(int(rng.integers(len(lines))), lines[line] * int(rng.integers(1, 4)))
            text = "".join(lines)
    data = text.encode("utf-8", "surrogatepass")
    return of_bytes(data, rng) if rng.random() < 0.15 else data


def of_array(content: bytes, rng: Rng) -> bytes:
    """Damage the header of an npy file so that it lies, or its bytes."""
    kind = int(rng.integers(3))
    if kind == 0 or not content.startswith(b"\x93NUMPY"):
        return of_bytes(content, rng)
    size = struct.unpack("<H", content[8:10])[0]
    header, body = content[10 : 10 + size].decode("latin-1"), content[10 + size :]
    shapes = (
        "(-1, 4)", "()", "(0,)", f"({2**40}, 2)", f"({2**62}, 4)", f"(0, {2**62})", "(1,) * 9", "(3)",
        "(True,)", "(" * 900, "(9" + "9" * 1500 + ",)", "(2, 3, 4, 5)", "[3, 4]", "(3L,)",
        "(" + "1, " * 60 + ")",
    )  # fmt: skip
    types = (
        "|O", "<f8", ">f8", "<U1000000000", "|S0", "<U0", "<M8[ns]", "|V8", "<c16", "<f16", "f3", "<i8", "?",
        "<U7", "|b1", "<x9", "object", "[('a', '<f8')]",
    )  # fmt: skip
    if rng.random() < 0.5:
        header = re.sub(r"\(.*\)", lambda _: shapes[int(rng.integers(len(shapes)))], header)
    if rng.random() < 0.5:
        header = re.sub(
            r"'descr': '[^']*'", lambda _: f"'descr': '{types[int(rng.integers(len(types)))]}'", header
        )
    if rng.random() < 0.2:
        header = header.replace("False", "True")
    if rng.random() < 0.1:
        header = header[: int(rng.integers(len(header)))]
    data = header.encode("latin-1")
    version = bytes([int(rng.choice([1, 1, 1, 2, 3, 9])), 0])
    length = struct.pack("<H" if version[0] == 1 else "<I", len(data) & 0xFFFF)
    return b"\x93NUMPY" + version + length + data + body


def of_archive(content: bytes, rng: Rng) -> bytes:
    """Damage an npz file: one array, the directory, the names, or the way it is packed."""
    kind = int(rng.integers(5))
    if kind == 0:
        return of_bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    which = int(rng.integers(len(members)))
    name, data = members[which]
    if kind == 1:
        data = of_array(data, rng)
    elif kind == 2:
        names = (
            "",
            "../x.npy",
            "meta.npy",
            "X.npy",
            "a/b.npy",
            name.removesuffix(".npy"),
            "\0.npy",
            "é" * 300,
        )
        name = names[int(rng.integers(len(names)))]
    elif kind == 3:
        # Thirty to sixty megabytes of one sign.
        data += bytes(int(rng.integers(3 * 10**7, 6 * 10**7)))
    members[which] = (name, data)
    if rng.random() < 0.1:
        members += [(f"more{number}.npy", data[:100]) for number in range(int(rng.choice([1, 300, 2000])))]
    buffer = io.BytesIO()
    ways = (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA,
    )
    way = zipfile.ZIP_DEFLATED if kind == 3 else ways[int(rng.integers(len(ways)))]
    with zipfile.ZipFile(buffer, "w", way, compresslevel=1) as archive:
        for member, value in members:
            archive.writestr(zipfile.ZipInfo(member or "x"), value, way, 1)
    packed = bytearray(buffer.getvalue())
    if kind == 4:
        # Flags, way of packing, sizes and places in the directory.
        places = [match.start() for match in re.finditer(b"PK\x01\x02", packed)]
        place = places[int(rng.integers(len(places)))] + int(rng.choice([8, 10, 16, 20, 24, 28, 30, 42]))
        number = _NUMBERS[int(rng.integers(len(_NUMBERS)))][:4]
        packed[place : place + len(number)] = number
    return bytes(packed)


def of_packed(inner: Callable[[bytes, Rng], bytes]) -> Callable[[bytes, Rng], bytes]:
    """Return a function that damages what gzip has packed, the packed bytes, or makes a bomb of them."""

    def damage(content: bytes, rng: Rng) -> bytes:
        kind = int(rng.integers(8))
        if kind < 3:
            return gzip.compress(inner(gzip.decompress(content), rng), 1, mtime=0)
        if kind == 3:
            piece = gzip.compress(bytes([int(rng.choice([0, 48, 44, 10]))]) * 2**21, 1, mtime=0)
            return content + piece * int(rng.integers(1, 40))
        if kind == 4:
            return content * int(rng.integers(2, 5))
        return of_bytes(content, rng)

    return damage


def of_database(path: Path, rng: Rng) -> None:
    """Damage a database in place: bytes, pages, or values of its tables."""
    kind = int(rng.integers(6))
    data = bytearray(path.read_bytes())
    pages = len(data) // 4096
    if kind == 0:
        path.write_bytes(of_bytes(bytes(data), rng))
    elif kind == 1:
        # A few flipped bits anywhere.
        for _ in range(int(rng.integers(1, 6))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
    elif kind == 2:
        start = int(rng.integers(pages)) * 4096
        data[start : start + 4096] = rng.bytes(4096) if rng.random() < 0.5 else bytes(4096)
        path.write_bytes(data)
    elif kind == 3:
        one, other = (int(page) * 4096 for page in rng.integers(0, pages, 2))
        data[one : one + 4096] = data[other : other + 4096]
        path.write_bytes(data)
    elif kind == 4:
        path.write_bytes(data[: int(rng.integers(len(data)))])
    else:
        _values(path, rng)


def _values(path: Path, rng: Rng) -> None:
    values = (
        "NULL", "7", "-1", "9223372036854775807", "1e300", "''", "'text'", "x''", "x'ff'", "zeroblob(100000)",
        "'[]'", "'null'", "'{}'", "'" + "[" * 3000 + "'", "substr({0}, 1, 40)", "substr({0}, 2)",
        "{0} || {0}", "CAST({0} AS TEXT)", "CAST({0} AS BLOB)", "replace({0}, 'a', 'b')", "randomblob(200)",
        "'nan'",
        "CAST(x'93' || 'NUMPY' AS BLOB)", "'9" + "9" * 5000 + "'",
    )  # fmt: skip
    connection = sqlite3.connect(path, isolation_level=None)
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    ]
    for _ in range(int(rng.integers(1, 4))):
        table = tables[int(rng.integers(len(tables)))]
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column = columns[int(rng.integers(len(columns)))]
        value = values[int(rng.integers(len(values)))].format(column)
        numbers = [number for (number,) in connection.execute(f"SELECT rowid FROM {table}")]
        row = numbers[int(rng.integers(len(numbers)))] if numbers else 0
        try:
            if rng.random() < 0.1:
                connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
            else:
                connection.execute(f"UPDATE {table} SET {column} = {value} WHERE rowid = ?", (row,))
        except sqlite3.Error:
            # A column that must not be empty, or a name that must be there once.
            continue
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
