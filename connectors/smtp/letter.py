"""A mail as bytes: headers that no text can add to, a body in plain letters, and an HTML twin where there is one."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final

from connectors.smtp.text import lines, one_line

SUBJECT_LIMIT: Final = 150
BODY_LIMIT: Final = 100_000
_LOCAL: Final = 26
_DOMAIN: Final = 34
_POLICY: Final = policy.SMTP.clone(cte_type="7bit")  # no server has to know more than RFC 5321 asks of all


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one address."""

    to: str
    subject: str
    text: str
    message_id: str
    html: str = ""
    answers: str | None = None
    """Message-ID of the mail that it stands below."""

    def sealed(self, sender: str, name: str) -> bytes:
        """As it goes over the wire."""
        mail = EmailMessage(_POLICY)
        mail["From"] = Address(_words(name, 60), addr_spec=sender)
        mail["To"] = Address(addr_spec=self.to)
        mail["Subject"] = _words(self.subject, SUBJECT_LIMIT)
        mail["Date"] = formatdate()
        mail["Message-ID"] = self.message_id
        if self.answers is not None:
            mail["In-Reply-To"] = self.answers
            mail["References"] = self.answers
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        mail.set_content(lines(self.text, BODY_LIMIT) + "\n")
        if self.html:
            mail.add_alternative(self.html, subtype="html")
        return mail.as_bytes()


def _words(text: str, limit: int) -> str:
    """Words for a header. What looks like an encoded word is broken up: it would be read as one, line ends and all."""
    return one_line(text, limit).replace("=?", "= ?")


def derived_message_id(domain: str, *about: str) -> str:
    """The same for the same mail, so that one that came twice is recognised."""
    digest = hashlib.sha256("\n".join(about).encode("utf-8", "replace")).hexdigest()
    return _message_id(digest, domain)


def fresh_message_id(domain: str) -> str:
    """One of its own: two lines may say the same and are two mails all the same."""
    return _message_id(secrets.token_hex(16), domain)


def _message_id(local: str, domain: str) -> str:
    """Short, so that it stands on one line where another mail refers to it: a longer one would be encoded there."""
    labels = domain.split(".")
    while len(".".join(labels)) > _DOMAIN and len(labels) > 1:
        labels.pop(0)
    return f"<{local[:_LOCAL]}@{'.'.join(labels)[:_DOMAIN].rstrip('-')}>"
