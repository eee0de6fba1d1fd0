"""What a reply means: the reason, and the disposition that follows from it.

The names are ours, from comparing the classifications of sisimai, KumoMTA, SparkPost, Adobe and
Amazon SES; `Reason.elsewhere` names the nearest one of each, so that people can move over.
"""

from __future__ import annotations

from enum import StrEnum

from .records import TYPE_CHECKING, NamedTuple
from .status import Described, DescribedName, Severity, choose

if TYPE_CHECKING:
    from typing import Final, Self


class Disposition(DescribedName):
    """What the sender should do with the message, the recipient or itself."""

    DELIVERED = "delivered", "Done: nothing is left to do.", "Готово: делать больше нечего."
    CONTINUE = "continue", "Go on with the session.", "Продолжайте сеанс."
    RETRY = (
        "retry",
        "Keep the message and try again later.",
        "Оставьте письмо в очереди и повторите попытку позже.",
    )
    SLOW_DOWN = (
        "slow_down",
        "Try again later, and send less to this destination at a time.",
        "Повторите позже и отправляйте этому получателю реже.",
    )
    SUPPRESS = (
        "suppress",
        "Give up and write to this recipient no more.",
        "Прекратите попытки и больше не пишите на этот адрес.",
    )
    FIX_SENDER = (
        "fix_sender",
        "Retrying does not help: put the sending domain, address or IP in order first.",
        "Повторять бесполезно: сначала приведите в порядок домен, адрес или IP отправителя.",
    )
    FIX_MESSAGE = (
        "fix_message",
        "Retrying does not help: change the message first.",
        "Повторять бесполезно: сначала измените письмо.",
    )
    FIX_CONFIGURATION = (
        "fix_configuration",
        "Retrying does not help: change the setup of the client first.",
        "Повторять бесполезно: сначала исправьте настройки клиента.",
    )
    FAIL = (
        "fail",
        "Give up on this message; nothing is said against the recipient.",
        "Прекратите попытки с этим письмом; к получателю претензий нет.",
    )


class Elsewhere(NamedTuple):
    """The nearest names of a reason in other classifications; "" or 0 where there is none.

    sisimai: the reason (sisimai 5).
    kumomta: the class of KumoMTA's bounce classifier (`PreDefinedBounceClass`).
    number: the bounce classification code that SparkPost, Adobe Campaign and Momentum share.
    ses: Amazon SES's bounce type and sub-type.
    """

    sisimai: str
    kumomta: str
    number: int
    ses: str


