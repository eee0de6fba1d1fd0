"""A server of aiosmtpd that answers with `smtpfast.Reply`, and a client that reads the answers."""

from __future__ import annotations

import asyncio
import smtplib

from aiosmtpd.smtp import SMTP, Envelope, Session

from smtpfast import Reply, diagnose_recipients

REFUSALS = {
    "nobody": Reply.of(550, "No such user here", "5.1.1"),
    "full": Reply.of(452, "Mailbox full\nTry again in 2 hours", "4.2.2"),
}


def answer(reply: Reply) -> bytes:
    """A reply as aiosmtpd takes it: it adds the last CRLF, and a str would have to be ASCII."""
    return reply.to_bytes().removesuffix(b"\r\n")


class RefusingHandler:
    """Takes mail for all but some, and says so in its own words."""

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> bytes:
        """Who may get mail. The client wrote the address: `Reply.of` lets no line end through."""
        refusal = REFUSALS.get(address.partition("@")[0])
        if refusal is not None:
            return answer(refusal)
        envelope.rcpt_tos.append(address)
        return answer(Reply.of(250, f"<{address}> is welcome", "2.1.5"))

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> bytes:
        """The mail has come."""
        return answer(Reply.of(250, f"Taken for {len(envelope.rcpt_tos)}", "2.0.0"))


def send(port: int) -> None:
    """Send a mail to three, and print what became of each."""
    recipients = ["alice@mx.example", "nobody@mx.example", "full@mx.example"]
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        try:
            refused = client.sendmail("bob@client.example", recipients, "Subject: Hello\n\nHello")
            found = diagnose_recipients(refused)
        except smtplib.SMTPRecipientsRefused as error:  # all of them
            found = diagnose_recipients(error)
    for recipient in recipients:
        if recipient in found:
            why = found[recipient]
            print(f"{recipient}: {why.disposition}, {why.reason}, {why.retry_after}")
        else:
            print(f"{recipient}: delivered")


async def main() -> None:
    """A server and a client that have a word with each other."""
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(RefusingHandler(), hostname="mx.example"), "127.0.0.1", 0
    )
    async with server:
        await asyncio.to_thread(send, server.sockets[0].getsockname()[1])


if __name__ == "__main__":
    asyncio.run(main())
