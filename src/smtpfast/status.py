"""THE TABLE: every SMTP reply code with a meaning, and what its digits say.

All that knows a code got it from here. Names and values of the first 32 members are those of
Aspose.Email's enumeration `SmtpStatusCode` (its spelling included, `IS_TO_WEAK` too), so that this
one drops in for it; the aliases in .NET's spelling are Aspose.Email's for .NET and, where they
differ, System.Net.Mail's. The 12 others are those to which an RFC gives a meaning.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from .errors import SmtpFastError
from .records import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final, Self

LANGUAGES: Final = ("en", "ru")


def choose(language: str, english: str, russian: str) -> str:
    """The one of two texts that `language` ("en" or "ru") names; else `SmtpFastError`."""
    if language == "en":
        return english
    if language == "ru":
        return russian
    raise SmtpFastError(f"unknown language {language!r}: expected 'en' or 'ru'")


class Described:
    """A member of an enumeration that a sentence explains in each language."""

    description: str
    _russian: str

    def describe(self, language: str = "en") -> str:
        """What it means, in "en" or "ru"; another language is a `SmtpFastError`."""
        return choose(language, self.description, self._russian)


class _Digit(Described, IntEnum):
    def __new__(cls, value: int, english: str, russian: str) -> Self:
        """A member of three values: the number and its sentence in each language."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.description = english
        member._russian = russian
        return member


