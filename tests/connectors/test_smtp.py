"""The `smtp` connector on a real mail server: the contract, and how each end of a dialogue is sorted."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from soar.connector.connections import ConnectionSet
from soar.errors import ConfigError, ConnectorError, OutcomeUnknown, Refused, Unavailable
from soar.model.action import Outcome
from tests.connectors.contract import Change, ConnectorContract, Subject, call, connected
from tests.connectors.smtp_part import PASSWORD, USERNAME, Certificate, MailPart, certificate, mail_server

MAIL = {"to": "soc@example.com", "subject": "Token replay contained", "text": "c-42 is in quarantine."}
BAD = [
    {**MAIL, "to": to}
    for to in ("", "soc", "a@b@c", "soc@example.com, x@example.com", "soc@example.com\r\nBcc: x@example.com", "<a@b.c>")
]
SECRETS = {"username": USERNAME, "password": PASSWORD}


def plain(part: MailPart, **more: Any) -> dict[str, Any]:
    """Settings for a server on this machine that asks for nothing."""
    return {"host": "127.0.0.1", "port": part.port, "sender": "soar@example.com", "security": "none", **more}


def protected(part: MailPart, proof: Certificate, **more: Any) -> dict[str, Any]:
    return {"host": "localhost", "port": part.port, "sender": "soar@example.com", "ca": str(proof.file), **more}


async def sent(connections: ConnectionSet) -> Outcome:
    return await connections.perform(call("subject.send_mail", MAIL))


async def told(connections: ConnectionSet, to: str = "soc@example.com") -> Any:
    """A line said through the channel, as the courier has it said."""
    channel = connections.channel("subject")
    return await connections.carry("subject", lambda: channel.tell("A line", to, None), changes=True)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("certificate"))


class TestSmtp(ConnectorContract):
    @pytest.fixture
    async def subject(self, proof: Certificate) -> AsyncIterator[Subject]:
        async with (
            mail_server(tls_context=proof.context, require_starttls=True, auth_required=True) as part,
            connected("smtp", protected(part, proof), SECRETS) as connections,
        ):

            async def count() -> int:
                return len(part.taken)

            yield Subject(connections, [Change("subject.send_mail", MAIL, count, BAD)], secrets=[PASSWORD])

    async def test_its_health_says_how_the_line_is(self, subject: Subject) -> None:
        detail = (await subject.connections.health("subject")).detail
        assert "STARTTLS, signed in" in detail


async def test_a_mail_arrives_as_it_was_written_and_repeated_has_the_same_message_id() -> None:
    async with mail_server() as part, connected("smtp", plain(part, repeat_lost_mails=True)) as connections:
        assert connections.spec("subject.send_mail").idempotent
        text = "grüße 👋\n.\n.. two dots\nFrom here\n" + "x" * 3_000
        inputs = {**MAIL, "subject": "Füße – naïve", "text": text}
        for _ in range(2):
            outcome = await connections.perform(call("subject.send_mail", inputs))
            assert outcome.kind == "done", outcome.message
        first, second = part.mails
        assert (first["From"], first["To"]) == ("SOAR <soar@example.com>", "soc@example.com")
        assert first["Subject"] == "Füße – naïve"
        assert first.get_content().replace("\r\n", "\n") == text + "\n"
        assert first["Auto-Submitted"] == "auto-generated" and first["Date"].datetime is not None
        assert first["Message-ID"] == second["Message-ID"] == (outcome.output or {})["message_id"]
        content = part.taken[0].original_content or b""
        assert content.isascii() and max(len(line) for line in content.splitlines()) <= 998
        assert part.sessions[0] == "[127.0.0.1]"  # no name was looked up to greet


@pytest.mark.parametrize(
    ("command", "said", "kind", "remedy"),
    [
        ("MAIL", "451 greylisted", "unavailable", "451 greylisted"),
        ("MAIL", "550 no such sender", "refused", "setting `sender`"),
        ("MAIL", "530 authentication required", "refused", "secrets 'username' and 'password'"),
        ("RCPT", "450 mailbox busy", "unavailable", "nothing was delivered"),
        ("RCPT", "550 no such user here", "refused", "does not take mail for soc@example.com"),
        ("DATA", "451 try again later", "unavailable", "nothing was delivered"),
        ("DATA", "554 looks like spam", "refused", "554 looks like spam"),
        ("DATA", "552 too big", "refused", "552 too big"),
    ],
)
async def test_d13_each_no_of_the_server_is_sorted(command: str, said: str, kind: str, remedy: str) -> None:
    async with mail_server() as part, connected("smtp", plain(part)) as connections:
        part.answers[command] = said
        outcome = await sent(connections)
        assert (outcome.kind, part.taken) == (kind, [])
        assert remedy in outcome.message, outcome.message
        with pytest.raises(Unavailable if kind == "unavailable" else Refused):
            await told(connections)


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT"])
async def test_a_line_cut_before_the_mail_leaves_nothing_unknown(command: str) -> None:
    async with mail_server() as part, connected("smtp", plain(part)) as connections:
        part.hang_up = command
        outcome = await sent(connections)
        assert (outcome.kind, part.taken) == ("unavailable", [])
        assert "nothing was sent" in outcome.message


async def test_d12_a_line_cut_after_the_mail_was_sent_leaves_it_unknown() -> None:
    async with mail_server() as part, connected("smtp", plain(part)) as connections:
        part.hang_up = "DATA"
        outcome = await sent(connections)
        assert (outcome.kind, len(part.taken)) == ("unknown", 1)
        with pytest.raises(OutcomeUnknown, match="may have it"):
            await told(connections)


async def test_a_server_that_keeps_silent_before_the_mail_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.smtp.session._STAGE", 0.3)
    async with mail_server() as part, connected("smtp", plain(part)) as connections:
        for command in ("EHLO", "RCPT"):
            part.silent = command
            outcome = await sent(connections)
            assert outcome.kind == "unavailable", (command, outcome)
            assert "does not answer" in outcome.message


async def test_no_server_is_unavailable() -> None:
    async with mail_server() as part:
        settings = plain(part)
    async with connected("smtp", settings) as connections:
        outcome = await sent(connections)
        assert outcome.kind == "unavailable" and "no connection to 127.0.0.1" in outcome.message
        assert not (await connections.health("subject")).ok


async def test_what_is_no_mail_server_is_refused_as_such() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connected("smtp", plain(MailPart(port))) as connections:
            outcome = await sent(connections)
            assert outcome.kind == "refused" and "does not speak SMTP" in outcome.message


async def test_a_bad_password_is_refused_once_and_never_shown(proof: Certificate) -> None:
    wrong = {"username": USERNAME, "password": "wrong-pässword-1"}
    async with (
        mail_server(tls_context=proof.context) as part,
        connected("smtp", protected(part, proof), wrong) as connections,
    ):
        outcome = await sent(connections)
        assert outcome.kind == "refused" and "535" in outcome.message
        assert "secrets 'username' and 'password'" in outcome.message
        assert part.sign_ins == 1
        health = await connections.health("subject")
        assert not health.ok and "wrong-p" not in health.detail + outcome.message


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("code", [250, 451, 550])
async def test_g02_a_server_that_repeats_the_password_shows_it_to_nobody(  # G02 G03
    proof: Certificate, command: str, code: int
) -> None:
    signed_in = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()
    repeated = f"{code} you are {USERNAME} with {PASSWORD}, that is AUTH PLAIN {signed_in}"
    async with (
        mail_server(tls_context=proof.context) as part,
        connected("smtp", protected(part, proof), SECRETS) as connections,
    ):
        part.answers[command] = repeated
        outcome = await sent(connections)
        shown = f"{outcome.message} {outcome.output}"
        try:
            shown += str(await told(connections))
        except ConnectorError as error:
            shown += str(error)
    for secret in (PASSWORD, PASSWORD[:12], signed_in, signed_in[8:28]):
        assert secret not in shown


async def test_a_server_without_sign_in_is_refused_when_there_is_a_password() -> None:
    async with (
        mail_server(auth_exclude_mechanism=["PLAIN", "LOGIN"]) as part,
        connected("smtp", plain(part), SECRETS) as connections,
    ):
        outcome = await sent(connections)
        assert outcome.kind == "refused" and "offers no sign-in" in outcome.message


async def test_starttls_that_is_missing_is_refused_and_nothing_is_sent() -> None:
    async with mail_server() as part:
        settings = {"host": "localhost", "port": part.port, "sender": "soar@example.com"}
        async with connected("smtp", settings, SECRETS) as connections:
            outcome = await sent(connections)
            assert outcome.kind == "refused" and "offers no STARTTLS" in outcome.message
            assert (part.sign_ins, part.taken) == (0, [])


async def test_tls_from_the_first_byte_is_spoken(proof: Certificate) -> None:
    async with (
        mail_server(tls=proof.context, auth_require_tls=False) as part,
        connected("smtp", protected(part, proof, security="tls"), SECRETS) as connections,
    ):
        assert (await sent(connections)).kind == "done"
        assert part.sign_ins == 1
        assert "TLS, signed in" in (await connections.health("subject")).detail


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_of_nobody_or_for_another_name_is_refused(
    proof: Certificate, tmp_path: Path, security: str
) -> None:
    other = certificate(tmp_path, "mail.example.com")
    server = {"tls": other.context} if security == "tls" else {"tls_context": other.context}
    async with mail_server(**server) as part:
        for trusted in (proof.file, other.file):
            settings = protected(part, proof, security=security, ca=str(trusted))
            async with connected("smtp", settings, SECRETS) as connections:
                outcome = await sent(connections)
                assert outcome.kind == "refused", outcome
                assert "certificate" in outcome.message and "`ca`" in outcome.message
        assert part.sign_ins == 0


async def test_tls_with_a_server_that_speaks_none_yet_is_unavailable(proof: Certificate) -> None:
    async with mail_server() as part, connected("smtp", protected(part, proof, security="tls")) as connections:
        outcome = await sent(connections)
        assert outcome.kind == "unavailable" and "`security`" in outcome.message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "mail.example.com", "security": "none"}, "security: none"),
        ({"host": "mail.example.com", "ca": "mail.pem"}, "absolute path"),
        ({"host": "mail.example.com", "sender": "SOAR <soar@example.com>"}, "one plain mail address"),
        ({"host": "mail.example.com/x"}, "host"),
        ({"host": "mail.example.com", "ca": "/no/such/file.pem"}, "holds no certificate"),
    ],
)
async def test_settings_that_cannot_be_meant_do_not_start(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        async with connected("smtp", {"sender": "soar@example.com", **settings}):
            pass


async def test_half_a_sign_in_does_not_start() -> None:
    with pytest.raises(ConfigError, match="'password'"):
        async with connected("smtp", {"host": "127.0.0.1", "sender": "a@example.com"}, {"username": "soar"}):
            pass


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
async def test_unprotected_mail_is_for_this_machine(host: str) -> None:
    async with connected("smtp", {"host": host, "sender": "a@example.com", "security": "none"}):
        pass


async def test_an_address_of_a_destination_that_is_none_is_refused_before_anything_is_sent() -> None:
    async with mail_server() as part, connected("smtp", plain(part)) as connections:
        with pytest.raises(ConnectorError, match="one plain mail address"):
            await told(connections, "soc@example.com\r\nRCPT TO:<x@example.com>")
        assert part.sessions == []
