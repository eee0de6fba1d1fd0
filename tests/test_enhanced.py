"""Enhanced status codes: the registry's facts, and the values."""

from __future__ import annotations

import copy
import csv
import os
import pickle
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from smtpfast import EnhancedStatusCode, SmtpFastError
from smtpfast.registry import CLASSES, DETAILS, SUBJECTS

if TYPE_CHECKING:
    from types import ModuleType

# Typed from IANA's "Enumerated Status Codes" and "Subject Sub-Codes", not taken from the package.
IANA_CLASSES = {2: "Success", 4: "Persistent Transient Failure", 5: "Permanent Failure"}
IANA_SUBJECTS = {
    0: "Other or Undefined Status",
    1: "Addressing Status",
    2: "Mailbox Status",
    3: "Mail System Status",
    4: "Network and Routing Status",
    5: "Mail Delivery Protocol Status",
    6: "Message Content or Media Status",
    7: "Security or Policy Status",
}
# How many details each subject has: X.0.0, X.1.0–10, X.2.0–4, X.3.0–6, X.4.0–7, X.5.0–6, …
IANA_HIGHEST_DETAILS = {0: 0, 1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30}
IANA_DETAILS = (
    ("5.0.0", "Other undefined Status", (), "RFC 3463"),
    ("5.1.1", "Bad destination mailbox address", (451, 550), "RFC 3463"),
    ("5.1.2", "Bad destination system address", (), "RFC 3463"),
    ("5.1.3", "Bad destination mailbox address syntax", (501,), "RFC 3463"),
    ("2.1.5", "Destination address valid", (250,), "RFC 3463"),
    ("5.1.8", "Bad sender's system address", (451, 501), "RFC 3463"),
    ("2.1.9", "Message relayed to non-compliant mailer", (), "RFC 3886"),
    ("5.1.10", "Recipient address has null MX", (556,), "RFC 7505"),
    ("4.2.1", "Mailbox disabled, not accepting messages", (), "RFC 3463"),
    ("4.2.2", "Mailbox full", (552,), "RFC 3463"),
    ("5.2.3", "Message length exceeds administrative limit", (552,), "RFC 3463"),
    ("5.2.4", "Mailing list expansion problem", (450, 452), "RFC 3463"),
    ("4.3.0", "Other or undefined mail system status", (221, 250, 421, 451, 550, 554), "RFC 3463"),
    ("4.3.1", "Mail system full", (452,), "RFC 3463"),
    ("4.3.2", "System not accepting network messages", (453, 521), "RFC 3463"),
    ("5.3.4", "Message too big for system", (552, 554), "RFC 3463"),
    ("2.3.6", "Requested priority was changed", (250, 251), "RFC 6710"),
    ("4.4.1", "No answer from host", (451,), "RFC 3463"),
    ("4.4.2", "Bad connection", (421,), "RFC 3463"),
    ("4.4.3", "Directory server failure", (451, 550), "RFC 3463"),
    ("4.4.5", "Mail system congestion", (451,), "RFC 3463"),
    ("4.4.7", "Delivery time expired", (), "RFC 3463"),
    ("5.5.1", "Invalid command", (430, 500, 501, 503, 530, 550, 554, 555), "RFC 3463"),
    ("5.5.2", "Syntax error", (500, 501, 502, 550, 555), "RFC 3463"),
    ("4.5.3", "Too many recipients", (451,), "RFC 3463"),
    ("5.5.6", "Authentication Exchange line is too long", (500,), "RFC 4954"),
    ("5.6.3", "Conversion required but not supported", (554,), "RFC 3463"),
    ("5.6.6", "Message content not available", (554,), "RFC 4468"),
    (
        "5.6.7",
        "Non-ASCII addresses not permitted for that sender/recipient",
        (550, 553),
        "RFC 6531",
    ),
    (
        "5.7.1",
        "Delivery not authorized, message refused",
        (451, 454, 502, 503, 533, 550, 551),
        "RFC 3463",
    ),
    ("5.7.4", "Security features not supported", (504,), "RFC 3463"),
    ("5.7.8", "Authentication credentials invalid", (535, 554), "RFC 4954"),
    ("5.7.9", "Authentication mechanism is too weak", (534,), "RFC 4954"),
    ("5.7.10", "Encryption Needed", (523,), "RFC 5248"),
    (
        "5.7.11",
        "Encryption required for requested authentication mechanism",
        (524, 538),
        "RFC 4954",
    ),
    ("4.7.12", "A password transition is needed", (422, 432), "RFC 4954"),
    ("5.7.13", "User Account Disabled", (525,), "RFC 5248"),
    ("5.7.14", "Trust relationship required", (535, 554), "RFC 5248"),
    ("5.7.15", "Priority Level is too low", (450, 550), "RFC 6710"),
    ("5.7.16", "Message is too big for the specified priority", (552,), "RFC 6710"),
    ("5.7.17", "Mailbox owner has changed", (), "RFC 7293"),
    ("5.7.20", "No passing DKIM signature found", (550,), "RFC 7372"),
    ("5.7.23", "SPF validation failed", (550,), "RFC 7372"),
    ("5.7.24", "SPF validation error", (451, 550), "RFC 7372"),
    ("5.7.25", "Reverse DNS validation failed", (550,), "RFC 7372"),
    ("5.7.26", "Multiple authentication checks failed", (550,), "RFC 7372"),
    ("5.7.27", "Sender address has null MX", (550,), "RFC 7505"),
    ("5.7.28", "Mail flood detected", (), "draft-levine-mailbomb-header"),
    ("5.7.29", "ARC validation failure", (550,), "RFC 8617"),
    ("5.7.30", "REQUIRETLS support required", (550,), "RFC 8689"),
)

