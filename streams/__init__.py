"""The edge: how bytes get in and out. What is known about authentication is in ``models``."""

__version__ = "0.1.0"
