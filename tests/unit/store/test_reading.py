"""The guarded reader: what it gives, and which line it refuses with."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.errors import ConfigError, DataError, StoreError
from qkd_qiskit.store import (
    FileLimits,
    Unpacked,
    added_lines,
    check_path,
    current_limits,
    guarded,
    parse_json,
    parse_toml,
    read_bytes,
    read_json,
    read_text,
    read_toml,
    use_limits,
)

_PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(_PLAIN)
def test_json_comes_back_as_it_was(value: object) -> None:
    assert parse_json(json.dumps(value), DataError, "here") == value
    assert parse_json(json.dumps(value).encode(), DataError, "here") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "here is not JSON: Expecting property name"),
        ("[NaN]", "expected finite numbers, found NaN"),
        ('{"a": -Infinity}', "expected finite numbers, found -Infinity"),
        ("1e999", "expected finite numbers, found 1e999"),
        ("9" * 301, "at most 300 digits .limits.digits., found 301"),
        ("[" * 65 + "]" * 65, "at most 64 levels .limits.depth., found more"),
        ('{"a":' * 65 + "1" + "}" * 65, "at most 64 levels"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00", "here is not JSON: not UTF-8 text"),
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parse_json(text, DataError, "here")
    assert len(str(caught.value)) < 400


def test_the_depth_and_the_digits_that_are_allowed_are_allowed() -> None:
    assert parse_json("[" * 64 + "]" * 64, DataError, "here")
    assert parse_json("9" * 300, DataError, "here") == int("9" * 300)
    with use_limits(depth=2, digits=3):
        assert parse_json("[[123]]", DataError, "here") == [[123]]
        for text in ("[[[1]]]", "1234"):
            with pytest.raises(DataError, match="limits"):
                parse_json(text, DataError, "here")


@pytest.mark.parametrize(
    "text",
    [
        "a = 1",
        "# a.a.a.a" + ".a" * 100,
        'a = "' + "a." * 200 + '"',
        "a = '" + "a." * 200 + "'",
        'a = """\n' + "a." * 200 + '""""',
        "a = '''\n' \" " + "a." * 200 + "'''",
        ".".join("a" * 64) + " = 1",
        'a = "\\"" # ' + "b." * 100,
        "a = [1.5, 2.5, -3e4]\nb = 1979-05-27T07:32:00.999Z",
    ],
)
def test_toml_is_what_tomllib_reads(text: str) -> None:
    assert parse_toml(text, ConfigError, "here") == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "here is not valid TOML"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = 9223372036854775808", "whole numbers of 64 bits"),
        ("a = [[-9223372036854775809]]", "whole numbers of 64 bits"),
        ('a = "b\\u0000c"', r"text without NUL, found 'b\\x00c'"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "[" * 70 + "]" * 70, "at most 64 levels"),
        (".".join("a" * 70) + " = 1", "keys of at most 64 parts"),
        ("[" + " . ".join("a" * 70) + "]", "keys of at most 64 parts"),
        ('"a=".' * 70 + "a = 1", "keys of at most 64 parts"),
        ("'\"'." * 70 + "a = 1", "keys of at most 64 parts"),
        ('x = {a = """\n\'""", ' + "b." * 70 + "b = 1}", "keys of at most 64 parts"),
    ],
)
def test_what_is_no_toml_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_toml(text, ConfigError, "here")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    [
        "a." * 200_000 + "a = 1",
        '"a".' * 100_000 + "a = 1",
        "a" * 400_000,
        '"' * 400_000,
        "'" * 400_001,
        '"\\' * 200_000,
        "a = '''" + "'' " * 100_000,
        'a = """' + '"" ' * 100_000,
        "a " * 200_000,
        "a" + " " * 400_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    with pytest.raises(ConfigError, match="not valid TOML"):
        parse_toml(text, ConfigError, "here")
    assert time.process_time() - start < 2


def test_files_are_read_within_their_limits(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'{"a": 1}')
    assert read_bytes(path, DataError) == b'{"a": 1}'
    assert read_json(path, DataError) == {"a": 1}
    with use_limits(file_bytes=8, text_bytes=8):
        assert read_text(path, DataError) == '{"a": 1}'
    with (
        use_limits(file_bytes=7),
        pytest.raises(
            DataError, match=r"cannot read the file .*at most 7 bytes \(limits.file_bytes\), found 8"
        ),
    ):
        read_bytes(path, DataError, "the file ")
    with use_limits(text_bytes=7), pytest.raises(DataError, match=r"at most 7 bytes \(limits.text_bytes\)"):
        read_json(path, DataError)
    path.write_text("b = 2")
    assert read_toml(path, ConfigError) == {"b": 2}
    path.write_bytes(b"\xff")
    with pytest.raises(DataError, match="cannot read .*: not UTF-8 text"):
        read_text(path, DataError)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        (tmp_path / "pipe", "expected a plain file, found a device or a pipe"),
        ("/dev/zero", "expected a plain file"),
        ("a\0b", "cannot read a.*b: embedded null byte"),
        ("x" * 5000, "File name too long"),
    ):
        with pytest.raises(DataError, match=message):
            read_bytes(path, DataError)


