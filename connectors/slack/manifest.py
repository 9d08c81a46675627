"""The app as Slack is to set it up: with the least it can do its work with."""

from __future__ import annotations

from typing import Any, Final

from connectors.slack.checkup import KNOWS_PEOPLE, POSTS

INTERACTIONS: Final = "/slack/interactions"
"""Where this server takes answers in."""


def manifest(name: str, *, request_url: str | None) -> dict[str, Any]:
    """The manifest of an app whose answers go to that address; through a socket where there is none.

    The messages tab is what direct messages of the app are shown in; nobody can write to it there.
    """
    interactivity: dict[str, Any] = {"is_enabled": True}
    if request_url is not None:
        interactivity["request_url"] = request_url
    tab = {"home_tab_enabled": False, "messages_tab_enabled": True, "messages_tab_read_only_enabled": True}
    return {
        "display_information": {"name": name, "description": "Asks people before something is done."},
        "features": {"app_home": tab, "bot_user": {"display_name": name, "always_online": True}},
        "oauth_config": {"scopes": {"bot": [POSTS, KNOWS_PEOPLE]}},
        "settings": {
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": request_url is None,
            "token_rotation_enabled": False,
        },
    }