class Reason(Described, StrEnum):
    """Why the server answered as it did.

    elsewhere: the nearest names in other classifications.
    """

    elsewhere: Elsewhere
    _transient: Disposition
    _permanent: Disposition
    _advice: tuple[str, str]

    def __new__(
        cls,
        value: str,
        dispositions: tuple[Disposition, Disposition],
        elsewhere: Elsewhere,
        sentences: tuple[str, str],
        advice: tuple[str, str],
    ) -> Self:
        """A member of five values; the pairs are 4yz and 5yz, English and Russian."""
        member = str.__new__(cls, value)
        member._value_ = value
        member._transient, member._permanent = dispositions
        member.elsewhere = elsewhere
        member.description, member._russian = sentences
        member._advice = advice
        return member

    @property
    def advice(self) -> str:
        """One line for a postmaster, in English; see `advise`."""
        return self._advice[0]

    def advise(self, language: str = "en") -> str:
        """One line for a postmaster, in "en" or "ru"; another language is a `SmtpFastError`."""
        return choose(language, *self._advice)

    def disposition(self, severity: Severity) -> Disposition:
        """What follows from the reason at this severity; `SUPPRESS` only from a 5yz reply."""
        is_permanent = severity is Severity.PERMANENT_NEGATIVE_COMPLETION
        return self._permanent if is_permanent else self._transient

    ACCEPTED = (
        "accepted",
        (Disposition.DELIVERED, Disposition.DELIVERED),
        Elsewhere("delivered", "", 0, "Delivery"),
        ("The server has accepted it (2yz).", "Сервер принял (2yz)."),
        ("Nothing to do.", "Ничего делать не нужно."),
    )
    INTERMEDIATE = (
        "intermediate",
        (Disposition.CONTINUE, Disposition.CONTINUE),
        Elsewhere("", "", 0, ""),
        ("The server waits for more (3yz).", "Сервер ждёт продолжения (3yz)."),
        ("Send what comes next.", "Передайте то, что идёт дальше."),
    )
    BAD_MAILBOX = (
        "bad_mailbox",
        (Disposition.RETRY, Disposition.SUPPRESS),
        Elsewhere("userunknown", "InvalidRecipient", 10, "Permanent/NoEmail"),
        (
            "There is no such recipient: the address is unknown, invalid or ambiguous.",
            "Такого получателя нет: адрес неизвестен, неверен или неоднозначен.",
        ),
        (
            "Remove the address from your lists; if many fail at once, look for a typo or for"
            " where the list came from.",
            "Удалите адрес из рассылок; если таких много сразу, ищите опечатку или источник базы.",
        ),
    )
    MAILBOX_DISABLED = (
        "mailbox_disabled",
        (Disposition.RETRY, Disposition.SUPPRESS),
        Elsewhere("suspend", "InactiveMailbox", 10, "Permanent/General"),
        (
            "The mailbox exists but is disabled, inactive, suspended or locked.",
            "Ящик существует, но отключён, неактивен, приостановлен или заблокирован.",
        ),
        (
            "Stop writing to the address when the failure is permanent; its owner has left it.",
            "При постоянной ошибке прекратите писать на адрес: владелец им не пользуется.",
        ),
    )
    MAILBOX_FULL = (
        "mailbox_full",
        (Disposition.RETRY, Disposition.RETRY),
        Elsewhere("mailboxfull", "QuotaIssues", 22, "Transient/MailboxFull"),
        (
            "The recipient's mailbox is over its quota.",
            "Ящик получателя переполнен: квота исчерпана.",
        ),
        (
            "Try again for some days; an address that stays full for weeks is abandoned.",
            "Повторяйте несколько дней; адрес, переполненный неделями, заброшен.",
        ),
    )
    MAILBOX_MOVED = (
        "mailbox_moved",
        (Disposition.RETRY, Disposition.SUPPRESS),
        Elsewhere("hasmoved", "InvalidRecipient", 10, "Permanent/NoEmail"),
        (
            "The recipient has moved, with or without a new address.",
            "Получатель сменил адрес; новый может быть указан или нет.",
        ),
        (
            "Replace the address by the new one if the reply names it, else remove it.",
            "Замените адрес новым, если он указан в ответе, иначе удалите.",
        ),
    )
    RECIPIENT_REFUSED = (
        "recipient_refused",
        (Disposition.RETRY, Disposition.FIX_SENDER),
        Elsewhere("filtered", "PolicyRelated", 15, "Permanent/General"),
        (
            "This sender may not write to this recipient: a restricted list, an allow-list or the"
            " recipient's own choice.",
            "Этому отправителю нельзя писать этому получателю: список закрыт, нужен допуск или"
            " получатель сам так решил.",
        ),
        (
            "Ask the recipient or the list's owner to admit the sender, or stop writing.",
            "Попросите получателя или владельца списка разрешить отправителя либо не пишите.",
        ),
    )
    BAD_DOMAIN = (
        "bad_domain",
        (Disposition.RETRY, Disposition.SUPPRESS),
        Elsewhere("hostunknown", "BadDomain", 10, "Permanent/General"),
        (
            "The recipient's domain does not exist, has no mail server or takes no mail.",
            "Домен получателя не существует, не имеет почтового сервера или не принимает почту.",
        ),
        (
            "Check the domain's spelling and its MX record; remove the address if both are right.",
            "Проверьте написание домена и его запись MX; если всё верно, удалите адрес.",
        ),
    )
    RELAY_DENIED = (
        "relay_denied",
        (Disposition.RETRY, Disposition.SUPPRESS),
        Elsewhere("norelaying", "RelayDenied", 54, "Permanent/General"),
        (
            "The server does not handle mail for this domain, or not from this client.",
            "Сервер не обслуживает этот домен или не принимает для него почту от этого клиента.",
        ),
        (
            "Check the MX record and your routing; a client of that server must log in first.",
            "Проверьте запись MX и маршрутизацию; клиент этого сервера должен войти с паролем.",
        ),
    )
    ROUTING_LOOP = (
        "routing_loop",
        (Disposition.RETRY, Disposition.FIX_CONFIGURATION),
        Elsewhere("networkerror", "RoutingErrors", 25, "Permanent/General"),
        (
            "The message goes round in circles or has passed too many servers.",
            "Письмо ходит по кругу или прошло через слишком много серверов.",
        ),
        (
            "Follow the Received lines to the forwarding that points back, and break it.",
            "Найдите по строкам Received пересылку, которая ведёт обратно, и уберите её.",
        ),
    )
    CONNECTION = (
        "connection",
        (Disposition.RETRY, Disposition.RETRY),
        Elsewhere("networkerror", "BadConnection", 24, "Transient/General"),
        (
            "The connection failed: a time-out, a lost connection, no answer, no route.",
            "Сбой соединения: истекло время, связь прервалась, нет ответа или маршрута.",
        ),
        (
            "Try again; if it lasts, test the route and port 25 from your side.",
            "Повторите; если не проходит, проверьте со своей стороны маршрут и порт 25.",
        ),
    )
    EXPIRED = (
        "expired",
        (Disposition.RETRY, Disposition.FAIL),
        Elsewhere("expired", "MessageExpired", 24, "Transient/General"),
        (
            "A server gave up: the message was in its queue for too long.",
            "Сервер прекратил попытки: письмо слишком долго стояло в очереди.",
        ),
        (
            "Look at the failures before this one: they say why it could not be delivered.",
            "Смотрите предыдущие ошибки: они говорят, почему письмо не доставлено.",
        ),
    )
    BAD_SENDER = (
        "bad_sender",
        (Disposition.FIX_SENDER, Disposition.FIX_SENDER),
        Elsewhere("rejected", "InvalidSender", 25, "Permanent/General"),
        (
            "The envelope sender or its domain is refused, does not exist or cannot be verified.",
            "Адрес отправителя или его домен отвергнут, не существует или не проверяется.",
        ),
        (
            "Use a sender address that exists, in a domain with MX and A records.",
            "Используйте существующий адрес отправителя в домене с записями MX и A.",
        ),
    )
    SENDER_AUTHENTICATION = (
        "sender_authentication",
        (Disposition.FIX_SENDER, Disposition.FIX_SENDER),
        Elsewhere("authfailure", "AuthenticationFailed", 25, "Permanent/General"),
        (
            "SPF, DKIM, DMARC or ARC failed, or is missing.",
            "Проверка SPF, DKIM, DMARC или ARC не пройдена либо их нет.",
        ),
        (
            "Publish SPF, sign with DKIM, align both with the From domain, and check DMARC.",
            "Опубликуйте SPF, подписывайте DKIM, согласуйте их с доменом From, проверьте DMARC.",
        ),
    )
    REVERSE_DNS = (
        "reverse_dns",
        (Disposition.FIX_SENDER, Disposition.FIX_SENDER),
        Elsewhere("requireptr", "DNSFailure", 25, "Permanent/General"),
        (
            "The client's IP has no PTR record, or its PTR, host name and HELO do not agree.",
            "У IP клиента нет записи PTR, или PTR, имя узла и HELO не согласованы.",
        ),
        (
            "Give the IP a PTR record whose name resolves back to it, and say that name in EHLO.",
            "Задайте IP запись PTR с именем, которое ведёт обратно, и это же имя в EHLO.",
        ),
    )
    BLOCKLISTED = (
        "blocklisted",
        (Disposition.FIX_SENDER, Disposition.FIX_SENDER),
        Elsewhere("blocked", "SpamBlock", 51, "Permanent/General"),
        (
            "A DNS block list or a vendor's list names the client or its domain.",
            "Клиент или его домен значится в чёрном списке (DNSBL или списке поставщика).",
        ),
        (
            "Find the cause first, then ask that list for removal.",
            "Сначала устраните причину, затем запросите удаление из этого списка.",
        ),
    )
    REPUTATION = (
        "reputation",
        (Disposition.FIX_SENDER, Disposition.FIX_SENDER),
        Elsewhere("badreputation", "SpamBlock", 50, "Permanent/General"),
        (
            "The provider blocks the IP or the domain for its reputation, without a public list.",
            "Провайдер блокирует IP или домен из-за репутации, не называя публичного списка.",
        ),
        (
            "Send less, only to those who want it, and write to the provider's postmaster.",
            "Отправляйте меньше и только тем, кто просил; напишите постмастеру провайдера.",
        ),
    )
    SPAM = (
        "spam",
        (Disposition.FIX_MESSAGE, Disposition.FIX_MESSAGE),
        Elsewhere("spamdetected", "SpamContent", 52, "Transient/ContentRejected"),
        (
            "The content of this message is judged spam or phishing.",
            "Содержание этого письма сочтено спамом или фишингом.",
        ),
        (
            "Change the content and its links, and check that the recipients asked for it.",
            "Измените содержание и ссылки и убедитесь, что получатели просили эту рассылку.",
        ),
    )
    VIRUS = (
        "virus",
        (Disposition.FIX_MESSAGE, Disposition.FIX_MESSAGE),
        Elsewhere("virusdetected", "VirusRelated", 53, "Transient/AttachmentRejected"),
        (
            "Malware was found, or an attachment is judged dangerous.",
            "Найдена вредоносная программа, или вложение признано опасным.",
        ),
        (
            "Look for malware at the sender; never send the same file again.",
            "Проверьте отправителя на вирусы; тот же файл больше не посылайте.",
        ),
    )
    CONTENT = (
        "content",
        (Disposition.FIX_MESSAGE, Disposition.FIX_MESSAGE),
        Elsewhere("contenterror", "ContentRelated", 25, "Transient/ContentRejected"),
        (
            "The form of the message is refused: headers, encoding, attachment type, RFC 5322.",
            "Не принята форма письма: заголовки, кодировка, тип вложения, нарушение RFC 5322.",
        ),
        (
            "Mend the message's headers, line lengths, encoding or attachment.",
            "Исправьте заголовки, длину строк, кодировку или вложение письма.",
        ),
    )
    TOO_LARGE = (
        "too_large",
        (Disposition.FIX_MESSAGE, Disposition.FIX_MESSAGE),
        Elsewhere("mesgtoobig", "ContentRelated", 23, "Transient/MessageTooLarge"),
        (
            "The message is larger than the server or the recipient allows.",
            "Письмо больше, чем допускает сервер или получатель.",
        ),
        (
            "Send a link in place of the attachment, or split the message.",
            "Вместо вложения отправьте ссылку или разделите письмо.",
        ),
    )
    POLICY = (
        "policy",
        (Disposition.FIX_SENDER, Disposition.FIX_SENDER),
        Elsewhere("policyviolation", "PolicyRelated", 25, "Permanent/General"),
        (
            "A local policy refuses it, and no more is said; the recipient is not at fault.",
            "Отказ по местной политике без подробностей; получатель не виноват.",
        ),
        (
            "Ask the postmaster of the receiving side, with the whole reply and the time.",
            "Спросите постмастера принимающей стороны, приложив весь ответ и время.",
        ),
    )
    GREYLISTED = (
        "greylisted",
        (Disposition.RETRY, Disposition.RETRY),
        Elsewhere("greylisted", "TransientFailure", 20, "Transient/General"),
        (
            "First contact: the server wants to see that you come back.",
            "Первая встреча: сервер ждёт, что вы повторите попытку.",
        ),
        (
            "Try again after some minutes, from the same IP and with the same sender.",
            "Повторите через несколько минут с того же IP и с тем же отправителем.",
        ),
    )
    RATE_LIMITED = (
        "rate_limited",
        (Disposition.SLOW_DOWN, Disposition.SLOW_DOWN),
        Elsewhere("ratelimited", "TransientFailure", 20, "Transient/General"),
        (
            "Too many messages, recipients or connections, or too fast.",
            "Слишком много писем, получателей или соединений либо слишком быстро.",
        ),
        (
            "Open fewer connections and send more slowly to this destination.",
            "Открывайте меньше соединений и отправляйте на этот узел медленнее.",
        ),
    )
    LOGIN = (
        "login",
        (Disposition.FIX_CONFIGURATION, Disposition.FIX_CONFIGURATION),
        Elsewhere("securityerror", "AuthenticationFailed", 25, "Permanent/General"),
        (
            "SMTP AUTH is needed, failed or too weak, or the client's account is disabled.",
            "Нужен вход (SMTP AUTH), он не удался или слишком слаб, либо учётная запись отключена.",
        ),
        (
            "Check user name, password, mechanism and port of the submission account.",
            "Проверьте имя, пароль, механизм и порт учётной записи для отправки.",
        ),
    )
    TLS = (
        "tls",
        (Disposition.FIX_CONFIGURATION, Disposition.FIX_CONFIGURATION),
        Elsewhere("failedstarttls", "BadConfiguration", 25, "Permanent/General"),
        (
            "TLS is required, not available or failed.",
            "TLS обязателен, недоступен или не установлен.",
        ),
        (
            "Offer and use STARTTLS with a current version and a valid certificate.",
            "Включите STARTTLS с современной версией и действительным сертификатом.",
        ),
    )
    PROTOCOL = (
        "protocol",
        (Disposition.FIX_CONFIGURATION, Disposition.FIX_CONFIGURATION),
        Elsewhere("syntaxerror", "ProtocolErrors", 25, "Permanent/General"),
        (
            "The server did not like a command: its syntax, its place or its parameters.",
            "Серверу не понравилась команда: её синтаксис, место или параметры.",
        ),
        (
            "Look at the dialogue itself; a proxy, a filter or a bug garbles it.",
            "Посмотрите сам диалог: его портит посредник, фильтр или ошибка программы.",
        ),
    )
    SYSTEM = (
        "system",
        (Disposition.RETRY, Disposition.RETRY),
        Elsewhere("systemerror", "TransientFailure", 20, "Transient/General"),
        (
            "The server has trouble of its own: storage, maintenance, load, a local error.",
            "У сервера свои неполадки: диск, обслуживание, нагрузка, внутренняя ошибка.",
        ),
        ("Try again later; nothing is wrong at your side.", "Повторите позже; дело не в вас."),
    )
    UNKNOWN = (
        "unknown",
        (Disposition.RETRY, Disposition.FAIL),
        Elsewhere("undefined", "Uncategorized", 1, "Undetermined/Undetermined"),
        (
            "Nothing more can be said than how severe it is.",
            "Можно сказать только, насколько это серьёзно.",
        ),
        (
            "Read the reply; if it says more to you, write a rule for it.",
            "Прочтите ответ; если вам он понятен, напишите для него правило.",
        ),
    )


FAILURE_REASONS: Final = tuple(
    reason for reason in Reason if reason not in (Reason.ACCEPTED, Reason.INTERMEDIATE)
)


class Diagnosis(NamedTuple):
    """What a reply means.

    reason: why the server said it.
    disposition: what to do.
    retry_after: seconds to wait, where the text says how long; else None.
    blocklist: the block list that the text names, by its zone ("zen.spamhaus.org"); else None.
    provider: who speaks, where the text shows it ("Google"); else None.
    rule: the id of the rule that decided.
    evidence: what decided: the words of the text, or the codes ("550 5.1.1").
    """

    reason: Reason
    disposition: Disposition
    retry_after: int | None
    blocklist: str | None
    provider: str | None
    rule: str
    evidence: str
