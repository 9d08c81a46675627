"""The ticket tracker: Roundup's classic template with its own REST interface."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path

import roundup.instance
from roundup.admin import AdminTool
from roundup.cgi.wsgi_handler import RequestDispatcher
from roundup.password import Password

from soar.rehearsal.servers.child import announce, end_with_parent, folder_and_setup, wsgi_server


def _install(home: Path, web: str, outbox: Path) -> None:
    """Lay the tracker out; its mail goes to a file, never to anybody."""
    options = {
        "tracker_web": web,
        "mail_domain": "localhost",
        "mail_host": "localhost",
        "mail_debug": str(outbox),
        "web_http_auth": "yes",
        "web_api_failed_login_limit": "1000",
        "web_login_attempts_min": "0",
        "password_pbkdf2_default_rounds": "1000",  # throw-away secrets: every REST call proves them anew
    }
    with contextlib.redirect_stdout(io.StringIO()):
        AdminTool().do_install(str(home), ["", "classic", "sqlite", ",".join(f"{k}={v}" for k, v in options.items())])


def _fill(home: Path, admin_secret: str, users: Mapping[str, str]) -> None:
    """The template's own priorities and statuses, and one ordinary user each."""
    tracker = roundup.instance.open(str(home))
    tracker.init(Password(admin_secret, config=tracker.config), tx_Source="cli")
    database = tracker.open("admin")
    for name, secret in users.items():
        password = Password(secret, config=tracker.config)
        database.user.create(username=name, password=password, address=f"{name}@localhost", roles="User")
    database.commit()
    database.close()


def main() -> None:
    """Install a fresh tracker in the folder given and serve it until the parent goes."""
    folder, setup = folder_and_setup()
    end_with_parent()
    home = folder / "tracker"
    server = wsgi_server()
    _install(home, f"http://127.0.0.1:{server.server_port}/", folder / "mail.txt")
    _fill(home, setup["admin_secret"], setup["users"])
    server.set_app(RequestDispatcher(str(home)))
    announce(folder, server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    main()
