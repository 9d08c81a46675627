from __future__ import annotations

from pathlib import Path

import pytest

from soar.connector.masking import MASK, Masker
from soar.connector.secrets import SecretResolver
from soar.errors import ConfigError

WHERE = "connections.gateway.secrets.token"


def test_a_reference_to_the_environment(tmp_path: Path) -> None:
    masker = Masker()
    secret = SecretResolver(masker, environ={"GATEWAY": "v3ry-secret"}).resolve("env:GATEWAY", WHERE)
    assert secret.get_secret_value() == "v3ry-secret"
    assert "v3ry" not in repr(secret)
    assert masker.text("v3ry-secret") == MASK  # known before anything can show it


def test_a_reference_to_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    secret = SecretResolver(Masker(), environ={}, folder=tmp_path).resolve("file:token", WHERE)
    assert secret.get_secret_value() == "from-a-file"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:ABSENT", "ABSENT is not set"),
        ("env:EMPTY", "EMPTY is not set"),
        ("env:SHORT", "fewer than 4"),
        ("file:absent", "cannot be read"),
        ("vault:secret/x#y", "not read by this version"),
        ("sealed:abc", "needs its key in SOAR_SEAL_KEY"),
        ("pl41n-v4lue", "not a reference"),
        ("env:", "not a reference"),
    ],
)
def test_what_cannot_be_resolved_says_where_and_what_to_do(tmp_path: Path, reference: str, says: str) -> None:
    resolver = SecretResolver(Masker(), environ={"EMPTY": "", "SHORT": "abc"}, folder=tmp_path)
    with pytest.raises(ConfigError, match=says) as caught:
        resolver.resolve(reference, WHERE)
    assert str(caught.value).startswith(WHERE)
    assert "pl41n-v4lue" not in str(caught.value)


def test_g05_of_a_secret_only_whether_it_is_set_is_told() -> None:
    resolver = SecretResolver(Masker(), environ={"GATEWAY": "v3ry-secret"})
    assert resolver.is_set("env:GATEWAY")
    assert not resolver.is_set("env:ABSENT")
