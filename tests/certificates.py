"""Certificates for a test, made with openssl when they are needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from streams.settings import Tls

__all__ = ["certificate"]


def certificate(folder: Path, name: str = "server") -> Tls:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    made = Tls(certificate=str(folder / f"{name}.pem"), key=str(folder / f"{name}.key"))
    key = f"-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {made.key}"
    names = f"-subj /CN={name} -addext subjectAltName=IP:127.0.0.1,DNS:localhost"
    command = f"openssl req -x509 -days 2 {key} {names} -out {made.certificate}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return made
