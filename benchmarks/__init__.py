"""Measurements that are too long for the tests. Not part of the package."""
