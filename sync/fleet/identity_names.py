"""Names of an identity's files: for who only needs to know whether they are there."""

from typing import Final

VESSEL_CERTIFICATE: Final = "vessel.pem"
VESSEL_KEY: Final = "vessel.key"
FLEET_CERTIFICATE: Final = "fleet.pem"
REVOCATIONS: Final = "revocations.json"
RADIO_STATEMENT: Final = "radio-key.json"
"""The document fleet:radio-key; a fleet whose radio never got another key has none."""
GROUP: Final = "logboat"
"""The group of the appliance's daemons, who may read the key."""
