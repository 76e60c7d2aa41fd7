"""Mistakes in the files of an enterprise Wi-Fi network, and in the choice of a channel."""

from .cases import FolderCase
from .certificates import CERTIFICATE, ENCRYPTED_KEY, EXPIRED, KEY, OTHER_KEY, WIFI_FILES

NETWORK = """\
[network]
country = "DE"
[[network.wifi]]
ssid = "marina"
eap = "tls"
user = "argo"
ca = "marina-ca.pem"
certificate = "argo.pem"
key = "argo.key"
"""


def case(what: str, name: str, content: bytes | str, good: bytes | None = None) -> FolderCase:
    """Return a case with one invalid file, which the remedy replaces with the valid file."""
    return FolderCase(
        what,
        "vessel.toml",
        {"vessel.toml": NETWORK, name: content},
        {name: WIFI_FILES[name] if good is None else good},
    )


AMERICAN = '[network]\ncountry = "US"\nvessel_radio = {{ mode = "mesh", channel = {} }}\n'
FILES = [
    FolderCase(
        "channel that a country does not allow",
        "vessel.toml",
        {"vessel.toml": AMERICAN.format(13)},
        {"vessel.toml": AMERICAN.format(11)},
    ),
    FolderCase(
        "missing certificate of a network",
        "vessel.toml",
        {"vessel.toml": NETWORK.replace("argo.pem", "brigid.pem")},
        {"brigid.pem": CERTIFICATE},
    ),
    case("empty certificate of a network", "argo.pem", "\n"),
    case("binary certificate of a network", "marina-ca.pem", b"\x30\x82\x01"),
    case("damaged certificate of a network", "marina-ca.pem", WIFI_FILES["marina-ca.pem"][:200]),
    case("expired certificate of a network", "argo.pem", EXPIRED),
    case("certificate in place of a key", "argo.key", CERTIFICATE),
    case("damaged key of a network", "argo.key", KEY[:90]),
    case("encrypted key of a network", "argo.key", ENCRYPTED_KEY),
    case("key of another certificate", "argo.key", OTHER_KEY),
]
"""Certificates and keys that no network would accept, and a channel that cannot be used."""
