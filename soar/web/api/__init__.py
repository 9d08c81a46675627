"""The API of version 1, one file per subject; all of it needs a bearer token (see `soar.web.access`)."""
