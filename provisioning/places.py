"""Names of places on a card, which operators' machines and appliances must spell alike."""

from typing import Final

INBOX: Final = "inbox"
"""In the data partition: where a bundle lies that came with the card."""
ON_FAT: Final = "logboat"
"""In the FAT partition: what people edit, and a bundle that came that way."""
