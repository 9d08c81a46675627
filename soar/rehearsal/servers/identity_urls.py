"""What the identity provider answers: the toolkit's own endpoints, and the token that a handle stands for."""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import unquote_plus

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from oauth2_provider.models import AccessToken


def token_of_handle(request: HttpRequest, handle: str) -> JsonResponse:
    """The token that a handle from the logs stands for; told to responders only."""
    if not _is_responder(request):
        return JsonResponse({"error": "invalid_client"}, status=401)
    token = AccessToken.objects.filter(token_checksum=handle).first()
    if token is None:
        return JsonResponse({"error": "not_found"}, status=404)
    return JsonResponse({"token": token.token})


def _is_responder(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    try:
        pair = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    client_id, secret = unquote_plus(pair[0]), unquote_plus(pair[2])  # form-encoded each (RFC 6749, 2.3.1)
    expected = settings.REHEARSAL_RESPONDERS.get(client_id)
    known = expected is not None and hmac.compare_digest(expected.encode(), secret.encode())
    return scheme.lower() == "basic" and known


urlpatterns = [
    path("handles/<slug:handle>", token_of_handle),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]
