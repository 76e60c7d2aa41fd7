"""Valid and invalid certificates and keys of an enterprise Wi-Fi network."""

from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tests.net.certificates import CA

_CA: Final = CA.new("marina")
_VESSEL: Final = _CA.issue("argo")
CA_FILE: Final = _CA.certificate.public_bytes(Encoding.PEM)
CERTIFICATE: Final = _VESSEL.chain_pem()
EXPIRED: Final = _CA.issue("argo", end=datetime(2026, 2, 1, tzinfo=UTC)).chain_pem()
KEY: Final = _VESSEL.key_pem()
OTHER_KEY: Final = _CA.issue("brigid").key_pem()
ENCRYPTED_KEY: Final = _VESSEL.private_key.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
)
WIFI_FILES: Final = {"marina-ca.pem": CA_FILE, "argo.pem": CERTIFICATE, "argo.key": KEY}
"""Files to which the Wi-Fi networks of the cases refer."""
