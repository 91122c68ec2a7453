"""Texts that stand inside other files: find one by its place, and put another there with every other byte as it was."""
