"""Clients: what turns a `Request` into a `Reply`, and the wrappers around them."""
