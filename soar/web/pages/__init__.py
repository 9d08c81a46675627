"""Pages for people: requests, and their answers. Rendered here, without scripts; opening one decides nothing."""

from soar.web.pages.routes import router

__all__ = ["router"]
