"""Parser of untrusted DNS-SD records of our service in zeroconf's cache.

Anyone on the network can put records into the cache. zeroconf accepts some records that later cause
exceptions of many types, or that make it send a packet that cannot be parsed. So only names that
`is_instance` accepts are written into packets. Regardless of the content of the records, the only exception
that `answer` raises is AdvertisementError.
"""

import ipaddress
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from traceback import walk_tb
from typing import Final

from zeroconf import (  # type: ignore[attr-defined]  # exported, though not in __all__
    DNSAddress,
    DNSPointer,
    DNSRecord,
    DNSService,
    DNSText,
    RecordUpdate,
    RecordUpdateListener,
    ServiceInfo,
    Zeroconf,
    current_time_millis,
)

from sync.mesh.interfaces import Interface, dialable
from sync.mesh.sightings import SERVICE_TYPE, AdvertisementError, Sighting, is_instance

# Record types of RFC 1035, RFC 2782 and RFC 3596. The class is IN.
_A, _TXT, _AAAA, _SRV = 1, 16, 28, 33
_IN: Final = 1
_ANY_NAME: Final = f"any.{SERVICE_TYPE}"
"""Placeholder for the name of an instance. zeroconf might reject the real name, which is not needed here."""


@dataclass(frozen=True, slots=True)
class InstanceRecords:
    """The cached DNS-SD records of one instance."""

    sighting: Sighting
    heard: float
    """Time at which the service record was received, in milliseconds by zeroconf's clock."""


class RecordListener(RecordUpdateListener):
    """Listener that reports the instance names in records that zeroconf receives."""

    def __init__(self, changed: Callable[[set[str], list[DNSService]], None]) -> None:
        super().__init__()
        self._changed = changed
        self._names: set[str] = set()
        self._services: list[DNSService] = []

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        """Collect the instance names in the records of a packet."""
        for update in records:
            record = update.new
            if isinstance(record, DNSPointer) and record.key == SERVICE_TYPE:
                self._add(record.alias)
            elif isinstance(record, DNSService | DNSText):
                self._add(record.name)
                if isinstance(record, DNSService) and not record.is_expired(now):
                    self._services.append(record)
            elif isinstance(record, DNSAddress):
                for service in zc.cache.entries_with_server(record.name):
                    self._add(service.name)

    def async_update_records_complete(self) -> None:
        """Report the collected names after zeroconf has processed a packet."""
        if self._names:
            names, self._names = self._names, set()
            services, self._services = self._services, []
            self._changed(names, services)

    def _add(self, name: str) -> None:
        if name.endswith(f".{SERVICE_TYPE}"):
            self._names.add(name)


def is_zeroconf_alone(error: BaseException) -> bool:
    """Return True if an exception was raised within zeroconf and no code of ours is in the traceback."""
    modules = [str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__)]
    return any(name.startswith("zeroconf") for name in modules) and not any(
        name.startswith("sync.") for name in modules
    )


def instance_of(name: str) -> str:
    """Return the instance name that is part of a full DNS-SD name."""
    return name.removesuffix(f".{SERVICE_TYPE}")


def pointers(zeroconf: Zeroconf) -> list[DNSPointer]:
    """Return the pointer records of our service type, except those with names that no vessel can have."""
    now = current_time_millis()
    return [
        record
        for record in zeroconf.cache.entries_with_name(SERVICE_TYPE)
        if isinstance(record, DNSPointer)
        and not record.is_expired(now)
        and is_instance(instance_of(record.alias))
    ]


def drop_pending_answers(zeroconf: Zeroconf) -> None:
    """Discard the answers that are waiting to be sent. Call this before a service is withdrawn.

    zeroconf delays an answer by up to 120 ms, or by over a second if the same records were sent recently. It
    does not discard the answer when the service is withdrawn. Other vessels could receive the answer after
    the first of three identical goodbye packets, and would ignore the other two packets as duplicates. The
    withdrawn service would then remain in their caches until its records expire.
    """
    for pending in (zeroconf.out_queue, zeroconf.out_delay_queue):
        pending.queue.clear()


def service(zeroconf: Zeroconf, name: str, *, but_not_from: str = "") -> DNSService | None:
    """Return the newest service record (host and port) of an instance, or None.

    Records whose host name ends in `but_not_from` are ignored.
    """
    record = _newest(zeroconf, name, _SRV, but_not_from=but_not_from)
    return record if isinstance(record, DNSService) else None


def answer(
    zeroconf: Zeroconf,
    name: str,
    *,
    but_not_from: str,
    interfaces: Sequence[Interface],
    heard_from: Collection[str],
) -> InstanceRecords | None:
    """Return the cached records of an instance, or None if they are incomplete.

    Args:
        zeroconf: the Zeroconf object whose cache is read.
        name: full DNS-SD name of the service instance.
        but_not_from: suffix of the host names whose records are ignored.
        interfaces: this machine's interfaces.
        heard_from: source addresses of the packets that announced the name.

    Raises:
        AdvertisementError: the instance does not belong to a vessel, or its records are malformed.
    """
    where = service(zeroconf, name, but_not_from=but_not_from)
    text = _newest(zeroconf, name, _TXT)
    if where is None or not isinstance(text, DNSText):
        return None
    try:
        properties = ServiceInfo(SERVICE_TYPE, _ANY_NAME, properties=text.text).properties
        addresses = dialable(_addresses(zeroconf, where.server), interfaces, heard_from)
        sighting = Sighting.from_txt(instance_of(name), properties, addresses, where.port)
    except AdvertisementError:
        raise
    except Exception as error:  # a failure affects only the instance with this name
        raise AdvertisementError(f"the records cannot be read: {type(error).__name__}: {error}") from error
    return InstanceRecords(sighting, where.created)


def _newest(zeroconf: Zeroconf, name: str, kind: int, *, but_not_from: str = "") -> DNSRecord | None:
    """Return the newest cached record with this name and type, or None if there is none.

    The newest record is the one that expires last. Outdated records stay in the cache for a while.
    """
    now = current_time_millis()
    valid = [
        record
        for record in zeroconf.cache.get_all_by_details(name, kind, _IN)
        if not record.is_expired(now)
        and not (but_not_from and isinstance(record, DNSService) and record.server.endswith(but_not_from))
    ]
    return max(valid, key=lambda record: record.created + record.ttl * 1000.0, default=None)


def _addresses(zeroconf: Zeroconf, server: str) -> list[str]:
    """Return a host's cached addresses. If the interface is known, its index is the address's zone."""
    now = current_time_millis()
    addresses = []
    for kind in (_A, _AAAA):
        for record in zeroconf.cache.get_all_by_details(server, kind, _IN):
            if not isinstance(record, DNSAddress) or record.is_expired(now):
                continue
            with suppress(ValueError):
                ip = ipaddress.ip_address(record.address)
                addresses.append(f"{ip}%{record.scope_id}" if record.scope_id else str(ip))
    return addresses
