"""Names of the identity files, for code that only checks whether the files exist."""

from typing import Final

VESSEL_CERTIFICATE: Final = "vessel.pem"
VESSEL_KEY: Final = "vessel.key"
FLEET_CERTIFICATE: Final = "fleet.pem"
REVOCATIONS: Final = "revocations.json"
RADIO_STATEMENT: Final = "radio-key.json"
"""File with the `fleet:radio-key` document. It is missing if the radio key never changed."""
GROUP: Final = "logboat"
"""Group of the appliance's daemons, which may read the private key."""
