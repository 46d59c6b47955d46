"""Tables of all handwritings are read rightly, or refused in one line that names the choice."""

from __future__ import annotations

import gzip
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qkd_qiskit.data import load_dataset
from qkd_qiskit.data.table_options import FeatureColumns, TableOptions
from qkd_qiskit.data.unlabelled import load_features
from qkd_qiskit.errors import DataError

RNG = np.random.default_rng(0)
VALUES, LABELS = RNG.normal(size=(40, 3)), np.arange(40) // 20
NAMES = np.array(["ant", "bee"])[LABELS]
NAMED = pd.DataFrame(VALUES, columns=["length", "width", "height"])


def check(path: Path, labels: str | None = None, classes: tuple[Any, ...] = (0, 1), **options: Any) -> None:
    found = load_dataset(path=path, labels=labels, table=TableOptions(**options))
    np.testing.assert_array_equal(found.features, VALUES)
    assert found.classes == classes
    np.testing.assert_array_equal(found.labels, np.array(classes)[LABELS])


def frame(labels: Any = LABELS) -> pd.DataFrame:
    return NAMED.assign(label=labels)


#: How tables are written: the file's name, and what writes it.
HANDWRITING = {
    "counting headings": ("t.csv", lambda p: pd.DataFrame(np.c_[VALUES, LABELS]).to_csv(p, index=False)),
    "row numbers first": ("t.csv", lambda p: pd.DataFrame(VALUES).assign(label=LABELS).to_csv(p)),
    "both": ("t.csv", lambda p: pd.DataFrame(np.c_[VALUES, LABELS]).to_csv(p)),
    "headings from 1": (
        "t.csv",
        lambda p: pd.DataFrame(np.c_[VALUES, LABELS], columns=range(1, 5)).to_csv(p, index=False),
    ),
    "written twice": ("t.csv", lambda p: written_twice(p)),
    "shuffled rows with their numbers": ("t.csv", lambda p: with_index(p, np.arange(40)[::-1] + 3)),
    "repeated numbers of rows": ("t.csv", lambda p: with_index(p, np.arange(40) % 7)),
    "names of rows": ("t.csv", lambda p: with_index(p, [f"row {k}" for k in range(40)])),
    "an id": ("t.csv", lambda p: frame().assign(id=1000 + np.arange(40)[::-1] * 7).to_csv(p, index=False)),
    "reset index": ("t.csv", lambda p: frame().reset_index().to_csv(p, index=False)),
    "names of rows as R writes them": ("t.csv", lambda p: as_r_writes(p)),
    "no headings": ("t.csv", lambda p: frame().to_csv(p, index=False, header=False)),
    "no headings, row numbers": ("t.csv", lambda p: frame().to_csv(p, header=False)),
    "semicolons": ("t.csv", lambda p: frame().to_csv(p, index=False, sep=";")),
    "semicolons and decimal commas": (
        "t.csv",
        lambda p: frame().to_csv(p, index=False, sep=";", decimal=","),
    ),
    "tabs": ("t.tsv", lambda p: frame().to_csv(p, index=False, sep="\t")),
    "tabs and decimal commas": ("t.tab", lambda p: frame().to_csv(p, index=False, sep="\t", decimal=",")),
    "bars": ("t.txt", lambda p: frame().to_csv(p, index=False, sep="|")),
    "blanks": ("t.txt", lambda p: np.savetxt(p, np.c_[VALUES, LABELS], fmt="%.18e")),
    "many blanks": (
        "t.dat",
        lambda p: p.write_text(frame().to_string(index=False, float_format="{:.17g}".format)),
    ),
    "blanks and decimal commas": ("t.txt", lambda p: frame().to_csv(p, index=False, sep=" ", decimal=",")),
    "a heading behind a sign": (
        "t.txt",
        lambda p: np.savetxt(p, np.c_[VALUES, LABELS], delimiter=",", header="a,b,c,label", fmt="%.18e"),
    ),
    "a remark above": ("t.data", lambda p: p.write_text("# made up\n" + frame().to_csv(index=False))),
    "a byte order mark": ("t.csv", lambda p: frame().to_csv(p, index=False, encoding="utf-8-sig")),
    "UTF-16": ("t.txt", lambda p: frame().to_csv(p, index=False, sep="\t", encoding="utf-16")),
    "a line for spreadsheets": (
        "t.csv",
        lambda p: p.write_text("sep=;\n" + frame().to_csv(index=False, sep=";", decimal=",")),
    ),
    "all quoted": ("t.csv", lambda p: frame().to_csv(p, index=False, quoting=1)),
    "quoted decimal commas": ("t.csv", lambda p: frame().to_csv(p, index=False, quoting=1, decimal=",")),
    "Windows line ends": ("t.csv", lambda p: frame().to_csv(p, index=False, lineterminator="\r\n")),
    "old Macintosh line ends": ("t.csv", lambda p: frame().to_csv(p, index=False, lineterminator="\r")),
    "blanks behind commas": ("t.csv", lambda p: p.write_text(frame().to_csv(index=False).replace(",", ", "))),
    "blank lines": (
        "t.csv",
        lambda p: p.write_text("\n" + frame().to_csv(index=False).replace("\n", "\n\n")),
    ),
    "empty rows at the end": ("t.csv", lambda p: p.write_text(frame().to_csv(index=False) + ",,,\n,,,\n")),
    "a separator at the end": (
        "t.csv",
        lambda p: p.write_text(frame().to_csv(index=False).replace("\n", ",\n")),
    ),
    "labels as decimals": ("t.csv", lambda p: frame(LABELS.astype(float)).to_csv(p, index=False)),
    "label first": ("t.csv", lambda p: frame()[["label", *NAMED]].to_csv(p, index=False)),
    "packed": ("t.csv.gz", lambda p: p.write_bytes(gzip.compress(frame().to_csv(index=False).encode()))),
    "packed tabs": (
        "t.tsv.gz",
        lambda p: p.write_bytes(gzip.compress(frame().to_csv(index=False, sep="\t").encode())),
    ),
    "capital ending": ("T.CSV", lambda p: frame().to_csv(p, index=False)),
}  # fmt: skip


