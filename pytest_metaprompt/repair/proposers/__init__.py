"""Whoever suggests changed routines; one file each."""