ALL_REGISTERED = [(class_, *detail) for class_ in CLASSES for detail in DETAILS]


@pytest.fixture
def reference_rows() -> list[dict[str, str]]:
    """The rows of the registry's copy, which is no part of the project; skips without it."""
    default = Path(__file__).parents[2] / "shared" / "reference"
    path = Path(os.environ.get("SMTPFAST_REFERENCE", default)) / "enhanced-codes.tsv"
    if not path.exists():
        pytest.skip("no reference tables at SMTPFAST_REFERENCE")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


# --- The registry ---------------------------------------------------------------------------


def test_the_registry_has_3_classes_8_subjects_and_81_details() -> None:
    assert {key: row.name for key, row in CLASSES.items()} == IANA_CLASSES
    assert {key: row.name for key, row in SUBJECTS.items()} == IANA_SUBJECTS
    assert len(DETAILS) == 81
    assert list(DETAILS) == [
        (subject, detail)
        for subject, highest in IANA_HIGHEST_DETAILS.items()
        for detail in range(highest + 1)
    ]


@pytest.mark.parametrize(("written", "name", "basic_codes", "source"), IANA_DETAILS)
def test_a_detail_is_as_iana_has_it(
    written: str, name: str, basic_codes: tuple[int, ...], source: str
) -> None:
    code = EnhancedStatusCode.parse(written)
    assert (code.name, code.basic_codes) == (name, basic_codes)
    assert source in code.reference
    assert code.is_registered


def sources(reference: str) -> set[str]:
    return set(re.findall(r"RFC [0-9]+|draft-[a-z-]+", reference))


def test_the_reference_table_says_the_same(reference_rows: list[dict[str, str]]) -> None:
    seen = set()
    for row in reference_rows:
        class_, subject, detail = row["code"].split(".")
        if class_ != "X":
            ours = CLASSES[int(class_)]
        elif detail == "X":
            ours = SUBJECTS[int(subject)]
        else:
            ours = DETAILS[int(subject), int(detail)]
        # X.6.10 has no name there but a remark, which is ours.
        name = row["name"].strip("()").replace("deprecated", "Deprecated")
        basic_codes = tuple(map(int, re.findall(r"\b[0-9]{3}\b", row["basic_codes"])))
        assert (ours.name, ours.basic_codes) == (name, basic_codes), row["code"]
        assert sources(ours.reference) == sources(row["reference"]) != set(), row["code"]
        seen.add(row["code"])
    assert len(seen) == len(reference_rows) == 3 + 8 + 81


def test_every_row_has_one_sentence_in_each_language_and_no_two_alike() -> None:
    rows = [*CLASSES.values(), *SUBJECTS.values(), *DETAILS.values()]
    assert len({row.english for row in rows}) == len({row.russian for row in rows}) == 92
    for row in rows:
        assert row.english.isascii()
        for text in (row.english, row.russian):
            assert re.fullmatch(r"[^.]*(?:\.\S[^.]*)*\.", text), text
        # Latin words in Russian are those of the protocol, which have no other form.
        cyrillic, latin = (len(re.findall(each, row.russian)) for each in ("[А-яЁё]", "[A-Za-z]"))
        assert cyrillic > latin, row.russian


