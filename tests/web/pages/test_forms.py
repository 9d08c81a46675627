"""The token of a form: for one cookie, one request as it was shown, one hour."""

from __future__ import annotations

import pytest

from soar.errors import RequestInvalid
from soar.web.pages.forms import FORM_TIME, form_token, spent

NOW = 1_767_225_600_000
ABOUT = "approval-1 digest-1"


def test_a_token_is_good_until_its_time_is_over() -> None:
    token = form_token("cookie", ABOUT, NOW)
    nonce, until = spent("cookie", ABOUT, token, NOW + FORM_TIME - 1)
    assert (len(nonce) >= 22, until) == (True, NOW + FORM_TIME)
    with pytest.raises(RequestInvalid, match="too old"):
        spent("cookie", ABOUT, token, NOW + FORM_TIME)


def test_no_two_tokens_are_the_same() -> None:
    assert len({form_token("cookie", ABOUT, NOW) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("cookie", "about"), [("another", ABOUT), ("cookie", "approval-2 digest-1"), ("cookie", "approval-1 digest-2")]
)
def test_a_token_is_for_one_person_one_request_and_what_it_showed(cookie: str, about: str) -> None:
    with pytest.raises(RequestInvalid, match="not yours"):
        spent(cookie, about, form_token("cookie", ABOUT, NOW), NOW)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_is_good_as_it_is_and_in_no_other_form(part: int) -> None:
    parts = form_token("cookie", ABOUT, NOW).split(".")
    parts[part] = str(int(parts[1]) + 1) if part == 1 else parts[part][:-1]
    with pytest.raises(RequestInvalid):
        spent("cookie", ABOUT, ".".join(parts), NOW)