def written_twice(path: Path) -> None:
    # What a reader makes of the first writing: the row number is a column of its own.
    frame().reset_index(names="Unnamed: 0").to_csv(path)


def with_index(path: Path, index: Any) -> None:
    frame().set_axis(index).to_csv(path)


def as_r_writes(path: Path) -> None:
    lines = frame().to_csv().splitlines()
    path.write_text("\n".join([lines[0].removeprefix(","), *lines[1:]]))


@pytest.mark.parametrize("name", HANDWRITING)
def test_every_handwriting_gives_the_same_samples(name: str, tmp_path: Path) -> None:
    file, write = HANDWRITING[name]
    write(tmp_path / file)
    check(tmp_path / file)


@pytest.mark.parametrize("name", HANDWRITING)
def test_predictions_read_what_training_reads(name: str, tmp_path: Path) -> None:
    file, write = HANDWRITING[name]
    write(tmp_path / file)
    trained = load_dataset(path=tmp_path / file)
    column = str(trained.features.shape[1]) if trained.columns.names is None else None
    again = load_features(tmp_path / file, "-1" if column else None, model=trained.columns)
    np.testing.assert_array_equal(again.features, VALUES)


def test_texts_are_labels_wherever_they_stand(tmp_path: Path) -> None:
    NAMED.assign(kind=NAMES)[["length", "kind", "width", "height"]].to_csv(tmp_path / "t.csv", index=False)
    check(tmp_path / "t.csv", classes=("ant", "bee"))
    check(tmp_path / "t.csv", "kind", classes=("ant", "bee"))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["1.0", "0.0"], (0, 1)),
        (["1.", "2"], (1, 2)),
        (["-1", "1"], (-1, 1)),
        (["-1.0", "1.0"], (-1, 1)),
        (["01", "02"], ("01", "02")),
        (["True", "False"], ("False", "True")),
        (["a b", "c;d"], ("a b", "c;d")),
        (["größe", "naïve"], ("größe", "naïve")),
        (["NA", "none"], ("NA", "none")),
        (["yes", "1"], ("1", "yes")),
    ],
)
def test_labels_of_all_kinds(labels: list[str], classes: tuple[Any, ...], tmp_path: Path) -> None:
    frame(np.array(labels)[LABELS]).to_csv(tmp_path / "t.csv", index=False)
    found = load_dataset(path=tmp_path / "t.csv")
    assert found.classes == classes
    assert [str(label) for label in found.labels[[0, -1]]] == [
        str(label).removesuffix(".0").removesuffix(".") for label in labels
    ]


