"""Names of folders on a card, shared by the operator's machine and the appliance."""

from typing import Final

INBOX: Final = "inbox"
"""Folder in the data partition for a bundle that was written together with the card."""
ON_FAT: Final = "logboat"
"""Folder in the FAT partition for files that people edit, and for a bundle that was copied there."""
