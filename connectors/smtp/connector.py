"""E-mail: requests to people as links, lines below them, and mails that playbooks write."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, ClassVar, Final, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from connectors.smtp.letter import Letter, derived_message_id, fresh_message_id
from connectors.smtp.request import as_html, as_text, page, subject
from connectors.smtp.session import MailServer, Security
from connectors.smtp.text import one_line, plain_address
from soar.sdk import Call, Channel, ConfigError, Health, Notice, Params, Place, Refused, Result, Settings, action

_PORTS: Final[Mapping[str, int]] = {"starttls": 587, "tls": 465, "none": 25}

MailAddress = Annotated[str, BeforeValidator(plain_address), Field(examples=["soc@example.com"])]


class SmtpSettings(Settings):
    """The mail server, and in whose name mail is sent."""

    host: str = Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")
    """Name or address of the mail server. It may be reached without an `egress.allow` entry."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Its port: 587 with `starttls`, 465 with `tls`, 25 with `none`, unless said."""
    sender: MailAddress
    """The address that mail comes from; bounces go there."""
    sender_name: str = Field(default="SOAR", max_length=60)
    """The name beside it."""
    security: Security = "starttls"
    """`starttls` (needed, never skipped), `tls` from the first byte, or `none`: only to this machine."""
    ca: str | None = None
    """File with the authority that has signed the server's certificate, as an absolute path; then no other counts."""
    insecure: bool = False
    """Allow `security: none` to another machine: all mail, and the password, can be read and changed on the way."""
    client_name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.-]{1,253}$")
    """How to greet the server, where it wants a name; else by address."""
    repeat_lost_mails: bool = False
    """After a lost answer `send_mail` sends once more, with the same Message-ID, instead of asking a person."""

    @field_validator("ca")
    @classmethod
    def _is_absolute(cls, path: str | None) -> str | None:
        if path is not None and not path.startswith("/"):
            raise ValueError("must be an absolute path, such as /etc/soar/mail-ca.pem")
        return path

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        if self.security == "none" and not self.insecure and not _is_this_machine(self.host):
            raise ValueError(
                "`security: none` is for a mail server on this machine; say `starttls` or `tls`,"
                " or `insecure: true` if everybody on the way may read and change the mail"
            )
        return self

    def hosts(self) -> list[str]:
        return [self.host]


class SendMail(Params):
    to: MailAddress
    """One address."""
    subject: str = Field(min_length=1)
    """One line; cut after 150 characters."""
    text: str = Field(min_length=1)
    """Plain text; cut after 100,000 characters."""


class Sent(Result):
    to: str = Field(examples=["soc@example.com"])
    """Whom the mail server took it for."""
    message_id: str = Field(examples=["<0123456789abcdef@example.com>"])
    """The mail's Message-ID: the same again, if it was sent again."""


class Smtp(Channel):
    """Tell people by e-mail."""

    name = "smtp"
    prefix = "email"
    settings: SmtpSettings
    optional_secrets: ClassVar[Mapping[str, str]] = {
        "username": "With `password`: the name to sign in with.",
        "password": "With `username`: sent once the line is protected.",
    }

    async def open(self) -> None:
        """Nothing is held open: each mail has a dialogue of its own."""
        if (self.secret("username") is None) != (self.secret("password") is None):
            self.needed("username")
            self.needed("password")
        self._server = MailServer(
            self.settings.host,
            self.settings.port or _PORTS[self.settings.security],
            self.settings.security,
            self._context(),
            self.settings.client_name,
            self.secret("username"),
            self.secret("password"),
            self.settings.insecure,
        )

    @action(risk="low", idempotent=lambda settings: settings.repeat_lost_mails)
    async def send_mail(self, params: SendMail, call: Call) -> Sent:
        """Send a mail to one address."""
        letter = Letter(params.to, params.subject, params.text, derived_message_id(self._domain, call.key, params.to))
        await self._send(letter)
        return Sent(to=params.to, message_id=letter.message_id)

    async def post(self, notice: Notice, to: str, thread: Place | None) -> Place:
        """Put a request before somebody: the link to it, never the power."""
        address, shown = _address(to), page(notice)
        letter = Letter(
            to=address,
            subject=subject(notice),
            text=as_text(shown),
            html=as_html(shown),
            message_id=derived_message_id(self._domain, notice.approval_id, address.lower()),
            answers=_above(thread),
        )
        return await self._send(letter)

    async def tell(self, text: str, to: str, thread: Place | None) -> Place:
        """Say a line, in the thread of a request where there is one."""
        above = (thread or {}).get("subject")
        letter = Letter(
            to=_address(to),
            subject=f"Re: {above.removeprefix('Re: ')}" if above else one_line(text.strip().partition("\n")[0], 150),
            text=text,
            message_id=fresh_message_id(self._domain),
            answers=_above(thread),
        )
        return await self._send(letter)

    def address(self, email: str | None, identity: str | None) -> str | None:
        """Mail reaches whoever has an address."""
        return email

    async def health(self) -> Health:
        """The server greets, protects the line, and lets us in."""
        return Health(ok=True, detail=await self._server.check())

    async def _send(self, letter: Letter) -> Place:
        mail = letter.sealed(self.settings.sender, self.settings.sender_name)
        await self._server.hand_in(self.settings.sender, letter.to, mail)
        return {"to": letter.to, "message_id": letter.message_id, "subject": one_line(letter.subject, 150)}

    @property
    def _domain(self) -> str:
        return self.settings.sender.rpartition("@")[2].lower()

    def _context(self) -> ssl.SSLContext | None:
        if self.settings.security == "none":
            return None
        try:
            return ssl.create_default_context(cafile=self.settings.ca)
        except OSError as error:
            raise ConfigError(f"settings.ca: {self.settings.ca} holds no certificate to trust ({error})") from error


def _address(to: str) -> str:
    try:
        return plain_address(to)
    except ValueError as error:
        raise Refused(f"'{one_line(to, 80)}' {error}") from None


def _above(thread: Place | None) -> str | None:
    return (thread or {}).get("message_id")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
