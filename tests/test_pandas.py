"""The accessor of pandas: what it says is what the functions for one reply do, on both cores."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from arrow_made import (
    answers,
    arrow_on,
    few_texts,
    labelled,
    octets_of,
    odd_octets,
    odd_texts,
    simple_lines,
)
from conftest import CORES
from smtpfast import Category, Classifier, Disposition, Reason, Severity, SmtpFastError
from smtpfast import SmtpStatusCode as Status
from smtpfast.arrow import CLASSIFY_FIELDS, DIAGNOSE_FIELDS, FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from arrow_made import Cell, Row

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
from smtpfast.pandas import SmtpAccessor  # noqa: E402

TEXT = pd.Series(["x"]).dtype  # str, or object before pandas 3
RULESET = Classifier.default().ruleset
# As smtpfast/pandas.py says.
DTYPES = {
    "code": "Int16",
    "status": [each.name for each in Status],
    "enhanced": TEXT,
    "enhanced_class": "Int8",
    "enhanced_subject": "Int16",
    "enhanced_detail": "Int16",
    "is_last": "boolean",
    "severity": [each.name.lower() for each in Severity],
    "category": [each.name.lower() for each in Category],
    "text": TEXT,
    "reason": [*map(str, Reason)],
    "disposition": [*map(str, Disposition)],
    "retry_after": "Int32",
    "blocklist": TEXT,
    "provider": [*RULESET.provider_names],
    "rule": [*RULESET.rule_names],
    "evidence": TEXT,
}
KINDS = {
    "str": "str",
    "string[pyarrow]": "string[pyarrow]",
    "string[python]": "string[python]",
    "object": object,
    "category": "category",
    "category of objects": "category",
    "string of Arrow": pd.ArrowDtype(pa.string()),
    "large_string of Arrow": pd.ArrowDtype(pa.large_string()),
}


@pytest.fixture(autouse=True, params=CORES)
def core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On both cores, one after the other."""
    arrow_on(request.param, monkeypatch)
    return str(request.param)


def series(cells: Sequence[Cell], kind: str, **options: Any) -> Any:
    if kind == "str" and pd.__version__.startswith("2."):
        pytest.skip("pandas before 3 has no str")
    if kind == "category of objects":
        words = [*dict.fromkeys(cell for cell in cells if cell is not None)]
        dtype = pd.CategoricalDtype(pd.Index(words, dtype=object))
        return pd.Series([*cells], dtype=dtype, **options)
    if kind == "category":
        return pd.Series([*cells], dtype=TEXT, **options).astype("category")
    return pd.Series([*cells], dtype=KINDS[kind], **options)


def expected(cells: Sequence[Cell], fields: Sequence[str] = FIELDS) -> list[Row]:
    """What a frame says of these cells; there are no octets in its texts."""
    rows = answers(cells, fields)
    for row in rows:
        for name in {"text", "evidence"} & {*row}:
            if isinstance(value := row[name], bytes):
                row[name] = value.decode("utf-8", "replace")
    return rows


def rows_of(frame: Any) -> list[Row]:
    columns = [
        [None if value is pd.NA or value != value else value for value in frame[name]]
        for name in frame.columns
    ]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_texts(kind: str) -> None:
    cells = few_texts()
    given = series(cells, kind, index=range(7, 7 + len(cells)))
    frame = given.smtp.diagnose(fields=FIELDS)
    assert [*frame.columns] == [*FIELDS]
    assert rows_of(frame) == expected(cells)
    cut = given[11:29]
    assert rows_of(cut.smtp.diagnose(fields=FIELDS)) == expected(cells[11:29])
    assert [*cut.smtp.code().index] == [*range(18, 36)]
    chosen = given[given.notna()][::-2]
    left = [cell for cell in cells if cell is not None][::-2]
    assert rows_of(chosen.smtp.diagnose(fields=FIELDS)) == expected(left)
    joined = pd.concat([given, cut])
    assert rows_of(joined.smtp.diagnose()) == expected([*cells, *cells[11:29]], DIAGNOSE_FIELDS)


@pytest.mark.parametrize("kind", ["string[pyarrow]", "object"])
def test_some_thousand_replies(kind: str) -> None:
    cells = [*labelled(), None, *odd_texts(), None]
    assert rows_of(series(cells, kind).smtp.diagnose(fields=FIELDS)) == expected(cells)


@pytest.mark.parametrize("kind", ["object", "category", "binary", "large_binary"])
def test_octets(kind: str) -> None:
    marked = b"550 5.1.1 \xff no such user", b"550 no \xff\xfe such\xff user", b"421 \xff try again"
    cells = [*octets_of(labelled()[::5]), None, *odd_octets(), *marked]
    dtype = pd.ArrowDtype(getattr(pa, kind)()) if "binary" in kind else kind
    frame = pd.Series(cells, dtype=dtype).smtp.diagnose(fields=FIELDS)
    assert rows_of(frame) == expected(cells)
    assert (frame["text"].dtype, frame["evidence"].dtype) == (TEXT, TEXT)


def test_cells_of_all_kinds() -> None:
    octets = b"550 5.1.1 \xff no such user"
    missing = [None, float("nan"), pd.NA, pd.NaT]
    cells = ["250 ok", octets, *missing, "", bytearray(octets), memoryview(octets)]
    rows = expected(["250 ok", octets, *[None] * 4, "", octets, octets])
    given = pd.Series(cells, dtype=object)
    assert rows_of(given.smtp.diagnose(fields=FIELDS)) == rows
    # As texts have octets that are no UTF-8; pandas has such a text in an array of objects only.
    array = pd.array(np.array([*cells, octets.decode("utf-8", "surrogateescape")], dtype=object))
    given = pd.Series(array)
    assert rows_of(given.smtp.diagnose(fields=FIELDS)) == [*rows, rows[1]]