def test_decimal_commas_are_recognized_behind_whole_numbers(tmp_path: Path) -> None:
    rows = [f"{k % 7};{k % 5};{k % 2}" for k in range(300)] + ["1,5;2,5;1"]
    (tmp_path / "t.csv").write_text("a;b;label\n" + "\n".join(rows))
    assert load_dataset(path=tmp_path / "t.csv").features[-1].tolist() == [1.5, 2.5]


def test_quoted_cells_may_hold_anything(tmp_path: Path) -> None:
    rows = "".join(f'{k}.5,"a ""word"", a,\ncomma"\n{k}.25,other\n' for k in range(20))
    (tmp_path / "t.csv").write_text("x,label\n" + rows)
    assert load_dataset(path=tmp_path / "t.csv").classes == ('a "word", a,\ncomma', "other")


HEAD = "a,b,label\n"
BODY = "".join(f"{k}.5,{k % 3}.25,{k % 2}\n" for k in range(20))


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        (HEAD + BODY + "1.5,,0\n", None,
         r"expected a value in row 22, column 2 \(b\), found none; data.missing = "),
        (HEAD + BODY + "1.5,NA,0\n?,1.5,1\n", None,
         r"row 22, column 2 \(b\), found none and in 1 other cells; "),
        (HEAD + "\n\n" + BODY + "1.5,x,0\n", None, r"expected a number in row 24, column 2 \(b\), found 'x'"),
        (HEAD + BODY + '"1\n5",2,0\nx,2,0\n', None,
         r"expected a number in row 22, column 1 \(a\), found '1 5'"),
        ("1.5,abc,0\n" + BODY, None, "expected a number in row 1, column 2, found 'abc'"),
        ("1,abc,0\n" + BODY, None,
         "expected headings or values in row 1, found '1, abc, 0', .*data.headings"),
        (",b,label\n" + BODY, None,
         r"expected a heading above column 1, found none: data.row_numbers = .drop."),
        (HEAD + BODY + "1e999,2,0\n", None, r"expected a finite number in row 22, column 1 \(a\), found inf"),
        (HEAD + BODY + "1.5,2.5\n", None, "expected 3 values in row 22, found 2"),
        (HEAD + BODY + "1.5,2.5,0,1\n", None, "expected 3 values in row 22, found 4"),
        (HEAD + BODY + "1.5,2.5,\n", None,
         r"none in row 22, column 3 \(label\); data.missing = .drop. leaves such"),
        (HEAD + BODY + '"1.5,2.5,0\n', None, "expected .* values in row 22|quote"),
        ("a,b,c\n" + BODY.replace(",1\n", ",x\n").replace(",0\n", ",y\n"), "d",
         "no column 'd' .*: there are a, b, c"),
        ("length,b,c\n" + BODY, "lenght", "there are length, b, c; did you mean 'length'"),
        (BODY, "3", "no column '3' .* there are 3 columns without headings, numbered from 0"),
        ("a,a,c\n" + BODY, "a", "two columns 'a' for the labels"),
        ("a,b,c\n1.5,2,3\n4.5,5,6\n7,8,9\n", None,
         "name it with labels=HEADING or its number: there are a, b, c"),
        ("0,1\n3,1\n2,0\n1,1\n2,0\n", None,
         "expected headings or values in row 1, .*data.headings = true or false"),
        ("400,410,420,430\n" + "0.1,0.2,0.3,1.0\n" * 20, "-1", "data.headings = true or false says which"),
        ("time,x,label\n" + "".join(f"{k},{k % 3}.5,{k % 2}\n" for k in range(20)), None,
         r"column 1 \(time\) counts the rows: data.row_numbers = .drop. leaves it out"),
        ("a,colour,label\n" + "".join(f"{k}.5,red,{k % 2}\n" for k in range(9)), None,
         r"row 2, column 2 \(colour\), found 'red'; leave this column of texts out"),
        ("a,b,y\n" + "".join(f"{k}.5,{k}.25,{k}.75\n" for k in range(9)), None,
         "expected whole numbers or text as labels, found 9 different numbers, such as 0.75"),
        ("a,b,label\n" + "".join(f",{k}.25,{k % 2}\n" for k in range(9)), None,
         r"row 2, column 1 \(a\), found none"),
    ],
)  # fmt: skip
def test_what_is_open_or_wrong_is_refused_by_its_place(
    text: str, labels: str | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(text, newline="")
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(path=tmp_path / "t.csv", labels=labels)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "t.csv") in str(caught.value)


