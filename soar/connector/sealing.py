"""Secrets that may stand in a file: sealed with AES-256-GCM under a key that does not."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from soar.errors import ConfigError

KEY_VARIABLE: Final = "SOAR_SEAL_KEY"
"""The environment variable that holds the key, 32 bytes in base64."""
_NONCE: Final = 12
"""Bytes; what NIST SP 800-38D recommends for GCM."""
_LABEL: Final = b"soar sealed secret v1"


def new_key() -> str:
    """A new key, in base64."""
    return base64.b64encode(AESGCM.generate_key(bit_length=256)).decode()


def seal(secret: str, key: str) -> str:
    """The reference to write into `soar.yaml`: `sealed:...`. Raises ConfigError on a bad key."""
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(_key(key)).encrypt(nonce, secret.encode(), _LABEL)
    return f"sealed:{base64.b64encode(nonce + sealed).decode()}"


def unseal(sealed: str, key: str) -> str:
    """The secret behind what stands after `sealed:`.

    Raises:
        ConfigError: the key is missing or another one, or the text was changed.
    """
    try:
        data = base64.b64decode(sealed, validate=True)
        return AESGCM(_key(key)).decrypt(data[:_NONCE], data[_NONCE:], _LABEL).decode()
    except (binascii.Error, InvalidTag, ValueError):
        raise ConfigError(f"the sealed value does not open with the key in {KEY_VARIABLE}; seal it anew") from None


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise ConfigError(f"{KEY_VARIABLE} is not 32 bytes in base64; `soar secret key` makes one")
    return key
