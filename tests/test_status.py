"""The status table: its members and words, and `lookup` and `describe` over it."""

from __future__ import annotations

import copy
import csv
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import smtpfast
from smtpfast import Category, Severity, SmtpFastError, SmtpStatusCode

if TYPE_CHECKING:
    from types import ModuleType

# Value, name in Aspose.Email for Python, name in Aspose.Email for .NET.
ASPOSE = (
    (-1, "GENERAL_FAILURE", "GeneralFailure"),
    (0, "NOT_DEFINED", "NotDefined"),
    (211, "SYSTEM_STATUS", "SystemStatus"),
    (214, "HELP_MESSAGE", "HelpMessage"),
    (220, "SERVICE_READY", "ServiceReady"),
    (221, "SERVICE_CLOSING_TRANSMISSION_CHANNEL", "ServiceClosingTransmissionChannel"),
    (235, "AUTHENTICATION_SUCCEEDED", "AuthenticationSucceeded"),
    (250, "OK", "Ok"),
    (251, "USER_NOT_LOCAL_WILL_FORWARD", "UserNotLocalWillForward"),
    (252, "CANNOT_VERIFY_USER_WILL_ATTEMPT_DELIVERY", "CannotVerifyUserWillAttemptDelivery"),
    (334, "BASE_64_RESPONSE", "Base64Response"),
    (354, "START_MAIL_INPUT", "StartMailInput"),
    (421, "SERVICE_NOT_AVAILABLE", "ServiceNotAvailable"),
    (432, "PASSWORD_TRANSITION_NEEDED", "PasswordTransitionNeeded"),
    (450, "MAILBOX_BUSY", "MailboxBusy"),
    (451, "LOCAL_ERROR_IN_PROCESSING", "LocalErrorInProcessing"),
    (452, "INSUFFICIENT_STORAGE", "InsufficientStorage"),
    (454, "CLIENT_NOT_PERMITTED", "ClientNotPermitted"),
    (500, "COMMAND_UNRECOGNIZED", "CommandUnrecognized"),
    (501, "SYNTAX_ERROR", "SyntaxError"),
    (502, "COMMAND_NOT_IMPLEMENTED", "CommandNotImplemented"),
    (503, "COMMAND_NOT_PERMITTED", "CommandNotPermitted"),
    (504, "UNRECOGNIZED_AUTHENTICATION_TYPE", "UnrecognizedAuthenticationType"),
    (530, "AUTHENTICATION_REQUIRED", "AuthenticationRequired"),
    (534, "AUTHENTICATION_MECHANISM_IS_TO_WEAK", "AuthenticationMechanismIsToWeak"),
    (535, "CREDENTIALS_INVALID", "CredentialsInvalid"),
    (538, "ENCRYPTION_REQUIRED_REQUESTED_MECHANISM", "EncryptionRequiredRequestedMechanism"),
    (550, "MAILBOX_UNAVAILABLE", "MailboxUnavailable"),
    (551, "USER_NOT_LOCAL_TRY_ALTERNATE_PATH", "UserNotLocalTryAlternatePath"),
    (552, "EXCEEDED_STORAGE_ALLOCATION", "ExceededStorageAllocation"),
    (553, "MAILBOX_NAME_NOT_ALLOWED", "MailboxNameNotAllowed"),
    (554, "TRANSACTION_FAILED", "TransactionFailed"),
)

# What an RFC defines and Aspose.Email lacks.
ADDED = (
    (253, "PENDING_MESSAGES_STARTED"),
    (355, "TRANSACTION_OFFSET"),
    (453, "YOU_HAVE_NO_MAIL"),
    (455, "PARAMETERS_NOT_ACCOMMODATED"),
    (458, "UNABLE_TO_QUEUE_FOR_NODE"),
    (459, "NODE_NOT_ALLOWED"),
    (521, "HOST_DOES_NOT_ACCEPT_MAIL"),
    (523, "ENCRYPTION_NEEDED"),
    (524, "ENCRYPTION_REQUIRED_FOR_AUTHENTICATION"),
    (525, "USER_ACCOUNT_DISABLED"),
    (555, "PARAMETERS_NOT_RECOGNIZED"),
    (556, "DOMAIN_DOES_NOT_ACCEPT_MAIL"),
)

