"""HAProxy, through its runtime API."""
