"""What a containment may be aimed at: one spelling per target, and nothing that means more than it says.

The values come from alerts, so an attacker has a say in them. An address that is none of a client's is refused here;
which clients must never be contained is a guardrail's to know.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

_WIDEST: Final = {4: 8, 6: 16}
_MAPPED: Final = 96
"""Length of the prefix `::ffff:0:0/96`, in which IPv6 writes IPv4 addresses."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~@:+/=|-]{0,254}")


def normal_network(value: object) -> str:
    """The one spelling of an address or network: no mapped IPv4, no `/32`, lower case, shortest form.

    Raises:
        ValueError: it is no address, or one that stands for no client.
    """
    text = str(value).strip()
    if "%" in text:
        raise ValueError(f"'{text}' is a link-local address with a zone; it means nothing on another machine")
    try:
        network = ip_network(text, strict=True)
    except ValueError as error:
        raise ValueError(f"'{text}' is no IP address or network ({error})") from error
    network = _unmapped(network)
    _check_means_clients(network)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED))


def _check_means_clients(network: IPv4Network | IPv6Network) -> None:
    if network.prefixlen < _WIDEST[network.version]:
        raise ValueError(f"{network} is wider than /{_WIDEST[network.version]}: it would turn away whole providers")
    for what in ("unspecified", "loopback", "link_local", "multicast"):
        if getattr(network, f"is_{what}") or getattr(network.network_address, f"is_{what}"):
            raise ValueError(f"{network} is {what.replace('_', '-')}: no client of a gateway has it")


def plain_client(value: object) -> str:
    """A client's id or key as gateways can match it literally.

    Raises:
        ValueError: it is empty, a placeholder, or holds characters that gateways give a meaning.
    """
    text = str(value).strip()
    if text.lower() in {"", "-", "unknown", "null", "none", "n/a"}:
        raise ValueError(f"'{text}' names no client")
    if not _PLAIN.fullmatch(text):
        raise ValueError(
            "a client id may hold letters, digits and . _ ~ @ : + / = | - only, start with a letter or digit and have"
            " at most 255 characters: others are wildcards, placeholders or separators to gateways"
        )
    return text


def _text_only(value: Any) -> Any:
    if isinstance(value, (list, dict, bool)) or value is None:
        raise ValueError("it must be one value as text")
    return value


NetworkTarget = Annotated[
    str,
    BeforeValidator(lambda value: normal_network(_text_only(value))),
    Field(examples=["203.0.113.9", "2001:db8::/48"]),
]
"""An IPv4 or IPv6 address or network, in its one spelling."""

ClientTarget = Annotated[
    str,
    BeforeValidator(lambda value: plain_client(_text_only(value))),
    Field(examples=["c-42"]),
]
"""A client's id or key, matched literally."""
