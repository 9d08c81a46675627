"""Acting on other systems: the SDK's classes, what loads them, and what calls them."""