def test_files_whose_size_lies_are_read_and_bounded() -> None:
    # Files of the system say that they are empty.
    assert read_text("/proc/self/status", DataError).startswith("Name:")
    with use_limits(file_bytes=5), pytest.raises(DataError, match="at most 5 bytes .*found 6"):
        read_bytes("/proc/self/status", DataError)


@pytest.mark.parametrize("packed", [False, True])
@given(content=st.binary(max_size=300), sizes=st.lists(st.integers(0, 50), max_size=5))
def test_unpacked_bytes_come_in_order(packed: bool, content: bytes, sizes: list[int]) -> None:
    content = b"x" + content
    source = Unpacked(gzip.compress(content) if packed else content, DataError, "here")
    pieces = [source.read(size) for size in sizes]
    assert b"".join([*pieces, source.read()]) == content


def test_unpacking_stops_at_the_limit() -> None:
    bomb = gzip.compress(bytes(10**8), 1)
    most = max(2**24, 100 * len(bomb))
    for limits, message in (
        ({}, rf"at most {most} bytes unpacked \(limits.ratio\)"),
        ({"unpacked_bytes": 1000}, r"at most 1000 bytes unpacked \(limits.unpacked_bytes\), found more"),
    ):
        with use_limits(**limits), pytest.raises(DataError, match=f"cannot read here: expected {message}"):
            Unpacked(bomb, DataError, "here").read()
    with use_limits(ratio=10**4):
        assert len(Unpacked(bomb, DataError, "here").read()) == 10**8
    for damaged in (bomb[:-20], bomb[:100] + b"\xff" * 50 + bomb[150:], b"\x1f\x8b", b"\x1f\x8bxx"):
        with use_limits(ratio=10**4), pytest.raises(DataError, match="cannot read here: "):
            Unpacked(damaged, DataError, "here").read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "where: expected a path, found ''"),
        ("a\0b", "expected a path, found"),
        ("~nouser-of-this-name/x", "found no home folder for '~nouser-of-this-name/x'"),
        ("\ud800", "where: "),
    ],
)
def test_impossible_paths_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_path(text, ConfigError, "where")
    assert check_path("a/b", ConfigError, "where") == Path("a/b")
    assert check_path("~/b", ConfigError, "where") == Path.home() / "b"


def test_limits_hold_within_their_block_alone() -> None:
    assert current_limits() == FileLimits()
    with use_limits(depth=3, ratio=None) as outer:
        assert (outer.depth, outer.ratio) == (3, FileLimits().ratio)
        with use_limits(ratio=7):
            assert (current_limits().depth, current_limits().ratio) == (3, 7)
        assert current_limits() == outer
    assert current_limits() == FileLimits()


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (ValueError("two\nlines"), "doing: two"),
        (ValueError(), "doing: ValueError"),
        (ValueError("x" * 10_000), "doing: xxx"),
        (MemoryError(), "doing: it does not fit into the memory"),
        (RecursionError("maximum"), "doing: it is nested too deeply"),
        (KeyError("name"), "doing: name is missing"),
        (OSError(28, "No space left on device"), "doing: No space left on device"),
        (ConfigError("of another room"), "doing: of another room"),
        (AssertionError("\x1b[31mred"), r"doing: \x1b[31mred"),
    ],
)
def test_every_failure_becomes_one_line(failure: Exception, line: str) -> None:
    with pytest.raises(DataError) as caught, guarded(DataError, "doing"):
        raise failure
    text = str(caught.value)
    assert text.startswith(line)
    assert len(text) < 400
    assert text.isprintable()


def test_own_errors_and_interruptions_pass() -> None:
    with pytest.raises(DataError, match="^own$"), guarded(DataError, "doing"):
        raise DataError("own")
    with pytest.raises(StoreError, match="^kept$"), guarded(DataError, "doing", keep=StoreError):
        raise StoreError("kept")
    with pytest.raises(KeyboardInterrupt), guarded(DataError, "doing"):
        raise KeyboardInterrupt


@given(
    st.lists(st.binary(max_size=8).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.integers(1, 5)
)
def test_added_lines_come_once_and_whole(lines: list[bytes], step: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, whole = Path(folder) / "log", b"".join(line + b"\n" for line in lines)
        found, place = [], 0
        for end in range(0, len(whole) + step, step):
            path.write_bytes(whole[:end])
            new, place = added_lines(path, DataError, place)
            found += new
    assert found == lines
    assert place == len(whole)


def test_a_file_that_was_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo")
    assert added_lines(path, DataError) == ([b"one"], 4)
    path.write_bytes(b"3\n")
    assert added_lines(path, DataError, 4) == ([b"3"], 2)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 100)
    with (
        use_limits(text_bytes=100),
        pytest.raises(DataError, match=r"lines of at most 100 bytes \(limits.text"),
    ):
        added_lines(path, DataError)
    with pytest.raises(StoreError, match="cannot read log .*none: No such file"):
        added_lines(tmp_path / "none", StoreError, what="log ")
