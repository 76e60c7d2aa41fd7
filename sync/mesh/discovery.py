"""DNS-SD over multicast (RFC 6762, 6763), by zeroconf: says on the network what we are, sees who is there.

What zeroconf does: packets, names, sockets, answers, cache. What is decided here, because vessels meet and
part without any interface noticing (a radio mesh is always up):

- **Asking goes on.** The question who is there is sent at once after a start, a change of interfaces or
  `refresh`, then every few seconds, where RFC 6762 (5.2) lets the interval grow to an hour. But for the first
  it lists as known whoever was heard lately: in a quiet network it costs one small packet and no answer.
- **Who is known is asked again** once it has not been heard for `Pace.stale` seconds; one answer serves all
  who listen. If it answers after `Pace.silent` seconds, that is reported (`ChangeKind.AGAIN`).
- **Who does not answer is gone** when its address expires, two minutes after the last word (RFC 6762, 10).
- **A name has one owner.** If ours is taken when we start, or if another with our name is met later, one of
  both goes on as `<vessel>-<log>-2`; one or both report it, for it is the mark of a cloned card.

After a partition that no interface noticed, both sides still hold each other's addresses for two minutes:
they are not found anew then, and it is for the caller to go on dialling them.
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

from sync.mesh import answers
from sync.mesh.answers import Answer, Listener, instance_of
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
    Change,
    Sighting,
    Sightings,
    is_instance,
)

from .mdns_sources import Hearing

log = logging.getLogger(__name__)

# RFC 1035, 3596; class IN; a query is a packet without flags.
_PTR, _AAAA, _ANY = 12, 28, 255
_IN: Final = 1
_QUERY: Final = 0

_FIRST_ASKS: Final = (1.0, 2.0)
"""Seconds between the first questions after a start or a change (RFC 6762, 5.2)."""
_START_JITTER: Final = (0.02, 0.12)
"""Seconds before the first question: vessels that start together must not all speak at once (same place)."""
_NEIGHBOURS: Final = 4
"""So many may ask at the full pace; with more in sight each asks more rarely, and the air stays as quiet."""
_AT_MOST: Final = 60.0
"""Seconds between two questions of one vessel, however many there are."""
_POINTERS: Final = 512
"""Names looked at: twice the table's. Whoever floods the network with names costs us no more than that."""
_OWN_NAME_EVERY: Final = 4
"""Every so manyth question does not list ourselves as known: who else answers to our name is a clone."""
_NAMES_ASKED: Final = 8
"""Of those that have given only their name, in one question; the rest comes next time."""
_OWNER_SPEAKS: Final = 1.5
"""Seconds until a name's owner announces it again: caches drop what is older than one (RFC 6762, 10.2)."""
_BUNDLE: Final = 0.03
"""Seconds from a packet to the judgement on it: the same comes over IPv4, over IPv6, on every interface."""
_COMPLAINTS: Final = 64
_RETRY: Final = 10.0
"""Seconds until the next attempt if the sockets cannot be opened."""
_LOOK: Final = 60.0
"""Seconds until the interfaces are looked at without an event; reports of the kernel can get lost."""


_Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is asked, in seconds."""

    ask: float = 5.0
    """Between two questions who is there; a fifth more or less by chance."""
    stale: float = 15.0
    """Without a word from somebody until it is asked to speak."""
    silent: float = 30.0
    """Without a word until the next one is news: about three questions."""
    forget: float = 120.0
    """After our last word, until others take us for gone: the TTL of an address (RFC 6762, 10)."""


class Discovery:
    """Advertises one appliance and watches for others, from `start` to `stop`."""

    def __init__(
        self,
        advertisement: Advertisement,
        *,
        interfaces: Sequence[str] = ("*",),
        is_told: bool = True,
        on_change: Callable[[list[Change]], None],
        on_name_taken: Callable[[str], None] | None = None,
        pace: Pace | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`interfaces`: names, with `*` for any letters; loopback only by its own name. `is_told`: whether
        others are to see us; who does not listen only looks.

        `on_change` is called in the event loop with what has changed in `sightings`. `on_name_taken` is
        called with our instance name when somebody else has it, or had it first.
        """
        self._advertisement = advertisement
        self._wanted, self._is_told = tuple(interfaces), is_told
        self._on_change = on_change
        self._on_name_taken = on_name_taken
        self._pace = pace or Pace()
        self._chance = chance or random.Random()  # noqa: S311 -- spreads packets in time
        self._own_hosts = f"-{secrets.token_hex(3)}.local."
        """Ends our host name. By it we tell our records from a clone's, which may have all else of us."""

        self._table = Sightings()
        self._heard: dict[str, float] = {}
        self._heard_names: set[str] = set()
        self._heard_services: list[DNSService] = []
        self._complained: set[str] = set()
        self._raised_before: set[str] = set()
        self._interfaces: tuple[Interface, ...] = ()
        self._zeroconf: AsyncZeroconf | None = None
        self._records = Listener(self._records_changed)
        self._hearing = Hearing(memory=self._pace.forget, clock=time.monotonic)
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
        """What was called for exceptions in the event loop before `start`."""
        self._complained_of: str | None = None
        self.problem: str | None = None
        """Why nobody can be seen now, and what to do; None if nothing is known to be wrong."""
        self.name_taken: str | None = None
        """The instance name that was meant to be ours and is another's; None if all is well."""

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """Who is to be seen now; without ourselves."""
        return tuple(self._table)

    @property
    def instance(self) -> str | None:
        """The name under which we are advertised; None until the network was asked whether it is free."""
        return None if self._registered is None else instance_of(self._registered.name)

    async def start(self) -> None:
        """Begin to listen and to ask; advertising follows within about a second. See `problem`."""
        assert self._main is None, "started twice"
        loop = asyncio.get_running_loop()
        self._handler = loop.get_exception_handler()
        loop.set_exception_handler(self._raised)
        self._watch.start()
        await self._open()
        self._wake.set()
        self._main = asyncio.create_task(self._keep_up(), name="discovery")

    async def stop(self) -> None:
        """Say goodbye and close. Takes about a quarter of a second."""
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
            await zeroconf.async_close()
        asyncio.get_running_loop().set_exception_handler(self._handler)

    async def advertise(self, new: Advertisement) -> None:
        """Say this from now on. It is announced at once: spare the network what changes often."""
        self._advertisement = new
        self._wake.set()

    def refresh(self) -> None:
        """Ask at once who is there, and have everybody answer: for instance because a link broke."""
        self._asks_all = True
        self._intervals = chain(_FIRST_ASKS, self._steady())
        self._later("ask", self._chance.uniform(*_START_JITTER), self._ask)

    def _steady(self) -> Iterator[float]:
        """Seconds between later questions. A stranger is found by whoever asks first: many can ask less."""
        while True:
            yield min(self._pace.ask * max(1.0, len(self._table) / _NEIGHBOURS), _AT_MOST)

    def _raised(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an exception of a callback. Some packets make zeroconf's own raise; the search goes on."""
        error = context.get("exception")
        if error is not None and answers.is_zeroconf_alone(error):
            kind = type(error).__name__
            if kind not in self._raised_before:
                self._raised_before.add(kind)
                log.warning("discovery: a packet that zeroconf cannot answer is ignored: %s: %s", kind, error)
        elif self._handler is not None:
            self._handler(loop, context)
        else:
            loop.default_exception_handler(context)

    # --- keeping up with what shall be said, and where

    async def _keep_up(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._adapt()
            except Exception as error:  # noqa: BLE001 -- a vessel must not fall silent for good, whatever it is
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
        found = self._look_at_interfaces()
        is_elsewhere = found != self._interfaces
        self._interfaces = found
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
        # Each time: it does nothing if all is as it should be, and tries again what failed.
        await zeroconf.async_update_interfaces(multicast_choice(found))
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
            except OSError:  # A kernel without IPv6.
                self._zeroconf = AsyncZeroconf(choice, ip_version=IPVersion.V4Only)
        except (
            OSError,
            RuntimeError,
        ) as error:  # The second is zeroconf's, of an address that has just gone.
            self._hearing.stop()
            self._report(f"port 5353 for mDNS cannot be opened: {error}; who has it? ss -lnup sport = 5353")
            self._later("retry", _RETRY, self._wake.set)
            return False
        self._zeroconf.zeroconf.async_add_listener(self._records, None)
        self.refresh()
        return True

    def _forget_zones(self, zeroconf: Zeroconf) -> None:
        """Drop link-local addresses heard on interfaces that are no more.

        zeroconf keeps the first zone it heard an address in, as long as it goes on hearing it in any.
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
                f"the network interfaces cannot be read: {error.strerror or error}; "
                "a service needs leave for AF_NETLINK (RestrictAddressFamilies=)"
            )
            return ()
        found = suitable(every, self._wanted)
        if found:
            self._report(None)
        else:
            names = ", ".join(interface.name for interface in every) or "none"
            self._report(
                "no network interface serves for discovery: it must be named in interfaces "
                f"({', '.join(self._wanted)}), be up, have an address and multicast; there are: {names}"
            )
        return found

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
            self._announce(await zeroconf.async_unregister_service(before))
        wanted = self._advertisement.instance
        info = self._service_info(wanted)
        self._announce(await zeroconf.async_register_service(info, allow_name_change=True))
        self._registered = info
        self._registered_for = wanted
        self.name_taken = None
        if (given := instance_of(info.name)) != wanted:
            self._tell_name_taken(wanted, f"this one goes on as {given}")
        self._wake.set()  # What should be said may have changed meanwhile.

    def _announce(self, announcement: object) -> None:
        assert isinstance(announcement, asyncio.Future)
        self._announcements.add(announcement)
        announcement.add_done_callback(self._announcements.discard)

    def _tell_name_taken(self, name: str, what: str) -> None:
        self.name_taken = name
        log.warning(
            "discovery: another appliance on this network calls itself %s; %s. "
            "A card that was copied shows so: prepare one of the two anew",
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

    # --- asking

    def _ask(self) -> None:
        """Ask who is there, naming those who need not answer; and look who has been silent for too long."""
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
            service = answers.service(zeroconf, name)
            if service is None:
                if now - pointer.created < self._pace.stale * 1000 and nameless < _NAMES_ASKED:
                    nameless += 1
                    out.add_question(DNSQuestion(name, _ANY, _IN))
            elif name != own and service.created > fresh_since:
                out.add_answer_at_time(pointer, now)
        return out

    def _pointers(self) -> dict[str, DNSPointer]:
        """By the names that they point to; if there are too many, those that we know."""
        if self._zeroconf is None:
            return {}
        found = answers.pointers(self._zeroconf.zeroconf)
        if len(found) > _POINTERS:
            found.sort(key=lambda pointer: self._table.get(instance_of(pointer.alias)) is None)
        return {pointer.alias: pointer for pointer in found[:_POINTERS]}

    # --- seeing

    def _records_changed(self, names: set[str], services: list[DNSService]) -> None:
        """Names of instances about which something was heard, and records that say who has them.

        Within zeroconf's handling of a packet, where an error of ours has no place.
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
        """Two have our name: the lesser host name keeps it, as both can tell."""
        assert self._zeroconf is not None
        name = instance_of(own.name)
        if (own.server_key or "") < other.server_key:
            if self.name_taken != name:
                self._tell_name_taken(name, "this one keeps the name")
            self._must_announce = True
            self._later("announce", _OWNER_SPEAKS, self._wake.set)
            return
        # Without a goodbye: that would take the name from its owner too, in everybody's cache.
        self._zeroconf.zeroconf.registry.async_remove(own)
        self._registered = None
        self._wake.set()

    def keep(self, instance: str) -> None:
        """Keep the sighting of an instance: its vessel has proved itself there."""
        self._table.prove(instance)

    def _names(self) -> set[str]:
        seen = {f"{sighting.instance}.{SERVICE_TYPE}" for sighting in self._table}
        return seen | self._pointers().keys()

    def _judge(self, names: set[str]) -> None:
        """Bring the table up to what is in zeroconf's cache about `names`, and report what changed."""
        changes: list[Change] = []
        refused = self._table.refused
        pointers = self._pointers()
        for name in sorted(names):
            instance = instance_of(name)
            if not is_instance(instance):
                self._complain(instance, "its name is not <vessel>-<log>")
                continue
            found = self._look_up(name) if name in pointers else None
            if found is None:
                self._heard.pop(instance, None)
                change = self._table.lose(instance)
            else:
                silence = found.heard - self._heard.get(instance, found.heard)
                self._heard[instance] = found.heard
                change = self._table.see(found.sighting, was_silent=silence > self._pace.silent * 1000)
            if change is not None:
                changes.append(change)
        if refused == 0 and self._table.refused:
            log.warning(
                "discovery: more than %d names on the network; the others are ignored", len(self._table)
            )
        if changes:
            self._on_change(changes)

    def _look_up(self, name: str) -> Answer | None:
        """Return what the cache has about an instance; complain and return None if no vessel says that."""
        if self._zeroconf is None:
            return None
        try:
            return answers.answer(
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
            log.warning("discovery: %r on the network is ignored: %s", instance[:80], what)


def _says_the_same(one: ServiceInfo, other: ServiceInfo) -> bool:
    return (
        one.text == other.text
        and one.port == other.port
        and one.parsed_addresses() == other.parsed_addresses()
    )
