"""Texts for Slack: cut on whole characters, and with nothing in them that is not seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.slack.text import as_one, cut, in_bytes, line, lines, local, utc, weight

WHOLE = {
    "a family": "👨‍👩‍👧‍👦",
    "a flag": "🇩🇪",
    "the flag of a region": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "a skin tone": "👍🏽",
    "a keycap": "1\ufe0f\u20e3",
    "an accent": "e\u0301",
    "a Hindi conjunct": "क्षि",
    "a Thai vowel": "น้ำ",
    "a Korean syllable in parts": "\u1112\u1161\u11ab",
    "a vowel after a syllable": "\uac00\u11a8",
    "a line end": "\r\n",
}


@pytest.mark.parametrize("character", WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("count", [as_one, None, in_bytes], ids=["characters", "most", "bytes"])
def test_d11_no_character_is_split(character: str, count: object) -> None:  # D11
    """Whatever the room: what is left is so many whole characters."""
    text = character * 8
    for limit in range(4, 8 * 30):
        kept = cut(text, limit) if count is None else cut(text, limit, count)  # type: ignore[arg-type]
        whole = kept.removesuffix("…")
        assert whole == character * (len(whole) // len(character))


def test_flags_are_counted_in_pairs_from_the_first_of_a_row() -> None:
    assert cut("x🇩🇪🇫🇷🇮🇹", 6) == "x🇩🇪…"
    assert cut("x🇩🇪🇫🇷🇮🇹", 5) == "x…"


def test_a_character_of_more_parts_than_anybody_writes_may_be_cut() -> None:
    kept = cut("e" + "\u0301" * 5_000, 1_000, as_one)
    assert len(kept) == 1_000


@given(st.text(), st.integers(1, 50))
def test_what_is_cut_keeps_to_the_limit_and_says_so(text: str, limit: int) -> None:
    for count in (as_one, in_bytes):
        if count("…") > limit:
            continue
        kept = cut(text, limit, count)
        assert sum(map(count, kept)) <= limit
        assert kept == text or (kept.endswith("…") and text.startswith(kept[:-1]))
    assert weight(cut(text, limit)) <= limit
    assert (cut(text, limit) == text) == (weight(text) <= limit)


def test_a_text_that_fits_exactly_is_left_as_it_is() -> None:
    assert cut("&" * 10, 50) == "&" * 10
    assert cut("&" * 10, 49) == "&" * 9 + "…"
    assert cut("𝄞" * 10, 20) == "𝄞" * 10
    assert cut("é" * 5, 10, in_bytes) == "é" * 5


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("a\nip: 10.0.0.1", r"a\nip: 10.0.0.1"),
        ("\u202e9.311.0.302", r"\u202e9.311.0.302"),
        ("1\u200d2\u200b3\u2066", r"1\u200d2\u200b3\u2066"),
        ("\x1b[2J\x00\r\t", r"\x1b[2J\x00\r\t"),
        ("a\ud800b", r"a\ud800b"),
        ("\u2028\u2029\ufeff\U000e0041", r"\u2028\u2029\ufeff\U000e0041"),
        ("نمی‌خواهم 👨‍👩‍👧 é", "نمی‌خواهم 👨‍👩‍👧 é"),
        (WHOLE["the flag of a region"], WHOLE["the flag of a region"]),
        (7, "7"),
        (None, "null"),
        (True, "true"),
        ({"b": [1, "x\ny"], "a": None}, r'{"a": null, "b": [1, "x\ny"]}'),
        ({"ключ": ("значение",)}, '{"ключ": ["значение"]}'),
    ],
)
def test_everything_in_a_value_is_seen_and_stays_on_its_line(value: object, shown: str) -> None:
    assert line(value) == shown


def test_lines_stay_lines() -> None:
    assert lines("a\nb\r\nc\u202e\x0bd") == "a\nb\nc\\u202e\nd"


def test_our_own_times_are_shown_in_the_readers_zone() -> None:
    assert utc(1_767_225_600_999) == "2026-01-01 00:00:00 UTC"
    assert local(1_767_225_600_999) == "<!date^1767225600^{date_num} {time_secs}|2026-01-01 00:00:00 UTC>"
