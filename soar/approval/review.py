"""A person's look at what another one approved alone."""

from __future__ import annotations

from typing import Final

from soar.clock import Millis
from soar.errors import NotAllowed, RequestInvalid
from soar.model.review import Review
from soar.playbook import Staff
from soar.store import Store

FINDING_LIMIT: Final = 4_000


async def close_review(store: Store, staff: Staff, review_id: str, person: str, finding: str, now: Millis) -> Review:
    """Close a review with what was found.

    Raises:
        NotFound: there is no such review.
        NotAllowed: who broke the glass does not review it, and who is nobody reviews nothing; that is recorded.
        Conflict: somebody was faster.
        RequestInvalid: nothing was found, or nothing is said.
    """
    said = finding.strip()[:FINDING_LIMIT]
    if not said:
        raise RequestInvalid("a review needs a finding: say what you have looked at, and whether it was right")
    review = await store.reviews.get(review_id)
    reason = _refusal(review, person, staff)
    if reason is not None:
        await store.reviews.refused(review, f"person:{person}", reason, now)
        raise NotAllowed(f"review {review_id}: {reason}")
    return await store.reviews.close(review_id, f"person:{person}", said, now)


def _refusal(review: Review, person: str, staff: Staff) -> str | None:
    if person not in staff.roles:
        return f"'{person}' is nobody in soar.yaml"
    if review.by == f"person:{person}":
        return f"'{person}' has broken the glass, and somebody else must look at it (four eyes)"
    return None
