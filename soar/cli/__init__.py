"""The `soar` command: one file per group of commands, each importing what it needs when it runs."""
