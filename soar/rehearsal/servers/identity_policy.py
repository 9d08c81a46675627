"""Who may revoke what at the rehearsal's identity provider."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from oauth2_provider.models import AccessToken
from oauth2_provider.oauth2_validators import OAuth2Validator


class ResponderPolicy(OAuth2Validator):  # type: ignore[misc]  # the toolkit has no types
    """A responder's client may revoke any token; every other client only its own, as the toolkit has it."""

    def revoke_token(self, token: str, token_type_hint: str | None, request: Any, *args: Any, **kwargs: Any) -> None:
        """Act for the token's own client when a responder asks."""
        if getattr(request.client, "client_id", None) in settings.REHEARSAL_RESPONDERS:
            found = AccessToken.objects.filter(token=token).select_related("application").first()
            request.client = found.application if found else request.client
        super().revoke_token(token, token_type_hint, request, *args, **kwargs)
