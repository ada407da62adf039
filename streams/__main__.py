"""``python -m streams`` is ``crible``, for where the project is not installed (the image of ``deploy/Dockerfile``)."""

from __future__ import annotations

import sys

from streams.cli import main

if __name__ == "__main__":
    sys.exit(main())