# System.Net.Mail.SmtpStatusCode, from its documentation.
SYSTEM_NET_MAIL = {
    "BadCommandSequence": 503,
    "CannotVerifyUserWillAttemptDelivery": 252,
    "ClientNotPermitted": 454,
    "CommandNotImplemented": 502,
    "CommandParameterNotImplemented": 504,
    "CommandUnrecognized": 500,
    "ExceededStorageAllocation": 552,
    "GeneralFailure": -1,
    "HelpMessage": 214,
    "InsufficientStorage": 452,
    "LocalErrorInProcessing": 451,
    "MailboxBusy": 450,
    "MailboxNameNotAllowed": 553,
    "MailboxUnavailable": 550,
    "MustIssueStartTlsFirst": 530,
    "Ok": 250,
    "ServiceClosingTransmissionChannel": 221,
    "ServiceNotAvailable": 421,
    "ServiceReady": 220,
    "StartMailInput": 354,
    "SyntaxError": 501,
    "SystemStatus": 211,
    "TransactionFailed": 554,
    "UserNotLocalTryAlternatePath": 551,
    "UserNotLocalWillForward": 251,
}

# The replies that these list.
RFC_5321_4_2_3 = {
    *(211, 214, 220, 221, 250, 251, 252, 354, 421, 450, 451, 452, 455),
    *(500, 501, 502, 503, 504, 550, 551, 552, 553, 554, 555),
}
RFC_4954_6 = {235, 432, 454, 530, 534, 535, 538}
RFC_1985 = {250, 251, 252, 253, 458, 459}

VALUES = [value for value, *_ in ASPOSE] + [value for value, _ in ADDED]
ALL_CODES = range(-2, 1201)
HUGE = (2**31, 2**31 - 1, -(2**31) - 1, 2**63, 2**63 - 1, -(2**63) - 1, 10**30, -(10**30))


