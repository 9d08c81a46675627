"""Where a connector's own sockets may go: the address that is dialled is held to the connection's allow-list."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from soar.connector.dial import dial
from soar.connector.egress import Egress
from soar.connector.trail import Trail, current_trail
from soar.errors import Refused, Unavailable
from tests.connectors.contract import call, connected
from tests.connectors.smtp_part import mail_server

MAIL = {"to": "soc@example.com", "subject": "s", "text": "t"}


@pytest.fixture
def leading(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make every name lead to the given addresses, and record what is dialled instead of dialling."""

    def lead(*addresses: str) -> list[str]:
        dialled: list[str] = []

        async def look_up(host: str, port: int, **_: Any) -> Any:
            families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
            return [
                (family, socket.SOCK_STREAM, 6, "", (address, port))
                for family, address in zip(families, addresses, strict=True)
            ]

        async def connect(made: socket.socket, address: Any) -> None:
            dialled.append(address[0])
            raise ConnectionRefusedError(111, "Connection refused")

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", look_up)
        monkeypatch.setattr(loop, "sock_connect", connect)
        return dialled

    return lead


async def within(allow: list[str], host: str, *, simulated: bool = False) -> socket.socket:
    token = current_trail.set(Trail(Egress("mail", allow), changes=True, simulated=simulated))
    try:
        return await dial(host, 25)
    finally:
        current_trail.reset(token)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0", "fe80::1"]
)
async def test_h05_no_name_of_a_mail_server_leads_to_the_metadata_service(leading: Any, address: str) -> None:
    dialled = leading(address)
    settings = {"host": "mail.example.com", "sender": "soar@example.com"}
    async with connected("smtp", settings) as connections:
        outcome = await connections.perform(call("subject.send_mail", MAIL))
    assert outcome.kind == "refused" and "(which 'mail.example.com' leads to)" in outcome.message
    assert "egress.allow" in outcome.message and dialled == []


async def test_h05_of_several_addresses_only_allowed_ones_are_dialled(leading: Any) -> None:
    dialled = leading("10.0.0.5", "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    with pytest.raises(Unavailable, match="nothing was sent"):
        await within(["*.example.com"], "mail.example.com")
    assert dialled == ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]


async def test_h05_a_host_off_the_list_is_not_even_looked_up(leading: Any) -> None:
    leading("93.184.215.14")
    with pytest.raises(Refused, match=r"'mail\.example\.net' to `egress\.allow`"):
        await within(["mail.example.com"], "mail.example.net")


async def test_nothing_is_dialled_outside_a_call_or_in_a_simulated_one(leading: Any) -> None:
    dialled = leading("93.184.215.14")
    with pytest.raises(Refused, match="outside a call"):
        await dial("mail.example.com", 25)
    with pytest.raises(Refused, match="simulated"):
        await within(["mail.example.com"], "mail.example.com", simulated=True)
    assert dialled == []


async def test_a_name_nobody_knows_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be looked up"):
        await within(["mail.invalid"], "mail.invalid")


async def test_an_address_that_keeps_silent_is_passed_over(monkeypatch: pytest.MonkeyPatch, leading: Any) -> None:
    leading("93.184.215.14")
    monkeypatch.setattr("soar.connector.dial._PATIENCE", 0.05)
    made: list[socket.socket] = []

    async def silent(one: socket.socket, address: Any) -> None:
        made.append(one)
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", silent)
    with pytest.raises(Unavailable, match="no answer within"):
        await within(["mail.example.com"], "mail.example.com")
    assert made[0].fileno() == -1  # closed


async def test_unprotected_mail_does_not_leave_this_machine_by_a_name_that_leads_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`localhost` is this machine as far as the setting can tell; what counts is where it leads."""
    async with mail_server() as part:
        settings = {"host": "localhost", "port": part.port, "sender": "soar@example.com", "security": "none"}
        async with connected("smtp", settings) as connections:
            monkeypatch.setattr("connectors.smtp.session._peer", lambda connected: "192.0.2.7")
            outcome = await connections.perform(call("subject.send_mail", MAIL))
        assert outcome.kind == "refused" and "another machine" in outcome.message
        assert part.taken == []