@pytest.mark.parametrize("kind", [*KINDS, "binary"])
@pytest.mark.parametrize("size", [0, 1, 9])
def test_dtypes_do_not_depend_on_what_is_given(kind: str, size: int) -> None:
    for cells in ([None] * size, ["550-5.1.1 x"] * size):
        if kind == "binary":
            given = pd.Series(octets_of(cells), dtype=pd.ArrowDtype(pa.binary()))
        else:
            given = series(cells, kind)
        frame = given.smtp.diagnose(fields=FIELDS)
        assert rows_of(frame) == expected(cells)
        for name, wanted in DTYPES.items():
            dtype = frame[name].dtype
            if isinstance(wanted, list):
                assert [*dtype.categories] == wanted
                assert dtype == pd.CategoricalDtype(wanted)
            else:
                assert dtype == wanted


def test_names_and_indexes() -> None:
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)], names=["host", "n"])
    given = pd.Series(["550 5.1.1 User unknown", None, "no reply"], index=index, name="reply")
    for field in ("code", "enhanced", "reason", "disposition"):
        found = getattr(given.smtp, field)()
        assert found.name == "reply"
        assert found.index.equals(index)
        assert found.index.names == index.names
        assert rows_of(found.to_frame(field)) == expected([*given[:1], None, *given[2:]], [field])
        frame = given.smtp.diagnose(fields=[field])
        assert (found.dtype, [*frame.columns]) == (frame[field].dtype, [field])
        assert frame.index.equals(index)
    assert [*given.smtp.classify().columns] == [*CLASSIFY_FIELDS]
    assert [*given.smtp.diagnose().columns] == [*DIAGNOSE_FIELDS]
    assert [*given.smtp.classify(fields=("reason", "code")).columns] == ["reason", "code"]
    assert given.name == "reply"


def test_what_pandas_itself_finds() -> None:
    given = pd.Series(simple_lines())
    assert given.smtp.code().tolist() == given.str.slice(stop=3).astype(int).tolist()
    pattern = r"^\d{3} ([245]\.\d{1,3}\.\d{1,3})(?: |$)"
    found = given.str.extract(pattern, expand=False)
    assert (given.smtp.enhanced().fillna("") == found.fillna("")).all()
    assert found.notna().any()


def test_counts_and_groups() -> None:
    replies = pd.Series(["550 5.1.1 User unknown", "250 ok", None, "250 2.0.0 ok"])
    frame = replies.smtp.diagnose(fields=["code", "reason"])
    counts = frame["reason"].value_counts()
    assert counts["accepted"] == 2
    assert (len(counts), counts["spam"]) == (len(Reason), 0)
    codes = frame.groupby("reason", observed=True)["code"].max()
    assert codes.to_dict() == {"accepted": 250, "bad_mailbox": 550}
    more = pd.Series(["552 5.2.2 Mailbox full"]).smtp.reason()
    assert pd.concat([frame["reason"], more]).dtype == more.dtype


@pytest.mark.parametrize(
    "given",
    [
        pd.Series([550]),
        pd.Series([550.5, None]),
        pd.Series([True]),
        pd.Series(pd.to_datetime(["2026-11-24"])),
        pd.Series([550], dtype="category"),
        pd.Series([550], dtype="Int16"),
        pd.Series([550], dtype=pd.ArrowDtype(pa.int64())),
        pd.Series(["550 x", 550], dtype=object),
        pd.Series([["550 x"]]),
    ],
    ids=lambda given: str(given.tolist()),
)
def test_other_dtypes_are_errors(given: Any) -> None:
    assert isinstance(given.smtp, SmtpAccessor)
    for call in (given.smtp.code, given.smtp.classify, given.smtp.diagnose):
        with pytest.raises(TypeError, match=r"[Ee]xpected "):
            call()


def test_unknown_fields_are_errors() -> None:
    given = pd.Series(["250 ok"])
    for fields in (["colour"], ["code", "code"], [], "code"):
        with pytest.raises(SmtpFastError):
            given.smtp.classify(fields=fields)
        with pytest.raises(SmtpFastError):
            given.smtp.diagnose(fields=fields)


def test_rules_of_ones_own(tmp_path: Path) -> None:
    rules = '[[rule]]\nid = "own.house"\nreason = "policy"\nphrases = ["not in my house"]\n'
    (tmp_path / "own.toml").write_text(rules, encoding="utf-8")
    own = Classifier.from_toml(tmp_path / "own.toml", with_defaults=False)
    given = pd.Series(["550 not in my house", None])
    frame = given.smtp.diagnose(fields=["reason", "rule"], classifier=own)
    assert rows_of(frame) == [
        {"reason": "policy", "rule": "own.house"},
        {"reason": None, "rule": None},
    ]
    assert [*frame["rule"].cat.categories] == [*own.ruleset.rule_names]
    assert given.smtp.reason()[0] != "policy"


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_it_is_said_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "smtpfast.pandas")
    monkeypatch.delattr("smtpfast.pandas")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'smtpfast\[pandas\]'"):
        __import__("smtpfast.pandas")
