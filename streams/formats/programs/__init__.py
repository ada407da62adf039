"""One module for each program whose log lines are read; adding a program is adding a module.

Each names its :class:`~streams.formats.format.Format` ``FORMAT``.
"""
