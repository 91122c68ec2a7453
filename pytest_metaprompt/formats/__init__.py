"""Readers: a file that the user wrote becomes a `Suite`, or one error that names everything wrong with it."""