class DescribedName(Described, StrEnum):
    """The base of enumerations whose members are names, each with a sentence in each language."""

    def __new__(cls, value: str, english: str, russian: str) -> Self:
        """A member of three values: the name and its sentence in each language."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = english
        member._russian = russian
        return member


class Severity(_Digit):
    """The first digit of a reply code (RFC 5321 section 4.2.1)."""

    UNDEFINED = (
        0,
        "The first digit has no meaning in SMTP",
        "Первая цифра в SMTP не определена",
    )
    POSITIVE_COMPLETION = 2, "Success", "Успех"
    POSITIVE_INTERMEDIATE = (
        3,
        "Accepted so far, the server waits for more",
        "Пока принято, сервер ждёт продолжения",
    )
    TRANSIENT_NEGATIVE_COMPLETION = (
        4,
        "Temporary failure, the same command may succeed later",
        "Временная ошибка, та же команда позже может пройти",
    )
    PERMANENT_NEGATIVE_COMPLETION = (
        5,
        "Permanent failure, the same command will not succeed",
        "Постоянная ошибка, повторять ту же команду бесполезно",
    )

    @classmethod
    def of(cls, code: int) -> Severity:
        """The severity of any int; `UNDEFINED` outside 200–599."""
        return _SEVERITIES[code // 100] if 0 < code < 1000 else Severity.UNDEFINED


class Category(_Digit):
    """The second digit of a reply code (RFC 5321 section 4.2.1)."""

    UNDEFINED = (
        -1,
        "the second digit has no meaning in SMTP",
        "вторая цифра в SMTP не определена",
    )
    SYNTAX = 0, "about the syntax of the command", "касается синтаксиса команды"
    INFORMATION = 1, "an answer to a request for information", "ответ на запрос сведений"
    CONNECTIONS = 2, "about the connection", "касается соединения"
    UNSPECIFIED = (
        3,
        "of a category that RFC 5321 leaves open",
        "категория, которую RFC 5321 не определяет",
    )
    MAIL_SYSTEM = (
        5,
        "about the receiving mail system",
        "касается принимающей почтовой системы",
    )

    @classmethod
    def of(cls, code: int) -> Category:
        """The category of any int; `UNDEFINED` where it has no second digit from 0 to 5.

        The second digits 3 and 4 are both `UNSPECIFIED`. 0 is no code but `NOT_DEFINED`.
        """
        return _CATEGORIES[code // 10 % 10] if 0 < code < 1000 else Category.UNDEFINED


_SEVERITIES: Final = (
    *[Severity.UNDEFINED] * 2,
    Severity.POSITIVE_COMPLETION,
    Severity.POSITIVE_INTERMEDIATE,
    Severity.TRANSIENT_NEGATIVE_COMPLETION,
    Severity.PERMANENT_NEGATIVE_COMPLETION,
    *[Severity.UNDEFINED] * 4,
)
_CATEGORIES: Final = (
    Category.SYNTAX,
    Category.INFORMATION,
    Category.CONNECTIONS,
    Category.UNSPECIFIED,
    Category.UNSPECIFIED,
    Category.MAIL_SYSTEM,
    *[Category.UNDEFINED] * 4,
)


class SmtpStatusCode(Described, IntEnum):
    """The reply codes of SMTP: an `int` each, with description and source.

    `SmtpStatusCode(code)` raises `ValueError` for a number without a member, as enums do;
    `smtpfast.lookup(code)` never does, and is much faster.
    """

    reference: str

    def __new__(cls, value: int, reference: str, english: str, russian: str) -> Self:
        """A member of four values: the number, its source, its sentence in each language."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.reference = reference
        member.description = english
        member._russian = russian
        return member

    @property
    def severity(self) -> Severity:
        """What the first digit says (RFC 5321 section 4.2.1)."""
        return Severity.of(self)

    @property
    def category(self) -> Category:
        """What the second digit says (RFC 5321 section 4.2.1)."""
        return Category.of(self)

    # Never on the wire.
    GENERAL_FAILURE = (
        -1,
        "not on the wire; Aspose.Email, System.Net.Mail",
        "No verdict of the server is available: the exchange failed, or what came back"
        " was not an SMTP reply.",
        "Вердикта сервера нет: обмен не удался или то, что пришло, не является ответом SMTP.",
    )
    NOT_DEFINED = (
        0,
        "not on the wire; Aspose.Email",
        "No status that this table knows: none has been set yet, or the code has no member.",
        "В таблице такого статуса нет: он ещё не задан или этот код в неё не входит.",
    )

    # 2yz: done.
    SYSTEM_STATUS = (
        211,
        "RFC 5321 4.2.3",
        "The state of the system, or the answer to a help request, with details about the server.",
        "Состояние системы или ответ на запрос справки; содержит подробности о сервере.",
    )
    HELP_MESSAGE = (
        214,
        "RFC 5321 4.2.3",
        "Help for a human reader: how to use the server or one of its commands.",
        "Справка для человека: как пользоваться сервером или отдельной его командой.",
    )
    SERVICE_READY = (
        220,
        "RFC 5321 4.2.3; RFC 3207 4",
        "The server greets and is ready for a session. After STARTTLS: begin the TLS handshake.",
        "Сервер приветствует и готов к сеансу. После STARTTLS: можно начинать согласование TLS.",
    )
    SERVICE_CLOSING_TRANSMISSION_CHANNEL = (
        221,
        "RFC 5321 4.2.3",
        "The server says goodbye and closes the connection, normally as the answer to QUIT.",
        "Сервер прощается и закрывает соединение, обычно в ответ на QUIT.",
    )
    AUTHENTICATION_SUCCEEDED = (
        235,
        "RFC 4954 6",
        "Authentication succeeded; the session goes on under this identity.",
        "Аутентификация прошла успешно; сеанс продолжается от имени этого пользователя.",
    )
    OK = (
        250,
        "RFC 5321 4.2.3; RFC 1985",
        "The requested mail action was carried out; after the final dot, the server has taken"
        " responsibility for the message.",
        "Запрошенное действие выполнено; после завершающей точки это значит, что сервер принял"
        " ответственность за письмо.",
    )
    USER_NOT_LOCAL_WILL_FORWARD = (
        251,
        "RFC 5321 4.2.3, 3.4; RFC 1985",
        "The recipient is not local, but the server accepts the message and forwards it to"
        " the address in the text.",
        "Получатель не локальный, но сервер примет письмо и перешлёт его по адресу,"
        " указанному в тексте.",
    )
    CANNOT_VERIFY_USER_WILL_ATTEMPT_DELIVERY = (
        252,
        "RFC 5321 4.2.3, 3.5.3; RFC 1985",
        "The server will not say whether the address exists, but takes mail for it and tries"
        " to deliver.",
        "Сервер не подтверждает, что адрес существует, но примет письмо и попробует доставить.",
    )
    PENDING_MESSAGES_STARTED = (
        253,
        "RFC 1985",
        "Answer to ETRN: delivery of the stated number of queued messages for the node has begun.",
        "Ответ на ETRN: началась доставка указанного числа писем, ожидавших этот узел в очереди.",
    )

    # 3yz: go on.
    BASE_64_RESPONSE = (
        334,
        "RFC 4954 4",
        "A step of authentication: the text is the server's challenge in base64, and the client"
        " answers in base64.",
        "Шаг аутентификации: в тексте запрос сервера в base64, клиент отвечает тоже в base64.",
    )
    START_MAIL_INPUT = (
        354,
        "RFC 5321 4.2.3",
        "Send the message now and end it with a line that holds a single dot.",
        "Передавайте письмо и завершите его строкой из одной точки.",
    )
    TRANSACTION_OFFSET = (
        355,
        "RFC 1845",
        "Resume the interrupted transfer at the octet offset that stands first in the text.",
        "Продолжайте прерванную передачу со смещения в байтах, указанного в начале текста.",
    )

    # 4yz: not now.
    SERVICE_NOT_AVAILABLE = (
        421,
        "RFC 5321 4.2.3, 3.8",
        "The service is not available now and the server closes the connection; this may answer"
        " any command. Try again later.",
        "Служба сейчас недоступна, и сервер закроет соединение; так он может ответить на любую"
        " команду. Попробуйте позже.",
    )
    PASSWORD_TRANSITION_NEEDED = (
        432,
        "RFC 4954 6",
        "The user must log in once with another mechanism (usually PLAIN) before this one works."
        " Exchange also sends it when it throttles.",
        "Пользователь должен один раз войти с помощью другого механизма (обычно PLAIN), тогда"
        " заработает и этот. Exchange отвечает так и при ограничении нагрузки.",
    )
    MAILBOX_BUSY = (
        450,
        "RFC 5321 4.2.3; RFC 2645 5.2.1",
        "The mailbox cannot be used now: busy, greylisted or held back by policy. Try again later.",
        "Почтовый ящик сейчас недоступен: занят, действует грейлистинг или временный запрет"
        " по политике сервера. Попробуйте позже.",
    )
    LOCAL_ERROR_IN_PROCESSING = (
        451,
        "RFC 5321 4.2.3",
        "The server gave up because of an error of its own; the message may pass on a later try.",
        "Сервер прервал обработку из-за собственной ошибки; при повторе письмо может пройти.",
    )
    INSUFFICIENT_STORAGE = (
        452,
        "RFC 5321 4.2.3, 4.5.3.1.10; RFC 1870 6.1",
        "Not enough storage at the moment, or too many recipients in one transaction: send"
        " the remaining ones in another.",
        "Сейчас не хватает места либо получателей в одной транзакции слишком много: остальным"
        " отправьте письмо в следующей.",
    )
    YOU_HAVE_NO_MAIL = (
        453,
        "RFC 2645 5.2.1",
        "Answer to ATRN: no mail is waiting for the requested domains.",
        "Ответ на ATRN: для запрошенных доменов писем нет.",
    )
    CLIENT_NOT_PERMITTED = (
        454,
        "RFC 3207 4; RFC 4954 6",
        "TLS or authentication is not available for the moment; the client may try again later.",
        "TLS или аутентификация временно недоступны; клиент может повторить попытку позже.",
    )
    PARAMETERS_NOT_ACCOMMODATED = (
        455,
        "RFC 5321 4.2.3",
        "The server cannot honour the parameters of MAIL or RCPT at present.",
        "Сервер сейчас не может учесть параметры команды MAIL или RCPT.",
    )
    UNABLE_TO_QUEUE_FOR_NODE = (
        458,
        "RFC 1985",
        "Answer to ETRN: messages for the named node cannot be queued now.",
        "Ответ на ETRN: сейчас нельзя поставить в очередь письма для указанного узла.",
    )
    NODE_NOT_ALLOWED = (
        459,
        "RFC 1985",
        "Answer to ETRN: the named node may not be served; the text says why.",
        "Ответ на ETRN: обслуживать указанный узел не разрешено; причина в тексте.",
    )

    # 5yz: no.
    COMMAND_UNRECOGNIZED = (
        500,
        "RFC 5321 4.2.3",
        "The server does not know the command, or the command line is too long.",
        "Сервер не знает такой команды, или командная строка слишком длинная.",
    )
    SYNTAX_ERROR = (
        501,
        "RFC 5321 4.2.3",
        "The command is known, but its parameters or arguments are not written correctly.",
        "Команда известна, но её параметры или аргументы записаны с ошибкой.",
    )
    COMMAND_NOT_IMPLEMENTED = (
        502,
        "RFC 5321 4.2.3, 4.2.4",
        "The server knows the command but does not offer it.",
        "Сервер знает эту команду, но не выполняет её.",
    )
    COMMAND_NOT_PERMITTED = (
        503,
        "RFC 5321 4.2.3",
        "The command comes out of turn: something that must go before it is missing or failed.",
        "Команда подана не по порядку: нужная перед ней не была подана или завершилась ошибкой.",
    )
    UNRECOGNIZED_AUTHENTICATION_TYPE = (
        504,
        "RFC 5321 4.2.3; RFC 4954 4",
        "A parameter of the command is not implemented; after AUTH, the mechanism is unknown.",
        "Параметр команды не поддерживается; после AUTH это значит, что механизм неизвестен.",
    )
    HOST_DOES_NOT_ACCEPT_MAIL = (
        521,
        "RFC 7504 3",
        "This host never accepts mail. Some servers also send it to refuse one client.",
        "Этот хост никогда не принимает почту. Некоторые серверы отвечают так и отдельному"
        " нежелательному клиенту.",
    )
    ENCRYPTION_NEEDED = (
        523,
        "RFC 5248 2.4; IANA X.7.10",
        "The authentication mechanism needs a stronger privacy layer than the session has.",
        "Для этого механизма аутентификации нужна более надёжная защита канала.",
    )
    ENCRYPTION_REQUIRED_FOR_AUTHENTICATION = (
        524,
        "RFC 5248 2.4; IANA X.7.11",
        "The chosen authentication mechanism works only over an encrypted connection.",
        "Выбранный механизм аутентификации допустим только по шифрованному соединению.",
    )
    USER_ACCOUNT_DISABLED = (
        525,
        "RFC 5248 2.4; IANA X.7.13",
        "The account has been disabled by an administrator; some servers say it of a recipient.",
        "Учётная запись отключена администратором; некоторые серверы говорят так и о получателе.",
    )
    AUTHENTICATION_REQUIRED = (
        530,
        "RFC 4954 6; RFC 3207 4",
        "A secure connection (STARTTLS) or authentication must come first; it is also met"
        " where the sender is on a block list.",
        "Сначала нужно защищённое соединение (STARTTLS) или аутентификация; встречается и тогда,"
        " когда отправитель находится в чёрном списке.",
    )
    AUTHENTICATION_MECHANISM_IS_TO_WEAK = (
        534,
        "RFC 4954 6",
        "The chosen authentication mechanism is weaker than this user's policy allows.",
        "Выбранный механизм аутентификации слабее, чем допускает политика для этого пользователя.",
    )
    CREDENTIALS_INVALID = (
        535,
        "RFC 4954 6",
        "Authentication failed: the user name or password is wrong or not accepted.",
        "Аутентификация не удалась: имя или пароль неверны либо не приняты.",
    )
    ENCRYPTION_REQUIRED_REQUESTED_MECHANISM = (
        538,
        "RFC 4954 6",
        "The requested authentication mechanism may be used only over an encrypted connection.",
        "Запрошенный механизм аутентификации разрешён только при шифровании соединения.",
    )
    MAILBOX_UNAVAILABLE = (
        550,
        "RFC 5321 4.2.3",
        "Refused: the mailbox does not exist, may not be reached, or a policy forbids it."
        " The enhanced code and the text say which.",
        "Отказано: ящика нет, доступа к нему нет или запрещает политика. Что именно, говорят"
        " расширенный код и текст.",
    )
    USER_NOT_LOCAL_TRY_ALTERNATE_PATH = (
        551,
        "RFC 5321 4.2.3, 3.4",
        "The recipient is not local and the server does not relay: relaying is denied, or"
        " the text names the address to use instead.",
        "Получатель не локальный, и сервер не пересылает почту: ретрансляция запрещена или"
        " верный адрес указан в тексте.",
    )
    EXCEEDED_STORAGE_ALLOCATION = (
        552,
        "RFC 5321 4.2.3, 4.5.3.1.10; RFC 1870 6.1",
        "The mailbox is over its quota or the message is too large; after RCPT, treat it as"
        " too many recipients and send the others later.",
        "Ящик переполнен или письмо слишком велико; после RCPT считайте, что получателей слишком"
        " много, и отправьте остальным позже.",
    )
    MAILBOX_NAME_NOT_ALLOWED = (
        553,
        "RFC 5321 4.2.3; RFC 6531 3.5",
        "The address is not allowed, for example because it is not written correctly; some"
        " servers refuse relaying with it.",
        "Такой адрес не допускается, например из-за ошибки в записи; некоторые серверы отвечают"
        " так, отказывая в ретрансляции.",
    )
    TRANSACTION_FAILED = (
        554,
        "RFC 5321 4.2.3, 3.1",
        "The transaction failed for good: do not try again. As a greeting: no SMTP service here.",
        "Транзакция окончательно отклонена: не повторяйте её. Вместо приветствия: почту здесь"
        " не принимают.",
    )
    PARAMETERS_NOT_RECOGNIZED = (
        555,
        "RFC 5321 4.2.3",
        "The parameters of MAIL or RCPT are not recognised or not implemented.",
        "Параметры команды MAIL или RCPT не распознаны или не поддерживаются.",
    )
    DOMAIN_DOES_NOT_ACCEPT_MAIL = (
        556,
        "RFC 7504 4; RFC 7505",
        "The recipient's domain accepts no mail at all, for example by a null MX record.",
        "Домен получателя вообще не принимает почту, например опубликовал нулевую запись MX.",
    )

    # Aspose.Email's spelling in .NET.
    GeneralFailure = GENERAL_FAILURE
    NotDefined = NOT_DEFINED
    SystemStatus = SYSTEM_STATUS
    HelpMessage = HELP_MESSAGE
    ServiceReady = SERVICE_READY
    ServiceClosingTransmissionChannel = SERVICE_CLOSING_TRANSMISSION_CHANNEL
    AuthenticationSucceeded = AUTHENTICATION_SUCCEEDED
    Ok = OK
    UserNotLocalWillForward = USER_NOT_LOCAL_WILL_FORWARD
    CannotVerifyUserWillAttemptDelivery = CANNOT_VERIFY_USER_WILL_ATTEMPT_DELIVERY
    Base64Response = BASE_64_RESPONSE
    StartMailInput = START_MAIL_INPUT
    ServiceNotAvailable = SERVICE_NOT_AVAILABLE
    PasswordTransitionNeeded = PASSWORD_TRANSITION_NEEDED
    MailboxBusy = MAILBOX_BUSY
    LocalErrorInProcessing = LOCAL_ERROR_IN_PROCESSING
    InsufficientStorage = INSUFFICIENT_STORAGE
    ClientNotPermitted = CLIENT_NOT_PERMITTED
    CommandUnrecognized = COMMAND_UNRECOGNIZED
    SyntaxError = SYNTAX_ERROR
    CommandNotImplemented = COMMAND_NOT_IMPLEMENTED
    CommandNotPermitted = COMMAND_NOT_PERMITTED
    UnrecognizedAuthenticationType = UNRECOGNIZED_AUTHENTICATION_TYPE
    AuthenticationRequired = AUTHENTICATION_REQUIRED
    AuthenticationMechanismIsToWeak = AUTHENTICATION_MECHANISM_IS_TO_WEAK
    CredentialsInvalid = CREDENTIALS_INVALID
    EncryptionRequiredRequestedMechanism = ENCRYPTION_REQUIRED_REQUESTED_MECHANISM
    MailboxUnavailable = MAILBOX_UNAVAILABLE
    UserNotLocalTryAlternatePath = USER_NOT_LOCAL_TRY_ALTERNATE_PATH
    ExceededStorageAllocation = EXCEEDED_STORAGE_ALLOCATION
    MailboxNameNotAllowed = MAILBOX_NAME_NOT_ALLOWED
    TransactionFailed = TRANSACTION_FAILED

    # System.Net.Mail's own names where they differ.
    BadCommandSequence = COMMAND_NOT_PERMITTED
    CommandParameterNotImplemented = UNRECOGNIZED_AUTHENTICATION_TYPE
    MustIssueStartTlsFirst = AUTHENTICATION_REQUIRED

    # The name that 534 was meant to have.
    AUTHENTICATION_MECHANISM_TOO_WEAK = AUTHENTICATION_MECHANISM_IS_TO_WEAK


MEMBERS: Final[dict[int, SmtpStatusCode]] = {int(member): member for member in SmtpStatusCode}

# By itself, for an attribute of an enumeration costs more than all the rest of a look-up.
NOT_DEFINED: Final = SmtpStatusCode.NOT_DEFINED


def describe_unregistered(severity: Severity, category: Category, language: str) -> str:
    """What can be said of a code without a member: only what its digits say."""
    digits = f"{severity.describe(language)}; {category.describe(language)}."
    return choose(
        language,
        f"This code has no registered meaning of its own. {digits}",
        f"Своего зарегистрированного значения у этого кода нет. {digits}",
    )