def test_basic_codes_are_codes_of_replies() -> None:
    for row in DETAILS.values():
        assert list(row.basic_codes) == sorted(set(row.basic_codes))
        assert all(200 <= code <= 599 for code in row.basic_codes)


# --- What a code says of itself -------------------------------------------------------------


@pytest.mark.parametrize("class_", [2, 4, 5])
def test_a_registered_code_says_what_its_row_says(class_: int) -> None:
    for (subject, detail), row in DETAILS.items():
        code = EnhancedStatusCode(class_, subject, detail)
        assert (code.class_, code.subject, code.detail) == (class_, subject, detail)
        assert code.is_registered
        assert code.name == row.name
        assert code.class_name == IANA_CLASSES[class_]
        assert code.subject_name == IANA_SUBJECTS[subject]
        assert code.basic_codes == row.basic_codes
        assert code.reference == row.reference
        assert code.description == code.describe() == code.describe("en") == row.english
        assert code.describe("ru") == row.russian


@pytest.mark.parametrize("language", ["en", "ru"])
def test_an_unregistered_detail_is_described_by_class_and_subject(language: str) -> None:
    field = {"en": "english", "ru": "russian"}[language]
    described = {}
    for class_, subject in product(CLASSES, SUBJECTS):
        for detail in (IANA_HIGHEST_DETAILS[subject] + 1, 509, 999):
            code = EnhancedStatusCode(class_, subject, detail)
            text = code.describe(language)
            assert getattr(CLASSES[class_], field) in text
            assert getattr(SUBJECTS[subject], field) in text
            assert not any(getattr(row, field) in text for row in DETAILS.values())
            assert described.setdefault((class_, subject), text) == text
            assert not code.is_registered
            assert (code.name, code.basic_codes) == ("", ())
            assert (code.class_name, code.subject_name) == (
                IANA_CLASSES[class_],
                IANA_SUBJECTS[subject],
            )
            assert code.reference == "RFC 3463 2"
    assert len(set(described.values())) == 3 * 8


def test_what_has_neither_class_nor_subject_is_described_too() -> None:
    assert CLASSES[5].english in EnhancedStatusCode(5, 8, 1).description
    assert EnhancedStatusCode(5, 8, 1).subject_name == ""
    assert SUBJECTS[7].english in EnhancedStatusCode(3, 7, 99).description
    assert EnhancedStatusCode(3, 7, 1).class_name == ""
    nothing = EnhancedStatusCode(9, 9, 9)
    assert "registry" in nothing.describe("en")
    assert "реестр" in nothing.describe("ru")


def test_a_class_that_is_not_registered_makes_no_registered_code() -> None:
    for class_ in (0, 1, 3, 6, 999):
        assert not EnhancedStatusCode(class_, 1, 1).is_registered


@pytest.mark.parametrize("language", ["de", "", "EN", None])
def test_an_unknown_language_is_an_error(language: str) -> None:
    for code in (EnhancedStatusCode(5, 1, 1), EnhancedStatusCode(5, 1, 99)):
        with pytest.raises(SmtpFastError, match=f"unknown language {language!r}"):
            code.describe(language)


# --- Reading and writing --------------------------------------------------------------------


def test_str_and_int_lead_back_to_the_code() -> None:
    for parts in product(range(10), range(10), range(41)):
        code = EnhancedStatusCode(*parts)
        class_, subject, detail = parts
        assert code == parts
        assert str(code) == f"{class_}.{subject}.{detail}"
        assert int(code) == int(f"{class_}{subject:03}{detail:03}")
        if parts != (0, 0, 0):  # 0 stands for none
            assert EnhancedStatusCode.from_int(int(code)) == code
        if class_ in (2, 4, 5):
            assert EnhancedStatusCode.parse(str(code)) == code
            assert EnhancedStatusCode.parse(str(code).encode()) == code
        else:
            with pytest.raises(SmtpFastError):
                EnhancedStatusCode.parse(str(code))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_part_goes_from_0_to_999(place: int) -> None:
    parts = [5, 1, 1]
    for edge in (0, 999):
        parts[place] = edge
        code = EnhancedStatusCode(*parts)
        assert list(code) == parts
        assert EnhancedStatusCode.from_int(int(code)) == code
    for beyond in (-1, 1000, 10**30, -(10**30)):
        parts[place] = beyond
        with pytest.raises(SmtpFastError, match="not within 0–999"):
            EnhancedStatusCode(*parts)


