"""The steps of a boot, in order. Each step runs even if an earlier step fails.

No failure stops the boot. The card is read first, because every later step depends on the configuration in
use. If a restart is required, it is the last step. The networks are set up by a separate unit, so that the
code that reads an untrusted card has no network access.
"""

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from provisioning import files
from provisioning.bundle import identity as identities
from provisioning.bundle.contents import IDENTITY, RADIO_KEY
from provisioning.card.partition_growth import grow
from provisioning.card.tools import run
from provisioning.errors import CardError
from provisioning.imager.requested_settings import Customisation
from provisioning.ingest import permissions
from provisioning.ingest.active_config import ActiveConfiguration
from provisioning.ingest.ingest import SENSORS, Beside, BesideOutcome, Intake, Outcome
from provisioning.ingest.offers import OfferedFiles
from provisioning.networks import firewall
from provisioning.networks.plan import plan
from provisioning.overlays import configtxt
from provisioning.overlays.kernel_settings import KernelConfiguration, kernel_configuration
from sensors.config.loader import load_sensors
from sensors.settings import SensorSettings
from sensors.toml.toml_file import unforeseen
from sensors.units import InputError
from services.boot.check import check
from services.boot.system import Run
from services.config import parsers as keys
from services.config.last_good import LastGood
from services.config.loader import Configuration, ConfigurationError, load, reserved_pins
from services.config.network_model import NetworkSection
from services.config.wifi_files import files_of_wifi
from services.state import boot_state
from services.state.boot_state import BootState
from services.system import machine
from sync.fleet import names

from . import imager, imager_notes, system
from .paths import AppliancePaths

if TYPE_CHECKING:
    from sync.fleet.identity_files import FleetIdentity

log = logging.getLogger(__name__)

_IMAGERS_USER: Final = 1100
"""User id for the user set in Imager; the image's own users have lower ids."""
_LONGEST_CONFIG_TXT: Final = 256_000
"""Maximum size of config.txt in bytes, far above the usual size of a few thousand bytes."""
_NETWORKS: Final = "the networks"
_RADIO_KEY: Final = f"{_NETWORKS}' radio key"
_FIREWALL: Final = f"{_NETWORKS}' firewall"
_ASKED: Final = ".restart-asked"
"""Name of a file in the active configuration folder.

The file stores the lines of config.txt that required the last restart.
"""


