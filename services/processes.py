"""Whether a process of this machine lives."""

import os


def is_alive(pid: int) -> bool:
    """Return True if there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
