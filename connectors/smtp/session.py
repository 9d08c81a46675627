"""One dialogue with a mail server, from the greeting to its word on the mail; every end of it sorted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, Literal

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from connectors.smtp.text import one_line
from soar.sdk import OutcomeUnknown, Refused, Unavailable, dial

Security = Literal["starttls", "tls", "none"]
_STAGE: Final = 8.0
"""Seconds for each stage before the mail itself: they end before the call does, which could not say what was sent."""
_GOODBYE: Final = 1.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and how."""

    host: str
    port: int
    security: Security
    context: ssl.SSLContext | None = None
    client_name: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    insecure: bool = False
    """Speak unprotected to other machines too."""

    async def hand_in(self, sender: str, to: str, mail: bytes) -> None:
        """Have it take one mail for one address.

        Raises:
            Unavailable: it did not take it, and may take it later.
            Refused: it never will.
            OutcomeUnknown: the mail was sent, and its answer never came.
        """
        async with self._dialogue() as client:
            with self._before():
                async with asyncio.timeout(_STAGE):
                    await client.mail(sender)
                    await client.rcpt(to)
            with self._after():
                await client.data(mail, timeout=None)

    async def check(self) -> str:
        """Greet it, protect the line, sign in, and say nothing more. Gives what was found, in words."""
        async with self._dialogue() as client:
            with self._before():
                async with asyncio.timeout(_STAGE):
                    await client.noop()
        line = {"starttls": "STARTTLS", "tls": "TLS", "none": "no encryption"}[self.security]
        return f"{self.place} answers, {line}, {'signed in' if self.username else 'no sign-in'}"

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"

    @contextlib.asynccontextmanager
    async def _dialogue(self) -> AsyncIterator[SMTP]:
        with self._before():
            async with asyncio.timeout(_STAGE):
                client = await self._greeted()
        try:
            with self._before():
                async with asyncio.timeout(_STAGE):
                    await self._protect(client)
                    await self._sign_in(client)
            yield client
            with contextlib.suppress(SMTPException, OSError):
                await client.quit(timeout=_GOODBYE)
        finally:
            client.close()

    async def _greeted(self) -> SMTP:
        connected = await dial(self.host, self.port)
        self._check_stays_here(connected)
        client = SMTP(
            hostname=self.host,
            sock=connected,
            use_tls=self.security == "tls",
            start_tls=False,
            tls_context=self.context,
            local_hostname=self.client_name or _literal(connected),
            timeout=_STAGE,
        )
        try:
            await client.connect()
        except BaseException:  # failed, or cut off: nobody else would close it
            connected.close()
            raise
        return client

    def _check_stays_here(self, connected: socket.socket) -> None:
        """Unprotected mail stays on this machine, wherever its name leads."""
        address = _peer(connected)
        if self.security == "none" and not self.insecure and not ip_address(address).is_loopback:
            connected.close()
            raise Refused(
                f"'{self.host}' leads to {address}, another machine, and `security` is none:"
                " say `starttls` or `tls`, or `insecure: true` if everybody on the way may read the mail"
            )

    async def _protect(self, client: SMTP) -> None:
        await client.ehlo()
        if self.security != "starttls":
            return
        if not client.supports_extension("starttls"):
            raise Refused(
                f"the mail server {self.place} offers no STARTTLS, and nothing is sent unprotected:"
                " switch it on there, or say `security: tls` and the port that has it from the first byte"
            )
        await client.starttls()
        await client.ehlo()

    async def _sign_in(self, client: SMTP) -> None:
        if self.username is None or self.password is None:
            return
        ways = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5}
        way = next((ways[name] for name in ways if name in client.server_auth_methods), None)
        if way is None:
            raise Refused(
                f"the mail server {self.place} offers no sign-in that is known here (PLAIN, LOGIN, CRAM-MD5):"
                " leave out the secrets 'username' and 'password', or name a port that asks for them"
            )
        await way(self.username, self.password)  # once: further tries with the same password lock accounts

    @contextlib.contextmanager
    def _before(self) -> Iterator[None]:
        """Sort what goes wrong before the mail itself is sent."""
        try:
            yield
        except SMTPResponseException as error:
            raise self._answered(error) from error
        except TimeoutError as error:
            raise Unavailable(f"the mail server {self.place} does not answer; nothing was sent") from error
        except (SMTPException, OSError) as error:
            raise self._cut_off(error) from error

    @contextlib.contextmanager
    def _after(self) -> Iterator[None]:
        """Sort what goes wrong once the mail is on its way: without the server's word, nobody knows."""
        try:
            yield
        except SMTPResponseException as error:
            if error.code < 400:
                raise OutcomeUnknown(f"the mail server {self.place} gave an answer that cannot be read") from error
            raise self._answered(error) from error
        except (SMTPException, OSError) as error:
            raise OutcomeUnknown(
                f"the connection to the mail server {self.place} was lost while it took the mail; it may have it"
            ) from error

    def _answered(self, error: SMTPResponseException) -> Refused | Unavailable:
        if isinstance(error, SMTPAuthenticationError):
            said = f"the mail server {self.place} answered the sign-in with {error.code}"  # its words may repeat ours
        else:
            said = f"the mail server {self.place} answered {error.code} {one_line(error.message, 200)}".rstrip()
        if error.code < 0:
            return Refused(f"what answers at {self.place} does not speak SMTP; check the settings `host` and `port`")
        if error.code < 500:
            return Unavailable(f"{said}; nothing was delivered")
        return Refused(f"{said}: {_remedy(error)}")

    def _cut_off(self, error: Exception) -> Refused | Unavailable:
        cause = error if isinstance(error, ssl.SSLError) else error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Refused(
                f"the certificate of the mail server {self.place} does not hold ({cause.verify_message}):"
                " name its authority in the setting `ca`, and in `host` the name that it is made out to"
            )
        if isinstance(cause, ssl.SSLError):
            return Unavailable(f"no TLS with the mail server {self.place} ({cause.reason}); see `security` and `port`")
        return Unavailable(f"the mail server {self.place} hung up ({error}); nothing was sent")


def _remedy(error: SMTPResponseException) -> str:
    if isinstance(error, SMTPAuthenticationError):
        return "check the secrets 'username' and 'password'"
    if error.code == 530:
        return "it wants a sign-in: add the secrets 'username' and 'password'"
    if isinstance(error, SMTPSenderRefused):
        return f"it does not take mail from {error.sender}; check the setting `sender`"
    if isinstance(error, SMTPRecipientRefused):
        return f"it does not take mail for {error.recipient}; check that address"
    return "it does not take this; ask whoever runs it"


def _peer(connected: socket.socket) -> str:
    return str(connected.getpeername()[0]).partition("%")[0]


def _literal(connected: socket.socket) -> str:
    """How to greet without a name: by the address that it sees (RFC 5321, 4.1.3). No name is looked up for that."""
    address = str(connected.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