@pytest.mark.parametrize("wrong", ["1", b"1", 1.0, 1.5, None, (1,)], ids=repr)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_part_is_an_int(place: int, wrong: object) -> None:
    parts: list[object] = [5, 1, 1]
    parts[place] = wrong
    with pytest.raises(TypeError):
        EnhancedStatusCode(*parts)


def test_a_packed_int_has_an_upper_and_a_lower_edge() -> None:
    assert EnhancedStatusCode.from_int(0) is None
    assert EnhancedStatusCode.from_int(1) == (0, 0, 1)
    assert EnhancedStatusCode.from_int(5_001_001) is EnhancedStatusCode(5, 1, 1)
    assert EnhancedStatusCode.from_int(999_999_999) == (999, 999, 999)
    for beyond in (-1, -5_001_001, 1_000_000_000, 10**30):
        with pytest.raises(SmtpFastError):
            EnhancedStatusCode.from_int(beyond)


@pytest.mark.parametrize(
    "written", ["2.0.0", "4.0.1", "5.10.0", "5.100.100", "5.999.999", "2.7.509", "5.1.10"]
)
def test_parse_reads_what_the_grammar_allows(written: str) -> None:
    code = EnhancedStatusCode.parse(written)
    assert list(code) == [int(part) for part in written.split(".")]
    assert str(code) == written


REJECTED = [
    # fewer or more parts, or none
    *("", ".", "..", "5", "5.", "5.1", "5.1.", "5..1", ".1.1", "5.1.1.", ".5.1.1", "5.1.1.1"),
    # leading zeros
    *("05.1.1", "5.01.1", "5.1.01", "5.00.0", "5.0.00", "5.01.001", "5.1.001"),
    # classes that RFC 3463 does not define
    *("0.0.0", "1.1.1", "3.1.1", "6.1.1", "7.1.1", "8.1.1", "9.1.1", "22.1.1", "555.1.1"),
    # four digits
    *("5.1.1000", "5.1000.1", "5.7.5090", "5555.1.1"),
    # blanks and line ends
    *(" 5.1.1", "5.1.1 ", "5. 1.1", "5 .1.1", "5.1.1\n", "5.1.1\r\n", "\t5.1.1", "5.1.1\0"),
    # what int() takes and the grammar does not
    *("+5.1.1", "-5.1.1", "5.+1.1", "5.-1.1", "5.1.+1", "5.1_0.1", "5.1.1_0", "5_.1.1"),
    *("\uff15.1.1", "5.１.1", "5.1.١", "5.1.²", "٥.1.1"),
    # what find_enhanced() takes
    *("#5.1.1", "(5.1.1)", "[5.1.1]", "<5.1.1>", "5.1.1:", "5.1.1-", "5.1.1x", "5,1,1"),
    # no numbers
    *("x.1.1", "5.x.1", "5.1.x", "5.1.1e0", "5.0x1.1", "\ud800", "5.1.1\udcff", "é"),
    # IP addresses
    *("192.0.2.1", "5.1.1.1", "2.0.0.1", "::1"),
]


@pytest.mark.parametrize("written", REJECTED, ids=ascii)
def test_parse_rejects_everything_else(written: str) -> None:
    with pytest.raises(SmtpFastError, match="not an enhanced status code"):
        EnhancedStatusCode.parse(written)
    with pytest.raises(SmtpFastError, match="not an enhanced status code"):
        EnhancedStatusCode.parse(written.encode("utf-8", "surrogatepass"))


def test_the_message_shows_no_more_than_80_bytes() -> None:
    with pytest.raises(SmtpFastError) as caught:
        EnhancedStatusCode.parse("x" * 10_000)
    assert "x" * 80 in str(caught.value)
    assert "x" * 81 not in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 5, 5.1, ["5.1.1"]], ids=repr)
def test_parse_of_another_type_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError):
        EnhancedStatusCode.parse(wrong)


