"""From a reference in `soar.yaml` to the secret itself, at the last moment; the masker hears of each first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from soar.connector.masking import SHORTEST, Masker
from soar.connector.sealing import KEY_VARIABLE, unseal
from soar.errors import ConfigError

_LATER: Final = {
    "vault": "secrets in a vault are not read by this version; use env:NAME or file:PATH",
}


class SecretResolver:
    """Reads `env:NAME`, `file:PATH` and `sealed:...`. A relative path is relative to the configuration's folder."""

    def __init__(self, masker: Masker, *, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        self._masker = masker
        self._environ = os.environ if environ is None else environ
        self._folder = folder or Path()

    def resolve(self, reference: str, where: str, *, named: bool = False) -> SecretStr:
        """The secret behind a reference. `where` is the setting, for the error.

        A `named` one is a user's or client's name: it is kept with the secrets, but it is no secret, and
        masking it would hide every text that holds the same word.

        Raises:
            ConfigError: it is no reference, or there is nothing behind it. Never holds a secret.
        """
        scheme, colon, rest = reference.partition(":")
        if scheme in _LATER and colon:
            raise ConfigError(f"{where}: {_LATER[scheme]}")
        if scheme == "env" and rest:
            value = self._from_environment(rest, where)
        elif scheme == "file" and rest:
            value = self._from_file(rest, where)
        elif scheme == "sealed" and rest:
            value = self._unsealed(rest, where)
        else:
            raise ConfigError(
                f"{where}: not a reference; a secret is written as env:NAME or file:PATH, never as itself"
            )
        if named:
            return SecretStr(value)
        if len(value) < SHORTEST:
            raise ConfigError(
                f"{where}: the secret behind {reference} has fewer than {SHORTEST} characters; set it anew"
            )
        self._masker.add(value)
        return SecretStr(value)

    def is_set(self, reference: str) -> bool:
        """Whether there is something behind the reference; all that may be told of a secret."""
        try:
            self.resolve(reference, "")
        except ConfigError:
            return False
        return True

    def _from_environment(self, name: str, where: str) -> str:
        value = self._environ.get(name)
        if not value:
            raise ConfigError(f"{where}: the environment variable {name} is not set; set it and start again")
        return value

    def _unsealed(self, sealed: str, where: str) -> str:
        key = self._environ.get(KEY_VARIABLE)
        if not key:
            raise ConfigError(f"{where}: a sealed value needs its key in {KEY_VARIABLE}; set it and start again")
        try:
            return unseal(sealed, key)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    def _from_file(self, name: str, where: str) -> str:
        path = self._folder / name
        try:
            return path.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f"{where}: {path} cannot be read: {reason}; create it or correct the path") from error
