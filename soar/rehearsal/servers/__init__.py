"""The child processes of the rehearsal range that are written in Python."""
