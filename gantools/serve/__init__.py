"""A fitted model behind HTTP: ``gantools serve``."""
