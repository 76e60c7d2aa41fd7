"""Finds problems with the certificates and keys to which the Wi-Fi networks in a configuration refer.

A network with such a problem cannot be joined. Only new files are rejected because of these problems (see
`FileProblem.refuses_only_new`). The appliance reports problems of files in use, such as a certificate that
has since expired, in its status.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from provisioning.bundle.contents import MOST_BYTES_OF_OTHERS
from sensors.plaintext import clean
from sensors.toml.toml_file import FileProblem, TomlFile, is_empty

from .network_model import Wifi
from .readiness import emptied, is_file, missing

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE"
_ENCRYPTED: Final = (b"ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")


def names_of_wifi_files(networks: Sequence[Wifi]) -> tuple[str, ...]:
    """Return the names of all files to which Wi-Fi networks refer."""
    return tuple(name for wifi in networks for name in _files_of(wifi).values())


def files_of_wifi(
    networks: Sequence[Wifi], *, folder: Path, file: TomlFile | None = None, now: datetime | None = None
) -> Iterator[FileProblem]:
    """Yield a problem for each file that a Wi-Fi network needs but that cannot be used.

    `file` is the configuration, and `folder` contains it. `now` is the current time by default.
    """
    moment = datetime.now(UTC) if now is None else now
    config = folder if file is None else file.path
    for number, wifi in enumerate(networks):
        label = f'Wi-Fi network "{clean(wifi.ssid)}"'
        names, good = _files_of(wifi), dict[str, bytes]()
        for key, name in names.items():
            path = folder / name
            if not is_file(path):
                line = None if file is None else file.line(("network", "wifi", number, key))
                what, remedy = missing(key, name)
                yield FileProblem(config, line, key, what, remedy, table=label, refuses_only_new=True)
                continue
            yield from emptied([path])
            try:
                with path.open("rb") as opened:
                    content = opened.read(MOST_BYTES_OF_OTHERS)
            except OSError:  # only root may read it, or the medium fails
                continue
            if not is_empty(content):
                found = _mistake_in(key, content, label, moment)
                if found is None:
                    good[key] = content
                else:
                    yield FileProblem(path, None, "", *found, refuses_only_new=True)
        if "certificate" in good and "key" in good and not _fits(good["certificate"], good["key"]):
            yield FileProblem(
                folder / names["key"],
                None,
                "",
                f"this key does not belong to the certificate {names['certificate']}",
                "Write the key with which the certificate was requested.",
                refuses_only_new=True,
            )


def _files_of(wifi: Wifi) -> Mapping[str, str]:
    names = {"ca": wifi.ca, "certificate": wifi.certificate, "key": wifi.certificate_key}
    return {key: name for key, name in names.items() if name is not None}


def _mistake_in(key: str, content: bytes, label: str, now: datetime) -> tuple[str, str] | None:
    """Return a description of the mistake in a file, with a remedy; None if there is no mistake."""
    if key == "key":
        return _mistake_in_key(content, label)
    if _CERTIFICATE not in content:
        return (
            f"this is not a certificate in PEM format, as {key} of {label} needs it",
            "Save it as text that begins with -----BEGIN CERTIFICATE-----.",
        )
    try:
        certificates = _certificates(content)
    except ValueError:
        return "the certificate is damaged", "Write the file again."
    ends = [each.not_valid_after_utc for each in certificates]
    last = max(ends) if key == "ca" else ends[0]  # a client's own certificate is the first in its file
    if last <= now:
        return (
            f"the certificate expired on {last:%Y-%m-%d}",
            "Ask the operator of the network for a new one.",
        )
    return None


def _mistake_in_key(content: bytes, label: str) -> tuple[str, str] | None:
    if any(mark in content for mark in _ENCRYPTED):
        return "this key is encrypted", "Decrypt it with `openssl pkey -in FILE -out NEW`."
    try:
        _key(content)
    except (ValueError, TypeError, _unsupported()):
        return f"this is not a private key in PEM format, as {label} needs it", "Write the file again."
    return None


def _fits(certificate: bytes, key: bytes) -> bool:
    return bool(_certificates(certificate)[0].public_key() == _key(key).public_key())


def _certificates(content: bytes) -> "list[Certificate]":
    from cryptography import x509  # this is slow to load, and few vessels use enterprise networks

    return x509.load_pem_x509_certificates(content)


def _key(content: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(content, password=None)


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm
