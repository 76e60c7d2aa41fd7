"""Names of folders on a card, which operators' machines and appliances must spell alike."""

from typing import Final

INBOX: Final = "inbox"
"""Folder in the data partition for a bundle that came with the card."""
ON_FAT: Final = "logboat"
"""Folder in the FAT partition for files that people edit, and for a bundle that came that way."""
