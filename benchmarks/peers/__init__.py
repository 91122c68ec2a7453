"""The side of a peer's process: these files run in a throw-away environment and import nothing of the package."""
