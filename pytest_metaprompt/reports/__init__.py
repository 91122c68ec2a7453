"""Runs as files for people and programs; pure functions from results to text."""
