"""The interfaces on which SSH and the listener are open, as nftables rules in addition to the image's own.

The firewall, not sshd, restricts the interfaces, so an interface that appears late, or never, does not
prevent a service from starting. The rules are in chains of their own (`image/files/etc/nftables.conf`), which
are replaced in one step or left unchanged.
"""

import re
from collections.abc import Sequence
from typing import Final

NAME: Final = "interfaces.nft"
"""Name of the file with these rules, which the image's rules include each time they are loaded."""
EVERYWHERE: Final = ("*",)
_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}|[A-Za-z0-9][A-Za-z0-9_.@-]{0,13}\*")
"""Name of an interface (IFNAMSIZ is 16, including the final NUL), or a prefix of names."""


def is_interface(name: str) -> bool:
    """Return True if the firewall can use this name: a full name, a prefix (`wlan*`), or `*` for all."""
    return name == "*" or _INTERFACE.fullmatch(name) is not None


def is_limited(interfaces: Sequence[str]) -> bool:
    """Return True if a service is open only on some interfaces, and the firewall can match all of them.

    Other patterns (the listener accepts any) are left to the daemon, which checks each connection itself.
    """
    return "*" not in interfaces and all(map(is_interface, interfaces))


def text(*, ssh: Sequence[str], listener: Sequence[str]) -> str:
    """Return the rules for nftables. In either list, `*` stands for all interfaces."""
    return "".join(
        [
            (
                "# Written by logboat-networks from vessel.toml: the interfaces on which SSH and the"
                " listener are open.\n"
            ),
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
