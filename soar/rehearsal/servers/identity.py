"""The identity provider: django-oauth-toolkit with its own token, introspection and revocation endpoints.

Two things are set up as an operator would: the responder's client may revoke tokens of other clients (by default a
client revokes only its own), and it may resolve the handle that logs carry (the SHA-256 of a token) to the token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

from soar.rehearsal.servers.child import announce, end_with_parent, folder_and_setup, wsgi_server


def _configure(folder: Path, setup: dict[str, Any]) -> None:
    settings.configure(
        SECRET_KEY=setup["secret_key"],
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="soar.rehearsal.servers.identity_urls",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": folder / "identity.db",
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
            }
        },
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
        # The tables as the models have them: the history of their migrations takes seconds to replay.
        MIGRATION_MODULES={"auth": None, "contenttypes": None, "oauth2_provider": None},
        OAUTH2_PROVIDER={
            "SCOPES": {"accounts": "Read accounts", "introspection": "Introspect tokens"},
            "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
            "OAUTH2_VALIDATOR_CLASS": "soar.rehearsal.servers.identity_policy.ResponderPolicy",
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # throw-away secrets, quick start
        REHEARSAL_RESPONDERS=setup["responders"],
        USE_TZ=True,
    )
    django.setup()


def _register(clients: dict[str, str]) -> None:
    """One confidential client each, for the client credentials grant."""
    application = apps.get_model("oauth2_provider", "Application")
    for client_id, secret in clients.items():
        application.objects.create(
            name=client_id,
            client_id=client_id,
            client_secret=secret,
            client_type=application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=application.GRANT_CLIENT_CREDENTIALS,
        )


def main() -> None:
    """Make the tables, register the clients and serve until the parent goes."""
    folder, setup = folder_and_setup()
    end_with_parent()
    _configure(folder, setup)
    call_command("migrate", run_syncdb=True, verbosity=0)
    _register({**setup["clients"], **setup["responders"]})
    server = wsgi_server()
    server.set_app(get_wsgi_application())
    announce(folder, server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    main()