@pytest.mark.parametrize("ending", ["xlsx", "parquet", "json", "pkl", "zip", "csv.zip", "bz2"])
def test_files_of_other_kinds_say_what_to_do(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"t.{ending}").write_bytes(b"PK\x03\x04")
    for load in (load_dataset, lambda path: load_features(path)):
        with pytest.raises(DataError, match="expected a table as text .*: (save|unpack)"):
            load(path=tmp_path / f"t.{ending}")


def test_the_choices_that_are_named_decide(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("0,1,2\n" + "3,1,2\n2,0,1\n" * 5)
    assert len(load_dataset(path=path, labels="-1", table=TableOptions(headings=True))) == 10
    assert len(load_dataset(path=path, labels="-1", table=TableOptions(headings=False))) == 11
    path.write_text("time,x,label\n" + "".join(f"{k},{k % 3}.5,{k % 2}\n" for k in range(20)))
    assert load_dataset(path=path, table=TableOptions(row_numbers="keep")).features.shape == (20, 2)
    assert load_dataset(path=path, table=TableOptions(row_numbers="drop")).features.shape == (20, 1)
    path.write_text("id,x,label\n" + "".join(f"{k * 7 % 97},{k % 3}.5,{k % 2}\n" for k in range(20)))
    assert load_dataset(path=path).columns.names == ("x",)
    assert load_dataset(path=path, table=TableOptions(row_numbers="keep")).columns.names == ("id", "x")


def with_gaps(path: Path) -> pd.DataFrame:
    table = frame().astype({"label": object})
    table.loc[3, "width"] = np.nan
    table.loc[[5, 6], "length"] = np.nan
    table.to_csv(path, index=False)
    return table


def test_rows_with_missing_values_are_dropped(tmp_path: Path) -> None:
    table = with_gaps(tmp_path / "t.csv")
    found = load_dataset(path=tmp_path / "t.csv", table=TableOptions(missing="drop"))
    np.testing.assert_array_equal(found.features, table.dropna()[list(NAMED)].astype(float))
    table.loc[9, "label"] = np.nan
    table.to_csv(tmp_path / "t.csv", index=False)
    assert len(load_dataset(path=tmp_path / "t.csv", table=TableOptions(missing="drop"))) == 36
    with pytest.raises(DataError, match="a label for every sample, found none in row 11, column 4"):
        load_dataset(path=tmp_path / "t.csv", table=TableOptions(missing="median"))


def test_missing_values_become_the_median_and_predictions_take_that_of_training(tmp_path: Path) -> None:
    table = with_gaps(tmp_path / "t.csv")
    found = load_dataset(path=tmp_path / "t.csv", table=TableOptions(missing="median"))
    medians = np.nanmedian(table[list(NAMED)].astype(float), axis=0)
    np.testing.assert_array_equal(found.features[3], [VALUES[3, 0], medians[1], VALUES[3, 2]])
    np.testing.assert_array_equal(found.columns.medians, medians)
    (tmp_path / "new.csv").write_text("height,length,width\n1.5,,2.5\n")
    new = load_features(tmp_path / "new.csv", model=found.columns)
    np.testing.assert_array_equal(new.features, [[medians[0], 2.5, 1.5]])
    with pytest.raises(
        DataError, match=r"a value in row 2, column 2 \(length\), found none; a model trained with"
    ):
        load_features(tmp_path / "new.csv", model=FeatureColumns(3, ("length", "width", "height")))


def test_columns_of_missing_values_alone_are_refused(tmp_path: Path) -> None:
    frame().assign(width=np.nan).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"values in column 2 \(width\), found none: leave the column out"):
        load_dataset(path=tmp_path / "t.csv", table=TableOptions(missing="median"))
    with pytest.raises(DataError, match="a row without missing values, found none"):
        load_dataset(path=tmp_path / "t.csv", table=TableOptions(missing="drop"))


def test_what_was_recognized_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    NAMED.assign(kind=NAMES).to_csv(tmp_path / "t.csv")
    with caplog.at_level(logging.WARNING, "qkd_qiskit.data"):
        load_dataset(path=tmp_path / "t.csv")
    said = " ".join(record.getMessage() for record in caplog.records)
    assert re.search(r"the labels are in column 5 \(kind\)", said)
    assert re.search(r"row numbers are left out: column 1; data.row_numbers", said)
    caplog.clear()
    load_dataset(path=tmp_path / "t.csv", labels="kind", table=TableOptions(row_numbers="drop"))
    assert "labels" not in " ".join(record.getMessage() for record in caplog.records)


