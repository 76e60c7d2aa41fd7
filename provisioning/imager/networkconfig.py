"""Reader of `network-config` as Raspberry Pi Imager 2 writes it, in a subset of netplan's format."""

from collections.abc import Mapping
from typing import Final

from provisioning.networks.joined import WPA3

from .cloud_init import Reader, boolean_of, each_key, reader_for, root_of, text_of
from .requested_settings import CHANGE_IT, RequestedWifi, SettingsSheet
from .yamltree import Node, Pairs, Text

NO_EFFECT: Final[Mapping[str, str]] = {
    "dhcp6": "addresses are always requested",
    "optional": "startup does not wait for a network",
}
"""Keys of an interface that need no action, each with the reason."""
_SECURITY: Final = {"none": "", "psk": "", "psk-sha256": "", "sae": WPA3}
"""Security type of a network by netplan's key management; empty for the default type."""


def read(text: str, sheet: SettingsSheet) -> None:
    """Record the settings that the file requests."""
    root = root_of(text, sheet)
    if root is not None:
        _NetworkConfig(sheet).read(root)


class _NetworkConfig:
    def __init__(self, sheet: SettingsSheet) -> None:
        self._sheet = sheet

    def read(self, root: Node) -> None:
        below: Mapping[str, Reader] = {
            "version": self._version,
            "ethernets": lambda _, value: self._each(value, self._ethernet),
            "wifis": lambda _, value: self._each(value, self._wifi),
        }
        if isinstance(root, Pairs) and any(key.text == "network" for key, _ in root.pairs):
            root_readers: Mapping[str, Reader] = {
                "network": lambda _, value: each_key(value, self._sheet, below, no_effect=("renderer",))
            }
            each_key(root, self._sheet, root_readers)
        else:  # cloud-init also accepts the inner part on its own
            each_key(root, self._sheet, below, no_effect=("renderer",))

    def _each(self, value: Node, reader: Reader) -> None:
        """Read a mapping whose keys are the names of interfaces or networks."""
        if isinstance(value, Pairs):
            for key, below in value.pairs:
                reader(key, below)
        else:
            each_key(value, self._sheet, {})

    def _version(self, key: Text, value: Node) -> None:
        if text_of(self._sheet, key, value) != "2":
            self._sheet.leave_unread(key.text, value.line, "only version 2 is supported")

    def _ethernet(self, _key: Text, value: Node) -> None:
        each_key(value, self._sheet, {"dhcp4": self._dhcp}, no_effect=NO_EFFECT)

    def _wifi(self, _key: Text, value: Node) -> None:
        readers: Mapping[str, Reader] = {
            "dhcp4": self._dhcp,
            "regulatory-domain": reader_for(self._sheet, "country"),
            "access-points": lambda _, points: self._each(points, self._point),
        }
        each_key(value, self._sheet, readers, no_effect=NO_EFFECT)

    def _dhcp(self, key: Text, value: Node) -> None:
        if boolean_of(self._sheet, key, value) is False:
            text = "a static address is not supported in this file"
            self._sheet.leave_unread(key.text, value.line, text, "Set it in vessel.toml, under [network].")

    def _point(self, ssid: Text, value: Node) -> None:
        _Point(self._sheet, ssid).read(value)


class _Point:
    """Reader of an access point; the appliance joins it only if its security type is supported."""

    def __init__(self, sheet: SettingsSheet, ssid: Text) -> None:
        self._sheet = sheet
        self._ssid = ssid
        self._password = ""
        self._is_hidden = False
        self._is_open = False
        self._security = ""
        self._is_understood = True

    def read(self, value: Node) -> None:
        readers: Mapping[str, Reader] = {
            "password": self._take_password,
            "hidden": self._hide,
            "mode": self._mode,
            "auth": self._auth,
        }
        each_key(value, self._sheet, readers)
        if self._is_understood:
            password = "" if self._is_open else self._password
            for name in filter(None, (self._ssid.text, self._ssid.as_bytes)):
                point = RequestedWifi(name, password, self._is_hidden, self._security)
                self._sheet.join(point, key=self._ssid.text, line=self._ssid.line)

    def _auth(self, _key: Text, value: Node) -> None:
        before = len(self._sheet.problems)
        each_key(value, self._sheet, {"key-management": self._manage, "password": self._take_password})
        if len(self._sheet.problems) > before:
            self._is_understood = False

    def _take_password(self, key: Text, value: Node) -> None:
        password = text_of(self._sheet, key, value)
        if password:
            self._password = password
        elif not isinstance(value, Text):
            self._is_understood = False

    def _hide(self, key: Text, value: Node) -> None:
        self._is_hidden = bool(boolean_of(self._sheet, key, value))

    def _mode(self, key: Text, value: Node) -> None:
        if text_of(self._sheet, key, value) != "infrastructure":
            self._refuse(key, value, 'only mode "infrastructure" is supported')

    def _manage(self, key: Text, value: Node) -> None:
        management = text_of(self._sheet, key, value)
        if management not in _SECURITY:
            remedy = "Describe this network in vessel.toml, under [network], and remove it here."
            self._refuse(key, value, "this key management is not supported in this file", remedy)
        self._is_open = management == "none"
        self._security = _SECURITY.get(management or "", "")

    def _refuse(self, key: Text, value: Node, text: str, remedy: str = CHANGE_IT) -> None:
        self._sheet.leave_unread(key.text, value.line, text, remedy)
        self._is_understood = False