@dataclass(slots=True)
class BootSequence:
    """The steps of one boot of the appliance, and the state that they share."""

    places: AppliancePaths
    now: datetime
    tool: Run = run
    progress: Callable[[], None] = lambda: None
    """Function that is called before each step."""
    slots: Callable[[], Iterable[AbstractContextManager[Path]]] | None = None
    """Function that returns one context manager for each boot partition, which mounts the partition.

    None selects the boot partitions of the mounted card.
    """
    problems: list[str] = field(default_factory=list)
    asked: Customisation | None = None
    """Settings from Raspberry Pi Imager."""
    networks: tuple[str, ...] = ()
    radio_key: str = ""
    """Name of the radio key, as in `BootState`."""
    restarts: bool = False
    _logged: set[str] = field(default_factory=set)

    def run(self) -> BootState:
        """Run every step of the boot, then write the boot's result and return it."""
        self.run_offline_steps()
        return self.join()

    def run_offline_steps(self) -> BootState:
        """Run every step except setting up networks, then write the boot's result and return it."""
        if not permissions.is_ours(self.places.etc.resolve()):
            self.problems.append(
                f"{self.places.etc}: the folder is not owned by root, so only the recording settings are "
                "used; write the card again"
            )
            return self._told(BootState(problems=tuple(self.problems)))
        outcome = Outcome((), (), generated=False)
        self.progress()
        try:
            outcome = self.take_in(beside=self._take_in_imagers)
        except Exception as error:  # noqa: BLE001  # nothing may stop the boot
            self.problems.append(f"{self.places.etc}: {_words(error)}")
        self.problems += [str(problem) for problem in outcome.problems]
        self._step("PROBLEMS.txt", lambda: imager_notes.mark_shown(self.places.etc, self.places.card))
        configuration, sensors = self._in_force()
        self._step("Raspberry Pi Imager's settings", self._imager)
        asked = self.asked
        network = imager.added(configuration.network, asked)
        host = names.host(configuration.vessel.id).removesuffix(".local")
        if asked is not None and asked.host_name:
            with contextlib.suppress(InputError):  # an older release accepted any name
                host = keys.host_name(asked.host_name)
        self._step("the host name", lambda: system.set_host_name(host, etc=self.places.etc, tool=self.tool))
        self._step("SSH host keys", lambda: system.make_host_keys(self.places.ssh, tool=self.tool))
        self._step("SSH keys", lambda: self._authorize(network))
        self._step("the data partition", self._grow)
        clock = configuration.clock
        self._step(
            "config.txt", lambda: self._wiring(kernel_configuration(sensors, rtc=clock.rtc, pps=clock.pps))
        )
        state = BootState(
            problems=tuple(self.problems),
            unused=tuple(str(problem) for problem in outcome.unused),
            generated=outcome.generated,
            taken=outcome.taken,
            restarts=self.restarts,
        )
        self._told(state)
        if self.restarts:
            log.warning("restarting once, so that the kernel loads drivers for the sensors")
            self._step("the restart", lambda: system.restart(tool=self.tool))
        return state

    def join(self) -> BootState:
        """Set up the configured networks, add the outcome to the stored boot result, and return that."""
        before, known = boot_state.read(self.places.run), len(self.problems)
        if permissions.is_ours(self.places.etc.resolve()):
            configuration, _ = self._in_force()
            network = imager.added(configuration.network, imager.stored_customisation(self.places.etc))
            self._step(_NETWORKS, lambda: self._networks(network))
            listener = configuration.listener.interfaces
            self._step(_FIREWALL, lambda: self._open_firewall(network.ssh_interfaces, listener))
        earlier = [problem for problem in before.problems if not problem.startswith(_NETWORKS)]
        return self._told(
            msgspec.structs.replace(
                before,
                networks=self.networks,
                radio_key=self.radio_key,
                problems=(*earlier, *self.problems[known:]),
            )
        )

    def rekey(self) -> BootState:
        """Switch the radio to its current key, add the outcome to the stored boot result, and return that."""
        before, known = boot_state.read(self.places.run), len(self.problems)
        self.radio_key = before.radio_key
        if permissions.is_ours(self.places.etc.resolve()):
            self._step(_RADIO_KEY, self._rekey)
        earlier = [problem for problem in before.problems if not problem.startswith(_RADIO_KEY)]
        return self._told(
            msgspec.structs.replace(
                before, radio_key=self.radio_key, problems=(*earlier, *self.problems[known:])
            )
        )

    def _rekey(self) -> None:
        before = self.radio_key
        key = self._radio_key(identities.load(self.places.etc / IDENTITY))
        after, self.radio_key = self.radio_key, before
        if key is not None:
            system.rekey_radio(self.places.radio, key, tool=self.tool)
            self.radio_key = after

    def _told(self, state: BootState) -> BootState:
        self._step("the state for the lights", lambda: boot_state.write(self.places.run, state))
        for problem in (*state.problems, *state.unused):
            if problem not in self._logged:
                log.error("%s", problem)
        self._logged.update((*state.problems, *state.unused))
        return state

    def take_in(self, extra: OfferedFiles | None = None, *, beside: Beside | None = None) -> Outcome:
        """Apply the configuration files found on the card, and the files in `extra`.

        Raspberry Pi Imager's files are only checked, unless `beside` applies them.
        """
        places = self.places
        takein = Intake(
            ActiveConfiguration(places.etc),
            card=places.card if places.firmware.is_dir() else None,
            inbox=places.inbox,
            check=check,
            now=self.now,
            fallback=fallback_name(places.root),
            writable=lambda: system.writable(places.firmware, tool=self.tool),
            beside=beside or (lambda _open: self._imagers_card().examine(places.etc)),
        )
        return takein.run(extra)

    def _imagers_card(self) -> imager.ImagerCard:
        places = self.places
        return imager.ImagerCard(
            places.firmware,
            system.owned_names(places.root),
            places.card,
            self._timezone(),
        )

    def _timezone(self) -> str:
        with contextlib.suppress(Exception):  # mistakes in the file are reported elsewhere
            return load(self.places.config, missing_ok=True).vessel.timezone
        return ""

    def _take_in_imagers(self, before_writing: Callable[[], None]) -> BesideOutcome:
        return imager.take_in_customisation(
            self._imagers_card(), ActiveConfiguration(self.places.etc), before_writing=before_writing
        )

    def _in_force(self) -> tuple[Configuration, tuple[SensorSettings, ...]]:
        """Return the configuration that the daemons will use.

        This is the configuration in the files, or else the last good one, or else the defaults.
        """
        places = self.places
        try:
            configuration = load(places.config, missing_ok=True)
            sensors = load_sensors(
                places.etc / SENSORS, reserved=reserved_pins(configuration), missing_ok=True
            )
        except ConfigurationError as error:
            try:
                loaded = LastGood(places.data / "last-good").load(error)
            except ConfigurationError:
                return Configuration(), ()
            return loaded.configuration, loaded.sensors
        except Exception as error:  # noqa: BLE001  # nothing may stop the boot
            self.problems.append(f"{places.etc}: {_words(error)}")
            return Configuration(), ()
        return configuration, sensors

    def _grow(self) -> None:
        """Grow the data partition to the end of the card."""
        place = self.places.partition
        if place.is_mount():
            disk, partition = system.disk_of(place, tool=self.tool, root=self.places.root)
            if disk.name != partition.name:
                grow(disk, partition, tool=self.tool)

    def _imager(self) -> None:
        """Create the user set in Imager, unless the system already uses that name."""
        places = self.places
        asked = self.asked = imager.stored_customisation(places.etc)
        if asked is None or not asked.user:
            return
        try:
            keys.user_name(asked.user, system.owned_names(places.root))
        except InputError as error:  # an older release accepted this name
            self.problems.append(f"Raspberry Pi Imager's user was not created: {error}")
            imager.store_customisation(places.etc, replace(asked, user="", password_hash=""))
            return
        groups = system.groups(imager.GROUPS)
        records = imager.user_records(asked, home=places.homes, uid=_IMAGERS_USER, groups=groups)
        system.make_user(records, folder=places.users, home=places.homes, uid=_IMAGERS_USER)

    def _authorize(self, network: NetworkSection) -> None:
        system.write_authorized_keys(self.places.ssh, network.ssh_keys)

    def _networks(self, network: NetworkSection) -> None:
        places = self.places
        there = system.radios(places.root, tool=self.tool)
        if there and network.country is not None:
            system.set_country(network.country, tool=self.tool)
            there = system.radios(places.root, tool=self.tool)  # the permitted channels depend on the country
        identity = identities.load(places.etc / "identity")
        networks = plan(
            network,
            fleet=None if identity is None else identity.fleet,
            radio_key=self._radio_key(identity),
            adapters=there,
            folder=places.etc,
        )
        unusable = files_of_wifi(network.wifi, folder=places.etc, now=self.now)
        self.networks = (*networks.missing, *map(str, unusable))
        if networks.assignment.second is not None:
            system.make_second(networks.assignment.second, root=places.root, tool=self.tool)
        system.write_profiles(places.profiles, networks.profiles)
        system.write_radio(places.radio, networks.radio, unmanaged=places.unmanaged)

    def _radio_key(self, identity: "FleetIdentity | None") -> str | None:
        """Return the radio's key; None if the vessel has no key.

        The key comes from the latest statement by the fleet's CA, or else from the file in the identity's
        folder.
        """
        folder, self.radio_key = self.places.etc / IDENTITY, ""
        if identity is not None:
            from .radio_key import in_force  # this imports a library that is slow to load

            if (choice := in_force(identity, folder, self.places.data, self.now)) is not None:
                self.radio_key = choice.mark
                return choice.key
        key = folder / RADIO_KEY
        return key.read_text().strip() if key.exists() else None

    def _open_firewall(self, ssh: Sequence[str], listener: Sequence[str]) -> None:
        """Open SSH and the listener on the configured interfaces only.

        If that fails, both stay open on all interfaces.
        """
        is_limited = firewall.is_limited(ssh) or firewall.is_limited(listener)
        if is_limited or (self.places.firewall / firewall.NAME).exists():
            text = firewall.text(ssh=ssh, listener=listener)
            system.write_firewall(self.places.firewall, text, tool=self.tool)

    def _wiring(self, hardware: KernelConfiguration) -> None:
        system.introduce(hardware.devices, self.places.root)
        with contextlib.ExitStack() as stack:
            paths = [stack.enter_context(each) / "config.txt" for each in self._slots()]
            paths = [path for path in paths if path.exists()]
            if not paths:
                return  # the firmware of this board reads no config.txt
            texts = [_config_txt(path) for path in paths]
            asked = self.places.etc / _ASKED
            before = asked.read_text().strip() if asked.exists() else None
            active = system.active_slot(self.places.root)
            decision = configtxt.decide(
                texts, hardware.lines, active=active if len(paths) > 1 else 0, asked=before
            )
            if decision.gave_up:
                self.problems.append(
                    "config.txt: the lines that the sensors need were written, but are missing after the "
                    "restart; the card may be failing, so replace it soon"
                )
                return
            if decision.restart:  # stored first, so that the same lines never cause a second restart
                files.write(asked, configtxt.digest(hardware.lines).encode() + b"\n")
            if not decision.write and before is not None:
                # the lines took effect; if they disappear later, the machine may restart once more
                files.remove(asked)
            for number in decision.write:
                text = configtxt.rewritten(texts[number], hardware.lines)
                files.write_on_fat(paths[number], text.encode(errors="surrogateescape"))
            self.restarts = decision.restart

    def _slots(self) -> Iterable[AbstractContextManager[Path]]:
        if self.slots is not None:
            return self.slots()
        if not self.places.firmware.is_mount():
            return []
        disk, _ = system.disk_of(self.places.firmware, tool=self.tool, root=self.places.root)
        devices = [system.partition_of(disk, number) for number in system.SLOTS]
        return [system.slot(device, tool=self.tool) for device in devices if device.exists()]

    def _step(self, what: str, action: Callable[[], None]) -> None:
        self.progress()
        try:
            action()
        except Exception as error:  # noqa: BLE001  # nothing may stop the boot
            self.problems.append(f"{what} could not be set up: {_words(error)}")


def _config_txt(path: Path) -> str:
    """Return the contents of config.txt. Raise OSError if the file cannot be read or is too long."""
    if path.stat().st_size > _LONGEST_CONFIG_TXT:
        raise OSError(
            None, "the file is too long, so it was not changed; restore the card's original file", str(path)
        )
    return path.read_text(errors="surrogateescape")


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        words = error.strerror or str(error)
        return words if error.filename is None else f"{error.filename}: {words}"
    if isinstance(error, CardError | ValueError):
        return str(error)
    text, remedy = unforeseen(error)
    return f"{text}. {remedy}"


def fallback_name(root: Path = Path("/")) -> str:
    """Return a name for a vessel that has none configured.

    The name is the same at each boot of a board, and differs between boards.
    """
    return f"vessel-{hashlib.sha256(machine.board(root).encode()).hexdigest()[:6]}"
