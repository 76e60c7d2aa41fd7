"""The stores' budget, set by `budget` under `[retention]`: a share of the data partition, or a size."""

import os
from pathlib import Path
from typing import NamedTuple


class Budget(NamedTuple):
    """Maximum combined size of all stores. Exactly one of the two fields is above 0."""

    share: float = 0.0
    """Maximum size as a fraction of the partition that contains the stores, such as 0.8."""
    size: int = 0
    """Maximum size in bytes."""

    def __str__(self) -> str:
        """Return the budget in the format of the configuration file: `80 %` or `20000000000 B`."""
        return f"{self.share * 100:.10g} %" if self.share else f"{self.size} B"

    def in_bytes(self, data: Path) -> int:
        """Return the budget in bytes; `data` is the folder that contains the stores."""
        if not self.share:
            return self.size
        partition = os.statvfs(data)  # `shutil.disk_usage` would do the same, but `shutil` is slow to import
        return int(partition.f_blocks * partition.f_frsize * self.share)
