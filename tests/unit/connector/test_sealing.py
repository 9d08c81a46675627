"""Sealed secrets open with their own key and with no other, and never when they were changed."""

from __future__ import annotations

import pytest

from soar.connector.masking import Masker
from soar.connector.sealing import KEY_VARIABLE, new_key, seal
from soar.connector.secrets import SecretResolver
from soar.errors import ConfigError


def test_a_sealed_secret_is_read_with_its_key_and_masked() -> None:
    key, masker = new_key(), Masker()
    reference = seal("correct horse battery", key)
    assert "horse" not in reference
    found = SecretResolver(masker, environ={KEY_VARIABLE: key}).resolve(reference, "sources.siem.auth.secret")
    assert found.get_secret_value() == "correct horse battery"
    assert masker.mask("it is correct horse battery") == "it is ***"


def test_the_same_secret_sealed_twice_is_two_texts() -> None:
    key = new_key()
    assert seal("correct horse battery", key) != seal("correct horse battery", key)


@pytest.mark.parametrize("environ", [{}, {KEY_VARIABLE: new_key()}, {KEY_VARIABLE: "short"}])
def test_without_its_key_it_stays_shut_and_says_where(environ: dict[str, str]) -> None:
    reference = seal("correct horse battery", new_key())
    with pytest.raises(ConfigError, match=r"connections\.api\.secrets\.token.*SOAR_SEAL_KEY"):
        SecretResolver(Masker(), environ=environ).resolve(reference, "connections.api.secrets.token")


def test_a_changed_text_stays_shut() -> None:
    key = new_key()
    reference = seal("correct horse battery", key)
    changed = reference[:-6] + ("A" if reference[-6] != "A" else "B") + reference[-5:]
    with pytest.raises(ConfigError, match="does not open"):
        SecretResolver(Masker(), environ={KEY_VARIABLE: key}).resolve(changed, "x")
