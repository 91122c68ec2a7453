"""Beds on the real local model (stub replaced below)."""
class MissingError(Exception): ...
LOCAL = ()
def open_local(name, seed): raise MissingError
