"""Names of an identity's files, for code that only checks whether they exist."""

from typing import Final

VESSEL_CERTIFICATE: Final = "vessel.pem"
VESSEL_KEY: Final = "vessel.key"
FLEET_CERTIFICATE: Final = "fleet.pem"
REVOCATIONS: Final = "revocations.json"
RADIO_STATEMENT: Final = "radio-key.json"
"""File of the document fleet:radio-key, which is missing if the radio key never changed."""
GROUP: Final = "logboat"
"""Group of the appliance's daemons, which may read the key."""