MODEL = FeatureColumns(3, ("length", "width", "height"))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (NAMED[["width", "height"]], "expected one column 'length', .*found none: there are width, height"),
        (NAMED.rename(columns={"length": "lenght"}), "did you mean 'lenght'"),
    ],
)
def test_a_model_finds_its_columns_by_name(table: pd.DataFrame, message: str, tmp_path: Path) -> None:
    moved = NAMED.assign(more=1.0, kind="x")[["kind", "height", "more", "length", "width"]]
    moved.to_csv(tmp_path / "t.csv")
    np.testing.assert_array_equal(load_features(tmp_path / "t.csv", model=MODEL).features, VALUES)
    np.testing.assert_array_equal(load_features(moved, model=MODEL).features, VALUES)
    table.to_csv(tmp_path / "t.csv", index=False)
    for source in (tmp_path / "t.csv", table):
        with pytest.raises(DataError, match=message):
            load_features(source, model=MODEL)


def test_a_model_without_names_counts_its_columns(tmp_path: Path) -> None:
    model = FeatureColumns(3)
    (tmp_path / "t.csv").write_text("0,1,2\n5,6,7\n")
    assert load_features(tmp_path / "t.csv", model=model).features.tolist() == [[0, 1, 2], [5, 6, 7]]
    (tmp_path / "t.csv").write_text("0,1.5,2,7\n1,6.5,7,8\n")
    with pytest.raises(DataError, match="expected 3 columns, as the model was trained on, found 4"):
        load_features(tmp_path / "t.csv", model=model)
    found = load_features(tmp_path / "t.csv", "-1", model=model)
    assert found.features.tolist() == [[0, 1.5, 2], [1, 6.5, 7]]
    assert found.labels.tolist() == [7, 8]


@pytest.mark.parametrize("labels", [LABELS, NAMES, pd.Categorical(NAMES), LABELS.astype(float), LABELS == 1])
def test_data_frames_are_datasets(labels: Any) -> None:
    table = frame(labels).sample(frac=1, random_state=0)
    found = load_dataset(path=table, labels="label")
    order = table.index.to_numpy()
    np.testing.assert_array_equal(found.features, VALUES[order])
    np.testing.assert_array_equal(found.labels == found.classes[1], LABELS[order] == 1)
    assert found.columns.names == ("length", "width", "height")
    assert load_dataset(path=table).classes == found.classes


def test_faults_of_data_frames_name_index_and_column() -> None:
    table = frame().astype({"width": object}).set_axis([f"r{k}" for k in range(40)])
    table.loc["r7", "width"] = "wide"
    with pytest.raises(DataError, match="the row with index 'r7', column 'width', found 'wide'"):
        load_dataset(path=table)
    table.loc["r7", "width"] = None
    with pytest.raises(DataError, match="expected a value in the row with index 'r7', column 'width'"):
        load_dataset(path=table)
    nullable = frame().convert_dtypes().astype({"length": "Float64"})
    np.testing.assert_array_equal(load_dataset(path=nullable).features, VALUES)
    with pytest.raises(DataError, match="expected a number in the row with index 0, column 'width'"):
        load_dataset(path=frame().assign(width=pd.date_range("2026", periods=40)))


@given(
    values=st.lists(
        st.tuples(st.floats(-1e300, 1e300), st.integers(-(2**53), 2**53), st.booleans()),
        min_size=4,
        max_size=20,
    ),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    headings=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_numbers_survive_any_handwriting(
    tmp_path: Path, values: list[tuple[float, int, bool]], separator: str, decimal: str, headings: bool
) -> None:
    labels = [f"c{int(kind)}" for _, _, kind in values[:-2]] + ["c0", "c1"]
    table = pd.DataFrame({"x": [x for x, _, _ in values], "n": [n for _, n, _ in values], "label": labels})
    if decimal == "," and separator == ",":
        separator = ";"
    table.to_csv(tmp_path / "t.csv", sep=separator, decimal=decimal, header=headings, index=False)
    found = load_dataset(
        path=tmp_path / "t.csv", labels="-1", table=TableOptions(headings, row_numbers="keep")
    )
    np.testing.assert_array_equal(found.features, table[["x", "n"]].astype(float))
    assert found.labels.tolist() == labels
