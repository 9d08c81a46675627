"""The index of the matcher gives what a plain loop over every playbook gives."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from soar.errors import Location
from soar.ingest.match import Matcher, explain
from soar.model.alert import Alert
from soar.model.playbook import Playbook
from soar.model.trigger import And, Condition, Detection, FieldTest, Name, Not, Or, Selection, Trigger
from soar.testing.stage import given_alert

LETTERS = st.text(alphabet="abAB ßẞİıſ*?\\1.é", max_size=6)
FIELDS = ("user", "rule_name", "status", "tags", "raw.x", "raw.y.z")
SCALARS = st.one_of(LETTERS, st.integers(-2, 12), st.booleans(), st.floats(-2, 2, width=16), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("xyz"), inner, max_size=2)),
    max_leaves=5,
)
"""What a sender may write anywhere."""


@st.composite
def field_tests(draw: st.DrawFn) -> FieldTest:
    field = draw(st.sampled_from(FIELDS))
    operator: Any = draw(
        st.sampled_from(
            ("equals", "equals", "contains", "startswith", "endswith", "exists", "fieldref", "gt", "lte", "cidr")
        )
    )
    wanted: Any = {
        "equals": SCALARS,
        "exists": st.booleans(),
        "fieldref": st.sampled_from(FIELDS),
        "gt": st.integers(0, 9),
        "lte": st.integers(0, 9),
        "cidr": st.just("10.0.0.0/8"),
    }.get(operator, LETTERS.filter(bool))
    values = tuple(draw(st.lists(wanted, min_size=1, max_size=3)))
    every, negated, cased = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    return FieldTest(field, operator, values, every, negated, cased, f"{field}|{operator}")


def conditions(names: list[str]) -> st.SearchStrategy[Condition]:
    return st.recursive(
        st.sampled_from(names).map(Name),
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts))),
        ),
        max_leaves=4,
    )


@st.composite
def playbooks(draw: st.DrawFn) -> list[Playbook]:
    books = []
    for number in range(draw(st.integers(1, 6))):
        names = [f"s{place}" for place in range(draw(st.integers(1, 3)))]
        alternatives = st.lists(st.lists(field_tests(), min_size=1, max_size=3).map(tuple), min_size=1, max_size=2).map(
            tuple
        )
        selections = tuple(Selection(name, draw(alternatives)) for name in names)
        sources = draw(st.sampled_from((frozenset(), frozenset({"test"}), frozenset({"other"}))))
        trigger = Trigger(Detection(selections, draw(conditions(names))), sources)
        books.append(Playbook(f"p{number}", "d", trigger, (), Location("p.yaml"), ""))
    return books


@st.composite
def alerts(draw: st.DrawFn) -> Alert:
    fields: dict[str, Any] = {
        "user": draw(st.none() | LETTERS),
        "rule_name": draw(st.none() | LETTERS),
        "status": draw(st.sampled_from((None, "new", "resolved", "Closed"))),
        "tags": draw(st.lists(LETTERS, max_size=3)),
        "raw": draw(
            st.one_of(VALUES, st.fixed_dictionaries({"x": VALUES, "y": st.dictionaries(st.just("z"), VALUES)}))
        ),
    }
    return given_alert("a", fields)


@settings(max_examples=400, deadline=None, database=None)
@given(books=playbooks(), alert=alerts())
def test_the_index_leaves_out_only_what_would_not_have_matched(books: list[Playbook], alert: Alert) -> None:
    """Neither a match nor an error is lost, and what is listed is what `explain` says."""
    explained = [explain(alert, book) for book in books]
    listed = Matcher(books).match(alert)
    assert [match for match in listed if match.outcome != "unmatched"] == [
        match for match in explained if match.outcome != "unmatched"
    ]
    assert all(match in explained for match in listed)


@settings(max_examples=200, deadline=None, database=None)
@given(books=playbooks(), alert=alerts(), data=st.data())
def test_the_order_of_tests_and_selections_changes_no_outcome(
    books: list[Playbook], alert: Alert, data: st.DataObject
) -> None:
    for book in books:
        detection = book.trigger.detection
        assert detection is not None
        shuffled = tuple(
            Selection(one.name, tuple(tuple(data.draw(st.permutations(tests))) for tests in one.alternatives))
            for one in data.draw(st.permutations(detection.selections))
        )
        trigger = Trigger(Detection(shuffled, detection.condition), book.trigger.sources)
        other = Playbook(book.id, book.digest, trigger, (), book.location, "")
        assert explain(alert, other).outcome == explain(alert, book).outcome