# --- One object for each registered code ----------------------------------------------------


def test_a_registered_code_is_one_object_wherever_it_comes_from(core: ModuleType) -> None:
    for parts in ALL_REGISTERED:
        written = ".".join(map(str, parts))
        code = EnhancedStatusCode(*parts)
        line = f"{parts[0]}50 {written} text\r\n".encode()
        assert EnhancedStatusCode.parse(written) is code
        assert EnhancedStatusCode.parse(written.encode()) is code
        assert EnhancedStatusCode.from_int(int(code)) is code
        assert core.classify(line).enhanced is code
        assert core.classify_lines(line)[0].enhanced is code
        assert core.classify_many([line])[0].enhanced is code
        assert core.StreamState().feed(line)[0].enhanced is code
        assert core.find_enhanced(f"(#{written})") is code


def test_a_code_that_is_not_registered_is_an_ordinary_value(core: ModuleType) -> None:
    for class_, (subject, detail) in product(
        (2, 4, 5), ((0, 1), (7, 31), (7, 509), (8, 0), (999, 999))
    ):
        code = EnhancedStatusCode(class_, subject, detail)
        found = core.classify(f"{class_}50 {code} text").enhanced
        assert type(found) is EnhancedStatusCode
        assert (found, hash(found), repr(found)) == (code, hash(code), repr(code))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_the_identity_of_a_registered_code(protocol: int) -> None:
    for parts in ALL_REGISTERED:
        code = EnhancedStatusCode(*parts)
        assert pickle.loads(pickle.dumps(code, protocol)) is code
    unregistered = EnhancedStatusCode(5, 7, 509)
    again = pickle.loads(pickle.dumps(unregistered, protocol))
    assert (again, type(again)) == (unregistered, EnhancedStatusCode)


def test_copying_keeps_the_identity_of_a_registered_code() -> None:
    for parts in ALL_REGISTERED:
        code = EnhancedStatusCode(*parts)
        assert copy.copy(code) is copy.deepcopy(code) is code
        assert copy.deepcopy([code])[0] is code
    unregistered = EnhancedStatusCode(5, 7, 509)
    for again in (copy.copy(unregistered), copy.deepcopy(unregistered)):
        assert (again, type(again)) == (unregistered, EnhancedStatusCode)


# --- A value among values -------------------------------------------------------------------


def test_a_code_is_immutable() -> None:
    code = EnhancedStatusCode(5, 1, 1)
    for name in ("class_", "subject", "detail", "name", "anything"):
        with pytest.raises(AttributeError):
            setattr(code, name, 2)
    with pytest.raises(TypeError):
        code[0] = 2  # type: ignore[index]
    assert not hasattr(code, "__dict__")
    assert code == (5, 1, 1)


def test_codes_hash_and_compare_as_their_numbers() -> None:
    codes = [EnhancedStatusCode(*parts) for parts in product((2, 4, 5), (0, 2, 10), (0, 9, 10))]
    assert len(set(codes)) == len(codes) == 27
    # By numbers and not by letters: 5.1.9 stands before 5.1.10.
    assert sorted(codes, key=str) != codes == sorted(set(codes))
    assert EnhancedStatusCode(5, 1, 9) < EnhancedStatusCode(5, 1, 10) <= EnhancedStatusCode(5, 2, 0)
    assert EnhancedStatusCode(4, 7, 1) != EnhancedStatusCode(5, 7, 1)
    assert sorted(codes, key=int) == codes
    for code in codes:
        assert hash(code) == hash(EnhancedStatusCode(*code)) == hash(tuple(code))
        assert {code: 1}[EnhancedStatusCode.parse(str(code))] == 1


def test_repr_says_how_to_make_it() -> None:
    code = EnhancedStatusCode(5, 7, 509)
    assert repr(code) == "EnhancedStatusCode(class_=5, subject=7, detail=509)"
    assert EnhancedStatusCode(class_=5, subject=7, detail=509) == code


def test_the_ways_of_a_named_tuple_lead_through_the_constructor() -> None:
    code = EnhancedStatusCode(5, 1, 1)
    assert EnhancedStatusCode._make((5, 1, 1)) is code
    assert code._replace(detail=2) is EnhancedStatusCode(5, 1, 2)
    with pytest.raises(SmtpFastError):
        code._replace(detail=2000)
