"""A real mail server on a loopback port, which can be told to refuse, to hang up and to keep silent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USERNAME, PASSWORD = "soar", "mail-pässw0rd-4711"


@dataclass
class MailPart:
    """What the server took, and how it behaves."""

    port: int = 0
    taken: list[Envelope] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    """How each client greeted."""
    sign_ins: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    """What is said to MAIL, RCPT or DATA instead of yes."""
    hang_up: str = ""
    """The command at which the line is cut; `DATA` once the whole mail is here."""
    once: bool = False
    """The line is cut the first time only."""
    silent: str = ""
    """The command that is never answered."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def mails(self) -> list[EmailMessage]:
        """Every mail that was taken, read as a mail program reads it."""
        return [read(one) for one in self.taken]

    async def at(self, command: str, server: SMTP) -> str | None:
        """What is said to a command instead of yes; None for yes."""
        if self.silent == command:
            await self.stop.wait()
        if self.hang_up == command:
            self.hang_up = "" if self.once else command
            server.transport.abort()
        return self.answers.get(command)

    # The names below are those that aiosmtpd calls.

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.sessions.append(hostname)
        await self.at("EHLO", server)
        return responses

    async def handle_NOOP(self, server: SMTP, session: Session, envelope: Envelope, arg: str) -> str:
        return await self.at("NOOP", server) or "250 OK"

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (said := await self.at("MAIL", server)) is not None:
            return said
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (said := await self.at("RCPT", server)) is not None:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if (said := self.answers.get("DATA")) is not None:
            return said
        self.taken.append(envelope)
        return await self.at("DATA", server) or "250 OK"

    def signed_in(self, server: SMTP, session: Session, envelope: Envelope, way: str, given: Any) -> AuthResult:
        self.sign_ins += 1
        good = given.login == USERNAME.encode() and given.password == PASSWORD.encode()
        return AuthResult(success=good, handled=False)


def read(envelope: Envelope) -> EmailMessage:
    """The mail in an envelope."""
    content = envelope.original_content
    assert content is not None
    mail = message_from_bytes(content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", **options: Any
) -> AsyncIterator[MailPart]:
    """A running server; `tls` from the first byte, `tls_context=` offers STARTTLS."""
    part = MailPart()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(part, authenticator=part.signed_in, loop=loop, **options), host, 0, ssl=tls
    )
    part.port = server.sockets[0].getsockname()[1]
    try:
        yield part
    finally:
        part.stop.set()
        server.close()
        await server.wait_closed()


@dataclass
class Certificate:
    """A certificate that vouches for itself, as a file to trust and as a server's context."""

    file: Path
    context: ssl.SSLContext


def certificate(folder: Path, name: str = "localhost") -> Certificate:
    """Made out to that name and to 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, private = folder / f"{name}.pem", folder / f"{name}.key"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, private)
    return Certificate(file, context)
