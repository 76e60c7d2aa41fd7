"""On which interfaces SSH and the listener are open: what nftables is told beside the image's rules. Pure.

By the firewall and not by sshd: an interface that comes late, or not at all, stops no service. The rules are
in chains of their own (`image/files/etc/nftables.conf`), emptied and filled as one, or left as they are.
"""

import re
from collections.abc import Sequence
from typing import Final

NAME: Final = "interfaces.nft"
"""Of the file; the image's rules include it whenever they are loaded again."""
EVERYWHERE: Final = ("*",)
_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}|[A-Za-z0-9][A-Za-z0-9_.@-]{0,13}\*")
"""A name of an interface (IFNAMSIZ is 16, with the byte that ends it), or how names begin."""


def is_interface(name: str) -> bool:
    """Return True if the firewall can go by this name: whole, how names begin (`wlan*`), or `*` for all."""
    return name == "*" or _INTERFACE.fullmatch(name) is not None


def is_limited(interfaces: Sequence[str]) -> bool:
    """Return True if something is open on some interfaces alone, and the firewall can tell which.

    What it cannot (the listener takes any pattern) is left to the daemon, which looks at each connection.
    """
    return "*" not in interfaces and all(map(is_interface, interfaces))


def text(*, ssh: Sequence[str], listener: Sequence[str]) -> str:
    """Return what nftables is told; each of the two may have `*` for all interfaces."""
    return "".join(
        [
            "# Made by logboat-networks from vessel.toml: where SSH and the listener are open.\n",
            *_chain("ssh", ssh),
            *_chain("listener", listener),
        ]
    )


def _chain(name: str, interfaces: Sequence[str]) -> list[str]:
    where = [f'iifname "{each}" ' for each in dict.fromkeys(interfaces)] if is_limited(interfaces) else [""]
    return [
        f"flush chain inet logboat {name}\n",
        *(f"add rule inet logboat {name} {each}accept\n" for each in where),
    ]
