"""Advertising and discovery of vessels, by DNS-SD over multicast (RFC 6762, 6763) with zeroconf.

zeroconf handles packets, names, sockets, answers and a cache. This module adds the following rules. They are
needed because the interface of a radio mesh is always up. So vessels come into range, and go out of range,
without any change of the interface.

- **Queries continue.** A query for all instances is sent at once after a start, a change of interfaces or
  `refresh`, and then every few seconds. RFC 6762 (5.2) would let the interval grow to an hour. Every query
  except the first lists the recently heard instances as known answers. So if no vessel has arrived, a query
  costs one small packet and receives no answers.
- **A known instance is queried again** after `QueryIntervals.stale` seconds without a packet from it. All
  vessels receive its answer. An answer after more than `QueryIntervals.silent` seconds of silence is reported
  (`SightingChangeKind.AGAIN`).
- **An instance that does not answer is removed** when its address expires, two minutes after its last packet
  (RFC 6762, 10).
- **A name has one owner.** If our name is taken when we start, or if another instance with our name appears
  later, one of the two instances continues as `<vessel>-<log>-2`. One or both vessels report the conflict,
  because the card may have been cloned.

Vessels that are out of range for less than two minutes keep each other's addresses. Such a vessel may not be
reported as found again, so the caller must continue to dial it.
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from zeroconf import (  # type: ignore[attr-defined]  # exported, though not in __all__
    DNSAddress,
    DNSOutgoing,
    DNSPointer,
    DNSQuestion,
    DNSService,
    IPVersion,
    ServiceInfo,
    Zeroconf,
    current_time_millis,
)
from zeroconf.asyncio import AsyncZeroconf

from sync.mesh.interface_watch import Event, InterfaceWatch
from sync.mesh.interfaces import (
    Interface,
    advertised,
    multicast_choice,
    read_interfaces,
    suitable,
)
from sync.mesh.sightings import (
    SERVICE_TYPE,
    Advertisement,
    AdvertisementError,
    Sighting,
    SightingChange,
    Sightings,
    is_instance,
)

from . import dns_sd_records
from .dns_sd_records import InstanceRecords, RecordListener, instance_of
from .mdns_sources import MdnsSources

log = logging.getLogger(__name__)

# Record types and flags of RFC 1035 and RFC 3596. The class is IN, and a query is a packet without flags.
_PTR, _AAAA, _ANY = 12, 28, 255
_IN: Final = 1
_QUERY: Final = 0

_FIRST_ASKS: Final = (1.0, 2.0)
"""Seconds between the first queries after a start or a change of interfaces (RFC 6762, 5.2)."""
_START_JITTER: Final = (0.02, 0.12)
"""Minimum and maximum of the random delay before the first query, in seconds (RFC 6762, 5.2).

Without this delay, vessels that are switched on at the same time would all send at once.
"""
_NEIGHBOURS: Final = 4
"""Maximum number of known instances for which each vessel sends queries at the full rate.

If there are more instances, each vessel sends fewer queries.
"""
_AT_MOST: Final = 60.0
"""Maximum seconds between two queries of one vessel, regardless of the number of instances."""
_POINTERS: Final = 512
"""Maximum number of instance names processed at a time, so that a flood of packets causes limited work."""
_OWN_NAME_EVERY: Final = 4
"""Interval, in queries, at which our own name is omitted from the known answers, so that a clone answers."""
_NAMES_ASKED: Final = 8
"""Maximum number of instances whose missing records are requested in one query."""
_OWNER_SPEAKS: Final = 1.5
"""Seconds after which the owner of a contested name announces the name again.