class Indexable:
    """What is no int but stands for one."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __index__(self) -> object:
        return self.value


# --- The members ----------------------------------------------------------------------------


def test_there_are_44_members_with_these_names_and_values() -> None:
    expected = sorted([(value, name) for value, name, _ in ASPOSE] + list(ADDED))
    assert len(expected) == 44
    assert sorted((member.value, member.name) for member in SmtpStatusCode) == expected


def test_members_stand_in_the_order_of_their_values() -> None:
    assert list(SmtpStatusCode) == sorted(SmtpStatusCode)


@pytest.mark.parametrize(("value", "name", "alias"), ASPOSE, ids=lambda each: str(each))
def test_the_spelling_of_net_is_an_alias(value: int, name: str, alias: str) -> None:
    assert SmtpStatusCode[alias] is getattr(SmtpStatusCode, alias)
    assert SmtpStatusCode[alias] is SmtpStatusCode[name] is SmtpStatusCode(value)


@pytest.mark.parametrize(("name", "value"), SYSTEM_NET_MAIL.items())
def test_every_name_of_system_net_mail_is_there(name: str, value: int) -> None:
    assert SmtpStatusCode[name] is getattr(SmtpStatusCode, name) is SmtpStatusCode(value)


def test_the_name_that_534_was_meant_to_have() -> None:
    member = SmtpStatusCode.AUTHENTICATION_MECHANISM_TOO_WEAK
    assert member is SmtpStatusCode.AUTHENTICATION_MECHANISM_IS_TO_WEAK
    assert member.name == "AUTHENTICATION_MECHANISM_IS_TO_WEAK"


def test_there_are_no_other_names() -> None:
    names = {name for _, *both in ASPOSE for name in both} | {name for _, name in ADDED}
    names |= {*SYSTEM_NET_MAIL, "AUTHENTICATION_MECHANISM_TOO_WEAK"}
    assert set(SmtpStatusCode.__members__) == names


def test_the_reference_table_says_the_same() -> None:
    default = Path(__file__).parents[2] / "shared" / "reference"
    path = Path(os.environ.get("SMTPFAST_REFERENCE", default)) / "reply-codes.tsv"
    if not path.exists():
        pytest.skip("no reference tables at SMTPFAST_REFERENCE")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    taken = {(int(row["code"]), row["name"]) for row in rows if row["in_aspose"] == "yes"}
    assert taken == {(value, name) for value, name, _ in ASPOSE}
    names = {int(row["code"]): row["name"] for row in rows}
    for value, name in ADDED:
        # The table calls 524 by its number.
        assert names[value] == (name if value != 524 else "ENCRYPTION_REQUIRED_524")


def test_the_enumeration_raises_for_other_values() -> None:
    for value in {*ALL_CODES, *HUGE}.difference(VALUES):
        with pytest.raises(ValueError, match=f"^{value} is not a valid SmtpStatusCode$"):
            SmtpStatusCode(value)


# --- It is an IntEnum: what a user of Aspose.Email's or of http.HTTPStatus relies on ----------


@pytest.mark.parametrize("value", VALUES)
def test_a_member_is_its_int(value: int) -> None:
    member = SmtpStatusCode(value)
    assert isinstance(member, int)
    assert member == value
    assert int(member) == value
    assert hash(member) == hash(value)
    assert {value: "found"}[member] == "found"
    assert f"{member}" == f"{member:d}" == str(member) == str(value)
    assert "%d" % member == str(value)  # noqa: UP031
    assert repr(member) == f"<SmtpStatusCode.{member.name}: {value}>"
    assert json.dumps([member, {"code": member}]) == json.dumps([value, {"code": value}])
    assert json.dumps({member: 1}) == json.dumps({value: 1})


def test_members_compare_with_each_other_and_with_ints() -> None:
    assert SmtpStatusCode.OK < SmtpStatusCode.MAILBOX_BUSY < 500 <= SmtpStatusCode.SYNTAX_ERROR
    assert SmtpStatusCode.OK in range(200, 300)
    assert SmtpStatusCode.OK != SmtpStatusCode.SERVICE_READY
    assert SmtpStatusCode.OK // 100 == 2


def test_members_cannot_be_replaced_or_added() -> None:
    with pytest.raises(AttributeError):
        SmtpStatusCode.OK = 251  # type: ignore[misc]
    with pytest.raises(TypeError):

        class More(SmtpStatusCode):
            pass

    assert SmtpStatusCode.OK == 250


# --- What it says of each -------------------------------------------------------------------


def test_english_and_russian_describe_every_member_and_no_two_alike() -> None:
    english = {member.describe("en") for member in SmtpStatusCode}
    russian = {member.describe("ru") for member in SmtpStatusCode}
    assert len(english) == len(russian) == 44
    assert not english & russian
    for member in SmtpStatusCode:
        assert member.description == member.describe() == member.describe("en")


def assert_is_english(text: str) -> None:
    assert text.isascii()
    assert text == text.strip()


def assert_is_russian(text: str) -> None:
    """Cyrillic; what is Latin are words of the protocol and names, which have no other form."""
    latin = re.findall(r"[A-Za-z][A-Za-z0-9]*", text)
    assert all(word.isupper() or word in ("base64", "Exchange") for word in latin), latin
    assert len(re.findall(r"[а-яё]", text.lower())) > 2 * len("".join(latin))


@pytest.mark.parametrize("member", SmtpStatusCode, ids=lambda member: member.name)
def test_a_description_is_one_or_two_sentences(member: SmtpStatusCode) -> None:
    assert_is_english(member.describe("en"))
    assert_is_russian(member.describe("ru"))
    for language in ("en", "ru"):
        text = member.describe(language)
        assert text.endswith(".")
        assert 1 <= len(re.findall(r"\.(?:\s|$)", text)) <= 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (211, ("state of the system", "help", "details about the server")),
        (334, ("challenge", "base64")),
        (421, ("closes the connection", "later")),
        (450, ("mailbox", "now", "later")),
        (454, ("TLS", "authentication", "for the moment")),
        (530, ("secure connection", "authentication", "first", "block list")),
        (551, ("not local", "relaying is denied")),
        (554, ("for good", "do not try again")),
    ],
)
def test_a_description_says_what_matters(value: int, words: tuple[str, ...]) -> None:
    text = SmtpStatusCode(value).description
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("member", SmtpStatusCode, ids=lambda member: member.name)
def test_a_reference_names_an_rfc(member: SmtpStatusCode) -> None:
    if member < 1:
        assert member.reference.startswith("not on the wire; Aspose.Email")
    else:
        assert re.match(r"RFC [1-9][0-9]{3}\b", member.reference)


@pytest.mark.parametrize(
    ("section", "codes"),
    [("RFC 5321 4.2.3", RFC_5321_4_2_3), ("RFC 4954 6", RFC_4954_6), ("RFC 1985", RFC_1985)],
)
def test_references_agree_with_the_list_in_the_rfc(section: str, codes: set[int]) -> None:
    assert {int(member) for member in SmtpStatusCode if section in member.reference} == codes


@pytest.mark.parametrize("language", ["de", "", "EN", "en-GB", None, 0, b"en"])
def test_an_unknown_language_is_an_error(core: ModuleType, language: object) -> None:
    message = re.escape(f"unknown language {language!r}: expected 'en' or 'ru'")
    for describe in (
        SmtpStatusCode.OK.describe,
        Severity.UNDEFINED.describe,
        Category.UNDEFINED.describe,
        lambda language: core.describe(250, language),
        lambda language: core.describe(599, language),
        lambda language: core.describe(10**30, language=language),
    ):
        with pytest.raises(SmtpFastError, match=message):
            describe(language)


# --- Severity and category ------------------------------------------------------------------


def severity_by_digits(code: int) -> str:
    if not 1 <= code <= 999:
        return "UNDEFINED"
    return {
        "2": "POSITIVE_COMPLETION",
        "3": "POSITIVE_INTERMEDIATE",
        "4": "TRANSIENT_NEGATIVE_COMPLETION",
        "5": "PERMANENT_NEGATIVE_COMPLETION",
    }.get(f"{code:03}"[0], "UNDEFINED")


def category_by_digits(code: int) -> str:
    if not 1 <= code <= 999:
        return "UNDEFINED"
    return {
        "0": "SYNTAX",
        "1": "INFORMATION",
        "2": "CONNECTIONS",
        "3": "UNSPECIFIED",
        "4": "UNSPECIFIED",
        "5": "MAIL_SYSTEM",
    }.get(f"{code:03}"[1], "UNDEFINED")


def test_severity_and_category_of_every_int_come_from_its_digits() -> None:
    for code in (*ALL_CODES, *HUGE):
        assert Severity.of(code).name == severity_by_digits(code), code
        assert Category.of(code).name == category_by_digits(code), code


@pytest.mark.parametrize("member", SmtpStatusCode, ids=lambda member: member.name)
def test_severity_and_category_of_a_member(member: SmtpStatusCode) -> None:
    assert member.severity.name == severity_by_digits(member.value)
    assert member.category.name == category_by_digits(member.value)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Severity, {"UNDEFINED": 0, "POSITIVE_COMPLETION": 2, "POSITIVE_INTERMEDIATE": 3,
                    "TRANSIENT_NEGATIVE_COMPLETION": 4, "PERMANENT_NEGATIVE_COMPLETION": 5}),
        (Category, {"UNDEFINED": -1, "SYNTAX": 0, "INFORMATION": 1, "CONNECTIONS": 2,
                    "UNSPECIFIED": 3, "MAIL_SYSTEM": 5}),
    ],
)  # fmt: skip
def test_the_kinds_of_digits(kind: type[Severity | Category], values: dict[str, int]) -> None:
    assert {member.name: member.value for member in kind} == values
    for language, check in (("en", assert_is_english), ("ru", assert_is_russian)):
        texts = [member.describe(language) for member in kind]
        assert len(set(texts)) == len(kind)
        for text in texts:
            check(text)


# --- lookup and describe on both cores ------------------------------------------------------


def test_lookup_finds_the_members_and_nothing_else(core: ModuleType) -> None:
    members = {member.value: member for member in SmtpStatusCode}
    for code in (*ALL_CODES, *HUGE):
        assert core.lookup(code) is members.get(code, SmtpStatusCode.NOT_DEFINED), code


@pytest.mark.parametrize("language", ["en", "ru"])
def test_describe_gives_each_code_its_own_text(core: ModuleType, language: str) -> None:
    texts = {member.value: member.describe(language) for member in SmtpStatusCode}
    members_texts = set(texts.values())
    for code in (*ALL_CODES, *HUGE):
        text = core.describe(code, language)
        assert text == core.describe(code, language=language)
        if code in texts:
            assert text == texts[code]
        else:
            assert text not in members_texts, code
            assert Severity.of(code).describe(language) in text, code
            assert Category.of(code).describe(language) in text, code


def test_codes_without_a_member_differ_in_text_where_their_digits_differ(core: ModuleType) -> None:
    said: dict[str, tuple[str, str]] = {}
    for code in (code for code in ALL_CODES if code not in VALUES):
        digits = severity_by_digits(code), category_by_digits(code)
        assert said.setdefault(core.describe(code), digits) == digits
        assert_is_russian(core.describe(code, "ru"))


def test_describe_is_english_by_default(core: ModuleType) -> None:
    for code in (-1, 0, 250, 599, 10**30):
        assert core.describe(code) == core.describe(code, "en") != core.describe(code, "ru")


def test_whatever_stands_for_an_int_is_one(core: ModuleType) -> None:
    assert core.lookup(True) is core.lookup(False) is SmtpStatusCode.NOT_DEFINED
    assert core.describe(True) == core.describe(1) != core.describe(False) == core.describe(0)
    for code in (-1, 0, 250, 599, 999, 1000, *HUGE):
        assert core.lookup(Indexable(code)) is core.lookup(code)
        assert core.describe(Indexable(code), "ru") == core.describe(code, "ru")
    for member in SmtpStatusCode:
        assert core.lookup(member) is member
        assert core.describe(member) == member.description


@pytest.mark.parametrize("function", ["lookup", "describe"])
@pytest.mark.parametrize(
    "wrong",
    ["550", b"550", 550.0, float("nan"), 550j, None, [550], (), object, Indexable("550")],
    ids=repr,
)
def test_what_is_no_integer_is_the_same_type_error_on_both_cores(
    both: tuple[ModuleType, ModuleType], function: str, wrong: object
) -> None:
    messages = []
    for core in both:
        with pytest.raises(TypeError) as caught:
            getattr(core, function)(wrong)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert type(wrong).__name__ in messages[0] or "__index__" in messages[0]


def test_the_error_of_an_index_passes_through(core: ModuleType) -> None:
    class Broken:
        def __index__(self) -> int:
            raise LookupError("of its own")

    for function in (core.lookup, core.describe):
        with pytest.raises(LookupError, match="of its own"):
            function(Broken())


# --- Copies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [SmtpStatusCode, Severity, Category], ids=lambda kind: kind.__name__
)
def test_a_copy_of_a_member_is_the_member(
    kind: type[SmtpStatusCode | Severity | Category],
) -> None:
    for member in kind:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(member, protocol)) is member
        assert copy.copy(member) is copy.deepcopy(member) is member


def test_a_member_that_lookup_gave_pickles_and_copies_as_itself(core: ModuleType) -> None:
    for code in VALUES:
        member = core.lookup(code)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(member, protocol)) is member
        assert copy.copy(member) is copy.deepcopy(member) is member
        assert json.dumps(member) == str(code)


COMPARE_WITH_PICKLED = """
import pickle, sys
import smtpfast
backend, codes, members, lines, reply_lines = pickle.load(sys.stdin.buffer)
assert smtpfast.BACKEND == backend
assert all(smtpfast.lookup(code) is member for code, member in zip(codes, members, strict=True))
for data, line in lines:
    again = smtpfast.classify(data)
    assert again == line and repr(again) == repr(line) and hash(again) == hash(line)
    assert again.status is line.status and type(again.enhanced) is type(line.enhanced)
assert smtpfast.classify_lines(bytes(reply_lines.data)) == reply_lines
print("same")
"""


@pytest.mark.parametrize("maker", ["pure", "compiled"])
def test_what_one_core_made_unpickles_under_the_other(
    both: tuple[ModuleType, ModuleType], maker: str
) -> None:
    core = both[maker == "compiled"]
    other = "pure" if maker == "compiled" else "compiled"
    codes = [*ALL_CODES, *HUGE]
    inputs = [b"250 Done\r\n", b"550-5.7.509 x", b"450 4.2.2 Full", b"599", b"?", b"550 \xff\n"]
    made = (
        other,
        codes,
        [core.lookup(code) for code in codes],
        [(data, core.classify(data)) for data in inputs],
        core.classify_lines(b"\n".join(inputs)),
    )
    path = [str(Path(smtpfast.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "SMTPFAST_BACKEND": other,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }
    result = subprocess.run(
        [sys.executable, "-c", COMPARE_WITH_PICKLED],
        input=pickle.dumps(made),
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout.strip()) == (0, b"same"), result.stderr.decode()