Caches drop the name's records after a conflict (RFC 6762, 10.2).
"""
_BUNDLE: Final = 0.03
"""Seconds to wait for copies of a packet from other interfaces, so that all copies are processed together."""
_COMPLAINTS: Final = 64
_RETRY: Final = 10.0
"""Seconds until the next attempt if the sockets cannot be opened."""
_LOOK: Final = 60.0
"""Seconds between checks of the interfaces if there are no events. The kernel may drop events."""


_Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


@dataclass(frozen=True, slots=True)
class QueryIntervals:
    """The intervals, in seconds, at which discovery sends queries and detects silent vessels."""

    ask: float = 5.0
    """Seconds between queries for all instances, varied randomly by a fifth."""
    stale: float = 15.0
    """Seconds without a packet from an instance after which the instance is queried."""
    silent: float = 30.0
    """Seconds of silence after which the next packet from an instance is reported.

    The time from `stale` to `silent` is sufficient for about three queries.
    """
    forget: float = 120.0
    """Seconds after which other vessels remove a silent vessel: the TTL of its addresses (RFC 6762, 10)."""


class Discovery:
    """Service that advertises this appliance and discovers others. It runs from `start` until `stop`."""

    def __init__(
        self,
        advertisement: Advertisement,
        *,
        interfaces: Sequence[str] = ("*",),
        is_told: bool = True,
        on_change: Callable[[list[SightingChange]], None],
        on_name_taken: Callable[[str], None] | None = None,
        pace: QueryIntervals | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """Create the service, which is inactive until `start` is called.

        Args:
            advertisement: the content to advertise.
            interfaces: patterns for names of interfaces, in which `*` matches any characters. The loopback
                interface must be listed by its full name.
            is_told: True to advertise this vessel; False for a vessel that does not listen.
            on_change: called in the event loop with the changes of `sightings`.
            on_name_taken: called with our intended instance name if another appliance uses that name.
            pace: intervals of queries; None for the defaults.
            chance: source of the random delays; None to create one.
        """
        self._advertisement = advertisement
        self._wanted, self._is_told = tuple(interfaces), is_told
        self._on_change = on_change
        self._on_name_taken = on_name_taken
        self._pace = pace or QueryIntervals()
        self._chance = chance or random.Random()  # noqa: S311 -- only distributes packets over time
        self._own_hosts = f"-{secrets.token_hex(3)}.local."
        """Random suffix of our host name. It distinguishes our records from those of a cloned card."""

        self._table = Sightings()
        self._heard: dict[str, float] = {}
        self._heard_names: set[str] = set()
        self._heard_services: list[DNSService] = []
        self._complained: set[str] = set()
        self._raised_before: set[str] = set()
        self._interfaces: tuple[Interface, ...] = ()
        self._zeroconf: AsyncZeroconf | None = None
        self._records = RecordListener(self._records_changed)
        self._hearing = MdnsSources(memory=self._pace.forget, clock=time.monotonic)
        self._watch = InterfaceWatch(self._interfaces_changed)
        self._registered: ServiceInfo | None = None
        self._registered_for = ""
        self._announcements: set[asyncio.Future[None]] = set()

        self._wake = asyncio.Event()
        self._links_changed = False
        self._must_announce = False
        self._main: asyncio.Task[None] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._intervals: Iterator[float] = iter(())
        self._asked = 0
        self._asks_all = True

        self._handler: _Handler | None = None
        """Exception handler that the event loop had before `start`; None if it had none."""
        self._complained_of: str | None = None
        self.problem: str | None = None
        """Reason why no vessel can be discovered, and what to do; None if no problem is known."""
        self.name_taken: str | None = None
        """Our intended instance name if another appliance also uses that name; otherwise None."""

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """The received advertisements that have not expired, excluding our own."""
        return tuple(self._table)

    @property
    def instance(self) -> str | None:
        """The instance name that we advertise; None until a query has shown that the name is free."""
        return None if self._registered is None else instance_of(self._registered.name)

    async def start(self) -> None:
        """Start listening and querying. Advertising starts within about a second.

        If this fails, the reason is stored in `problem`.
        """
        assert self._main is None, "started twice"
        loop = asyncio.get_running_loop()
        self._handler = loop.get_exception_handler()
        loop.set_exception_handler(self._raised)
        self._watch.start()
        await self._open()
        self._wake.set()
        self._main = asyncio.create_task(self._keep_up(), name="discovery")

    async def stop(self) -> None:
        """Withdraw the advertisement and close the sockets. This takes about a quarter of a second."""
        self._watch.stop()
        self._hearing.stop()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        tasks = [*self._announcements, *([self._main] if self._main is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._main = None
        if self._zeroconf is not None:
            zeroconf, self._zeroconf = self._zeroconf, None
            zeroconf.zeroconf.async_remove_listener(self._records)
            dns_sd_records.drop_pending_answers(zeroconf.zeroconf)
            await zeroconf.async_close()
        asyncio.get_running_loop().set_exception_handler(self._handler)

    async def advertise(self, new: Advertisement) -> None:
        """Replace the advertised content, and announce the new content at once.

        Callers should avoid frequent changes.
        """
        self._advertisement = new
        self._wake.set()

    def refresh(self) -> None:
        """Send a query for all instances at once, for example because a link has ended."""
        self._asks_all = True
        self._intervals = chain(_FIRST_ASKS, self._steady())
        self._later("ask", self._chance.uniform(*_START_JITTER), self._ask)

    def _steady(self) -> Iterator[float]:
        """Yield the number of seconds until each further query, after the first few queries.

        The more vessels there are, the less often each of them sends a query, because all vessels receive the
        answers.
        """
        while True:
            yield min(self._pace.ask * max(1.0, len(self._table) / _NEIGHBOURS), _AT_MOST)

    def _raised(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an exception from a callback. Some packets cause exceptions in zeroconf's callbacks."""
        error = context.get("exception")
        if error is not None and dns_sd_records.is_zeroconf_alone(error):
            kind = type(error).__name__
            if kind not in self._raised_before:
                self._raised_before.add(kind)
                log.warning("discovery: ignoring a packet that zeroconf cannot answer: %s: %s", kind, error)
        elif self._handler is not None:
            self._handler(loop, context)
        else:
            loop.default_exception_handler(context)

    # --- advertising

    async def _keep_up(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._adapt()
            except Exception as error:  # noqa: BLE001 -- no error may end discovery permanently
                log.warning("discovery: %s: %s; trying again in %g s", type(error).__name__, error, _RETRY)
                self._links_changed = True
                self._later("retry", _RETRY, self._wake.set)

    async def _adapt(self) -> None:
        links_changed, self._links_changed = self._links_changed, False
        must_announce, self._must_announce = self._must_announce, False
        self._later("look", _LOOK, self._wake.set)
        if self._zeroconf is None and not await self._open():
            return
        zeroconf = self._zeroconf
        assert zeroconf is not None
        interfaces = self._look_at_interfaces()
        is_elsewhere = interfaces != self._interfaces
        self._interfaces = interfaces
        if is_elsewhere:
            self._forget_zones(zeroconf.zeroconf)
        is_named = self._registered_for == self._advertisement.instance
        if self._registered is not None and is_named:
            info = self._service_info(instance_of(self._registered.name))
            if must_announce or links_changed or is_elsewhere or not _says_the_same(info, self._registered):
                self._registered = info
                for outdated in tuple(self._announcements):
                    outdated.cancel()
                self._announce(await zeroconf.async_update_service(info))
        # This is called every time. It does nothing if the last call succeeded, and otherwise tries again.
        await zeroconf.async_update_interfaces(multicast_choice(interfaces))
        if self._is_told and (self._registered is None or not is_named):
            await self._register(zeroconf)
        if links_changed or is_elsewhere:
            self.refresh()
            self._judge(self._names())
        if self.problem is None:
            self._complained_of = None

    async def _open(self) -> bool:
        self._interfaces = self._look_at_interfaces()
        choice = multicast_choice(self._interfaces)
        try:
            await self._hearing.start()
            try:
                self._zeroconf = AsyncZeroconf(choice, ip_version=IPVersion.All)
            except OSError:  # a kernel without IPv6
                self._zeroconf = AsyncZeroconf(choice, ip_version=IPVersion.V4Only)
        except (
            OSError,
            RuntimeError,
        ) as error:  # zeroconf raises the second type of error for an address that was just removed
            self._hearing.stop()
            self._report(
                f"port 5353 for mDNS cannot be opened: {error}; run `ss -lnup sport = 5353` to find out which"
                " program uses it"
            )
            self._later("retry", _RETRY, self._wake.set)
            return False
        self._zeroconf.zeroconf.async_add_listener(self._records, None)
        self.refresh()
        return True

    def _forget_zones(self, zeroconf: Zeroconf) -> None:
        """Remove link-local addresses from the cache if their interface no longer exists.

        While zeroconf keeps receiving an address on any interface, it keeps the zone with which it first
        received the address.
        """
        indices = {interface.index for interface in self._interfaces}
        for name in zeroconf.cache.names():
            records = zeroconf.cache.get_all_by_details(name, _AAAA, _IN)
            zeroconf.cache.async_remove_records(
                [r for r in records if isinstance(r, DNSAddress) and r.scope_id and r.scope_id not in indices]
            )

    def _look_at_interfaces(self) -> tuple[Interface, ...]:
        try:
            every = read_interfaces()
        except OSError as error:
            self._report(
                f"the network interfaces cannot be read: {error.strerror or error}; allow AF_NETLINK for"
                " the service (RestrictAddressFamilies=)"
            )
            return ()
        usable = suitable(every, self._wanted)
        if usable:
            self._report(None)
        else:
            names = ", ".join(interface.name for interface in every) or "none"
            self._report(
                "no network interface is suitable for discovery: it must be listed in interfaces"
                f" ({', '.join(self._wanted)}), be up, and have an address and multicast; available"
                f" interfaces: {names}"
            )
        return usable

    def _report(self, problem: str | None) -> None:
        if problem is not None and problem != self._complained_of:
            log.warning("discovery: %s", problem)
            self._complained_of = problem
        self.problem = problem

    def _service_info(self, instance: str) -> ServiceInfo:
        return ServiceInfo(
            SERVICE_TYPE,
            f"{instance}.{SERVICE_TYPE}",
            port=self._advertisement.port,
            properties=self._advertisement.to_txt(),
            server=f"{self._advertisement.instance}{self._own_hosts}",
            host_ttl=round(self._pace.forget),
            parsed_addresses=advertised(self._interfaces),
        )

    async def _register(self, zeroconf: AsyncZeroconf) -> None:
        if self._registered is not None:
            before, self._registered = self._registered, None
            dns_sd_records.drop_pending_answers(zeroconf.zeroconf)
            self._announce(await zeroconf.async_unregister_service(before))
        wanted = self._advertisement.instance
        info = self._service_info(wanted)
        self._announce(await zeroconf.async_register_service(info, allow_name_change=True))
        self._registered = info
        self._registered_for = wanted
        self.name_taken = None
        if (actual := instance_of(info.name)) != wanted:
            self._tell_name_taken(wanted, f"this one uses the name {actual}")
        self._wake.set()  # The wanted advertisement may have changed in the meantime.

    def _announce(self, announcement: object) -> None:
        assert isinstance(announcement, asyncio.Future)
        self._announcements.add(announcement)
        announcement.add_done_callback(self._announcements.discard)

    def _tell_name_taken(self, name: str, what: str) -> None:
        self.name_taken = name
        log.warning(
            "discovery: another appliance on this network uses the name %s; %s. The card may have been"
            " copied: write a new card for one of the two",
            name,
            what,
        )
        if self._on_name_taken is not None:
            self._on_name_taken(name)

    def _interfaces_changed(self, events: frozenset[Event]) -> None:
        self._links_changed |= Event.LINK in events
        self._wake.set()

    def _later(self, what: str, seconds: float, call: Callable[[], None]) -> None:
        if what in self._timers:
            self._timers[what].cancel()
        self._timers[what] = asyncio.get_running_loop().call_later(seconds, call)

    # --- querying

    def _ask(self) -> None:
        """Send a query that lists the known answers, and remove instances whose records have expired."""
        self._later("ask", next(self._intervals) * self._chance.uniform(0.8, 1.2), self._ask)
        if self._zeroconf is None:
            return
        zeroconf = self._zeroconf.zeroconf
        zeroconf.async_send(self._question(zeroconf))
        self._judge(self._names())

    def _question(self, zeroconf: Zeroconf) -> DNSOutgoing:
        now = current_time_millis()
        out = DNSOutgoing(_QUERY)
        out.add_question(DNSQuestion(SERVICE_TYPE, _PTR, _IN))
        fresh_since = now - (0.0 if self._asks_all else self._pace.stale * 1000)
        self._asks_all = False
        self._asked += 1
        own = None if self._registered is None else self._registered.name
        if self._registered is not None and self._asked % _OWN_NAME_EVERY:
            out.add_answer_at_time(self._registered.dns_pointer(), 0)
        nameless = 0
        for name, pointer in self._pointers().items():
            service = dns_sd_records.service(zeroconf, name)
            if service is None:
                if now - pointer.created < self._pace.stale * 1000 and nameless < _NAMES_ASKED:
                    nameless += 1
                    out.add_question(DNSQuestion(name, _ANY, _IN))
            elif name != own and service.created > fresh_since:
                out.add_answer_at_time(pointer, now)
        return out

    def _pointers(self) -> dict[str, DNSPointer]:
        """Return the pointer records, by name. If there are too many, known instances take precedence."""
        if self._zeroconf is None:
            return {}
        pointers = dns_sd_records.pointers(self._zeroconf.zeroconf)
        if len(pointers) > _POINTERS:
            pointers.sort(key=lambda pointer: self._table.get(instance_of(pointer.alias)) is None)
        return {pointer.alias: pointer for pointer in pointers[:_POINTERS]}

    # --- receiving

    def _records_changed(self, names: set[str], services: list[DNSService]) -> None:
        """Collect the instance names and the service records in a packet, to process them soon.

        This method is called while zeroconf processes the packet, so it must not raise an exception.
        """
        if not self._heard_names:
            self._later("judge", _BUNDLE, self._judge_heard)
        self._heard_names |= names
        self._heard_services += services

    def _judge_heard(self) -> None:
        names, self._heard_names = self._heard_names, set()
        services, self._heard_services = self._heard_services, []
        own = self._registered
        for service in services:
            if own is not None and service.key == own.key and not service.server.endswith(self._own_hosts):
                self._contest(own, service)
                break
        self._judge(names)

    def _contest(self, own: ServiceInfo, other: DNSService) -> None:
        """Resolve a conflict about our instance name: the instance with the lower host name keeps it."""
        assert self._zeroconf is not None
        name = instance_of(own.name)
        if (own.server_key or "") < other.server_key:
            if self.name_taken != name:
                self._tell_name_taken(name, "this one keeps the name")
            self._must_announce = True
            self._later("announce", _OWNER_SPEAKS, self._wake.set)
            return
        # Do not withdraw our records. Otherwise, all caches would also remove the owner's records.
        self._zeroconf.zeroconf.registry.async_remove(own)
        self._registered = None
        self._wake.set()

    def keep(self, instance: str) -> None:
        """Prefer an instance to others of the same vessel, because it has proved the vessel's identity."""
        self._table.prove(instance)

    def _names(self) -> set[str]:
        known = {f"{sighting.instance}.{SERVICE_TYPE}" for sighting in self._table}
        return known | self._pointers().keys()

    def _judge(self, names: set[str]) -> None:
        """Update the sightings of the instances in `names` from zeroconf's cache, and report the changes."""
        changes: list[SightingChange] = []
        refused = self._table.refused
        pointers = self._pointers()
        for name in sorted(names):
            instance = instance_of(name)
            if not is_instance(instance):
                self._complain(instance, "the name does not have the form <vessel>-<log>")
                continue
            records = self._look_up(name) if name in pointers else None
            if records is None:
                self._heard.pop(instance, None)
                change = self._table.lose(instance)
            else:
                silence = records.heard - self._heard.get(instance, records.heard)
                self._heard[instance] = records.heard
                change = self._table.record(records.sighting, was_silent=silence > self._pace.silent * 1000)
            if change is not None:
                changes.append(change)
        if refused == 0 and self._table.refused:
            log.warning("discovery: more than %d names on the network; ignoring the others", len(self._table))
        if changes:
            self._on_change(changes)

    def _look_up(self, name: str) -> InstanceRecords | None:
        """Return the cached records of an instance.

        If the records do not belong to a vessel, log this and return None.
        """
        if self._zeroconf is None:
            return None
        try:
            return dns_sd_records.answer(
                self._zeroconf.zeroconf,
                name,
                but_not_from=self._own_hosts,
                interfaces=self._interfaces,
                heard_from=self._hearing.sources(name),
            )
        except AdvertisementError as error:
            self._complain(instance_of(name), str(error))
            return None

    def _complain(self, instance: str, what: str) -> None:
        if instance not in self._complained and len(self._complained) < _COMPLAINTS:
            self._complained.add(instance)
            log.warning("discovery: ignoring %r on the network: %s", instance[:80], what)


def _says_the_same(one: ServiceInfo, other: ServiceInfo) -> bool:
    return (
        one.text == other.text
        and one.port == other.port
        and one.parsed_addresses() == other.parsed_addresses()
    )
