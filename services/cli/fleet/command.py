"""`logboat fleet …`: manages a fleet's identities on the operator's machine.

`provisioning.folder` stores the identities. Passwords, and the passphrase for the fleet's root key, are read
from the terminal or from a file.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from provisioning.starter_files import VESSEL
from sensors.plaintext import clean
from services.cli.options import actions
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, say, tell
from services.documents.boot_signing import USUAL
from services.terminal.present import count, screen
from services.terminal.table import fitted
from sync.fleet.identity_names import RADIO_STATEMENT, REVOCATIONS

from .card import card, card_arguments, passphrase
from .remove import remove, remove_arguments

if TYPE_CHECKING:
    from provisioning.authority import Authority
    from provisioning.folder import EnrolledVessel, FleetFolder, WrittenCard
    from services.schemas.fleet import FleetVessel

SOON_DAYS: Final = 180
"""Remaining validity of a certificate below which the command advises renewal, in days.

A vessel may be at sea for months, and must have its next certificate aboard before the current one expires.
"""
LONGEST_TEXT: Final = 200
_NEW: Final = "--image IMAGE"
"""Options of `fleet card` for a vessel's first card."""
_UPDATE: Final = "--bundle-only --update"
"""Options of `fleet card` for a card in use, whose recorded data must be kept."""
RESTARTED: Final = "logboat-networks logboat-radio"
REKEY_AFTER: Final = timedelta(days=14)
"""Default delay before vessels switch to a new radio key, so that every vessel receives the key first."""


def fleet_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat fleet ACTION …`."""
    add = actions(parser, "ACTION")

    def action(name: str, words: str, *, vessel: bool = True, signs: bool = True) -> ArgumentParser:
        parser = add(name, words)
        parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the fleet")
        if vessel:
            parser.add_argument("vessel", metavar="VESSEL", help="id of the vessel, as in vessel.toml")
        if signs:
            parser.add_argument(
                "--passphrase-file",
                type=Path,
                metavar="F",
                help="file with the passphrase of the root key, instead of asking for it",
            )
        return parser

    init = action("init", "create a fleet: its root key and its folder", vessel=False)
    init.add_argument(
        "--name", required=True, metavar="NAME", help="name of the fleet: a-z, 0-9 and -, at most 32"
    )
    adding = action("add", "add a vessel to the fleet: create an identity for its appliance")
    adding.add_argument("--name", metavar="NAME", help="display name of the vessel")
    adding.add_argument("--mmsi", metavar="MMSI", help="MMSI of the vessel, nine digits")
    card_arguments(add("card", "write the vessels' cards: image and bundle, one card after another"))
    action("renew", "give a vessel a new key and certificate")
    revoke = action("revoke", "revoke all certificates issued to a vessel so far")
    revoke.add_argument("--reason", default="", metavar="WHY", help="reason, shown to other vessels")
    remove_arguments(action("remove", "remove a vessel that was added by mistake, or whose card is revoked"))
    rekey = action(
        "rekey", "change the key of the radio between vessels, for all but revoked vessels", vessel=False
    )
    when = rekey.add_mutually_exclusive_group()
    when.add_argument(
        "--from",
        dest="begins",
        metavar="TIME",
        help="time (UTC) from which vessels use the new key: 2026-05-15 or 2026-05-15T12:00 (in 14 days)",
    )
    when.add_argument(
        "--now", action="store_true", help="let each vessel use the new key as soon as it receives the key"
    )
    action("list", "list the fleet's vessels and the expiry of their certificates", vessel=False, signs=False)
    backup = action("backup", "save the fleet's folder to one encrypted file", vessel=False)
    backup.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="output file; replaced if it exists"
    )
    restore = action("restore", "restore the fleet's folder from a backup", vessel=False)
    restore.add_argument(
        "--from", dest="source", type=Path, required=True, metavar="FILE", help="backup file"
    )
    add("password", "print the hash of a crew password, for [[user]]; reads a terminal or standard input")


def fleet(args: Namespace, world: Environment) -> int:
    """Run one fleet action, and return the exit status."""
    from provisioning.errors import PassphraseError, ProvisioningError, UnknownVesselError
    from sync.fleet.errors import FleetNameError

    action: Callable[[Namespace, Environment], int] = {
        "init": _init,
        "add": _add,
        "card": card,
        "renew": _renew,
        "revoke": _revoke,
        "remove": remove,
        "rekey": _rekey,
        "list": _list,
        "backup": _backup,
        "restore": _restore,
        "password": _password,
    }[args.action]
    try:
        return action(args, world)
    except (FleetNameError, UnknownVesselError) as error:
        raise UsageError(str(error)) from error
    except PassphraseError as error:
        if args.action == "init":
            raise UsageError(str(error)) from error
        raise FailedError(str(error)) from error
    except ProvisioningError as error:
        raise FailedError(str(error)) from error


def _init(args: Namespace, world: Environment) -> int:
    from provisioning.folder import FleetFolder, check_free
    from sync.fleet import names

    names.check("fleet", args.name)  # checked before the operator chooses a passphrase
    check_free(args.folder)
    passphrase = _passphrase(args, world, "Passphrase for the fleet's root key: ", again=True)
    folder = FleetFolder.create(args.folder, fleet=args.name, passphrase=passphrase, now=_now(world))
    if args.json:
        from services.schemas.fleet import Fleet

        expires = _day(folder.root.not_valid_after_utc)
        print_json(Fleet(fleet=folder.fleet, folder=str(folder.path), expires=expires))
    else:
        tell(
            f"fleet {folder.fleet} created in {folder.path}; back up that folder, and remember the passphrase"
        )
        tell(f"next: logboat fleet add {folder.path} VESSEL")
    return 0


def _add(args: Namespace, world: Environment) -> int:
    name, mmsi = _text(args.name, "--name", 80), _mmsi(args.mmsi)
    with _unlocked(args, world, partial(_must_be_new, name=name, mmsi=mmsi)) as (folder, authority):
        vessel = folder.add(authority, args.vessel, now=_now(world), name=name, mmsi=mmsi)
        files = f"vessel.toml and sensors.toml in {folder.identity(vessel.id).parent}"
        what = f"{vessel.id} added to fleet {folder.fleet}"
        return _made(args, folder, vessel, what, before=f"describe the vessel in {files}")


def _renew(args: Namespace, world: Environment) -> int:
    with _unlocked(args, world, _must_be_known) as (folder, authority):
        has_card = folder.carded(args.vessel) is not None
        vessel = folder.renew(authority, args.vessel, now=_now(world))
        what = f"{vessel.id} has a new certificate"
        return _made(args, folder, vessel, what, options=_UPDATE if has_card else _NEW)


def _made(
    args: Namespace,
    folder: "FleetFolder",
    vessel: "EnrolledVessel",
    what: str,
    *,
    before: str = "",
    options: str = _NEW,
) -> int:
    """Print that a vessel's identity was created, and what to do next. Return the exit status.

    `before` states what the operator must do before writing the card. `options` are the options of
    `fleet card` to suggest.
    """
    place = folder.identity(vessel.id)
    issued = vessel.current
    expires = "-" if issued is None else _day(issued.ends)
    if args.json:
        from services.schemas.fleet import FleetIdentity

        serial = None if issued is None else issued.serial
        print_json(FleetIdentity(vessel=vessel.id, identity=str(place), serial=serial, expires=expires))
    else:
        tell(f"{what}, valid until {expires}")
        if before:
            tell(f"next: {before}")
        card = f"logboat fleet card {folder.path} {vessel.id} {options} --to DEVICE"
        tell(f"{'then' if before else 'next'}: {card}")
        tell(f"or manually: copy {place} to its appliance, as {USUAL}")
    return 0


def _revoke(args: Namespace, world: Environment) -> int:
    reason = _text(args.reason, "--reason", LONGEST_TEXT) or ""
    with _unlocked(args, world, _must_be_known) as (folder, authority):
        added = folder.revoke(authority, args.vessel, now=_now(world), reason=reason)
        number = folder.revocations.number
    if args.json:
        from services.schemas.fleet import FleetRevocation

        serials = [revoked.serial for revoked in added]
        print_json(FleetRevocation(vessel=args.vessel, revoked=serials, number=number))
    else:
        tell(
            f"revoked {count(len(added), 'certificate')} of {args.vessel}: revocation list number "
            f"{number}\nnext: copy {folder.path / REVOCATIONS} to any other vessel, into {USUAL};\n"
            "or write it to that vessel's card: "
            f"logboat fleet card {args.folder} OTHER {_UPDATE} --to DEVICE\n"
            "the other vessels receive the list from there\nto keep using "
            f"{args.vessel} with a new key: logboat fleet renew {args.folder} {args.vessel}\n"
            f"{args.vessel} still has the radio key, which gives no access to the mesh; "
            f"to change the radio key: logboat fleet rekey {args.folder}"
        )
    return 0


def _rekey(args: Namespace, world: Environment) -> int:
    from provisioning.folder import FleetFolder

    now = _now(world)
    begins = now if args.now else _begins(args.begins, now)
    folder = FleetFolder(args.folder)
    given = _passphrase(args, world, f"Passphrase of fleet {folder.fleet}: ")
    vessels, without = folder.change_radio_key(folder.unlock(given), now=now, begins=begins)
    stated = folder.radio_key
    number = 0 if stated is None else stated.number
    if args.json:
        from services.schemas.fleet import FleetRadio

        print_json(
            FleetRadio(
                fleet=folder.fleet,
                vessels=vessels,
                revoked=without,
                number=number,
                from_=begins.isoformat(timespec="seconds").replace("+00:00", "Z"),
            )
        )
        return 0
    when = "has a new key" if begins <= now else f"gets a new key on {begins:%Y-%m-%d %H:%M} UTC"
    tell(f"the radio of fleet {folder.fleet} {when}, for {count(len(vessels), 'vessel')}")
    for vessel in without:
        tell(f"{vessel} is revoked and does not receive the new key")
    tell(
        f"next: copy {folder.path / RADIO_STATEMENT} to one vessel, into {USUAL};\nthe other vessels "
        "receive the file from there over any network, and read their own key from it.\nManually, on any "
        f"vessel: copy the file there, then run sudo systemctl restart {RESTARTED};\nor write the vessel's "
        "bundle to its card (logboat fleet card --bundle-only --update)"
    )
    return 0


def _begins(given: str | None, now: datetime) -> datetime:
    """Return the time from which the radio uses its next key.

    Raise UsageError if `given` is not a valid time.
    """
    if given is None:
        return (now + REKEY_AFTER).replace(microsecond=0)
    try:
        begins = datetime.fromisoformat(given)
        return begins.replace(tzinfo=UTC) if begins.tzinfo is None else begins.astimezone(UTC)
    except (ValueError, OverflowError):
        text = f"--from: {given!r} is not a valid time; write 2026-05-15 or 2026-05-15T12:00 (UTC)"
        raise UsageError(text) from None


def _list(args: Namespace, world: Environment) -> int:
    from provisioning.folder import FleetFolder

    folder, now = FleetFolder(args.folder), _now(world)
    vessels = folder.vessels()
    if args.json:
        from services.schemas.fleet import FleetList

        print_json(
            FleetList(
                fleet=folder.fleet,
                expires=_day(folder.root.not_valid_after_utc),
                revocations=folder.revocations.number,
                vessels=[_vessel_json(vessel, now, folder.carded(vessel.id)) for vessel in vessels],
            )
        )
        return 0
    tell(
        f"fleet {clean(folder.fleet)}, valid until {_day(folder.root.not_valid_after_utc)}; revocation list "
        f"number {folder.revocations.number}"
    )
    if not vessels:
        tell(f"no vessels yet; add one: logboat fleet add {args.folder} VESSEL")
        return 0
    rows = [
        (
            vessel.id,
            vessel.name,
            "-" if vessel.mmsi is None else str(vessel.mmsi),
            "-" if vessel.current is None else _day(vessel.current.ends),
            _certificate_status(vessel, now),
            _card_words(folder, vessel),
        )
        for vessel in vessels
    ]
    head = ("vessel", "name", "MMSI", "expires", "certificate", "card")
    heads, blocks = fitted([head, *rows], width=screen().width)
    print("\n".join(chain(heads, *blocks)))
    for vessel in vessels:
        if not vessel.has_readable_file:
            place = folder.place(vessel.id)
            tell(f"{place / VESSEL} contains mistakes; for details, run: logboat config check {place}")
    return 0


def _card_words(folder: "FleetFolder", vessel: "EnrolledVessel") -> str:
    carded = folder.carded(vessel.id)
    serial = None if vessel.current is None else vessel.current.serial
    is_unfinished = serial is not None and serial == folder.unwritten(vessel.id)
    unfinished = "; a new card was not finished" if is_unfinished else ""
    if carded is None:
        return f"none yet{unfinished}"
    older = "" if serial == carded.serial else ", with an older certificate"
    return f"{_day(carded.when)}{older}{unfinished}"


def _vessel_json(vessel: "EnrolledVessel", now: datetime, carded: "WrittenCard | None") -> "FleetVessel":
    from services.schemas.fleet import FleetVessel, VesselCard, VesselCertificate

    return FleetVessel(
        id=vessel.id,
        name=vessel.name,
        mmsi=vessel.mmsi,
        standing=_certificate_status(vessel, now),
        card=None
        if carded is None
        else VesselCard(serial=carded.serial, when=_day(carded.when), where=carded.where),
        certificates=[
            VesselCertificate(
                serial=issued.serial,
                begins=_day(issued.begins),
                expires=_day(issued.ends),
                revoked=None if issued.revoked is None else _day(issued.revoked.when),
                reason=None if issued.revoked is None else issued.revoked.reason,
                current=issued.is_current,
            )
            for issued in vessel.issued
        ],
    )


def _certificate_status(vessel: "EnrolledVessel", now: datetime) -> str:
    issued = vessel.current
    if vessel.fault is not None:
        return f"{vessel.fault}; issue a new certificate with `logboat fleet renew`"
    if issued is None:
        return "not issued by this fleet; issue a new certificate with `logboat fleet renew`"
    if issued.revoked is not None:
        return f"revoked on {issued.revoked}"
    days = (issued.ends - now).days
    if days < 0:
        return "EXPIRED: renew it"
    return f"valid for {count(days, 'day')}" + (": renew it" if days < SOON_DAYS else "")


def _backup(args: Namespace, world: Environment) -> int:
    from provisioning import backup, files
    from provisioning.folder import FleetFolder

    folder = FleetFolder(args.folder)
    given = _passphrase(args, world, f"Passphrase of fleet {folder.fleet}: ")
    salt, nonce = os.urandom(backup.SALT_BYTES), os.urandom(backup.NONCE_BYTES)
    content = backup.pack(folder, given, salt=salt, nonce=nonce)
    files.write(args.to, content, mode=files.SECRET)
    if args.json:
        from services.schemas.fleet import FleetBackup

        print_json(FleetBackup(fleet=folder.fleet, file=str(args.to), bytes=len(content)))
    else:
        tell(f"fleet {folder.fleet} saved to {args.to}, encrypted with its passphrase ({len(content)} bytes)")
    return 0


def _restore(args: Namespace, world: Environment) -> int:
    from provisioning import backup
    from provisioning.folder import check_free

    check_free(args.folder)
    content = args.source.read_bytes()
    given = _passphrase(args, world, "Passphrase of the fleet: ")
    folder = backup.restore(content, given, args.folder, source=str(args.source))
    vessels = [vessel.id for vessel in folder.vessels()]
    if args.json:
        from services.schemas.fleet import FleetRestored

        print_json(FleetRestored(fleet=folder.fleet, folder=str(args.folder), vessels=vessels))
    else:
        tell(f"fleet {folder.fleet} restored in {args.folder}: {', '.join(vessels) or 'no vessels yet'}")
    return 0


def _password(args: Namespace, world: Environment) -> int:
    from sync.fleet.errors import PasswordHashError
    from sync.fleet.users import SALT_BYTES, make_hash

    if sys.stdin.isatty():
        password = _twice(world, "Password: ")
    else:
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    try:
        password_hash = make_hash(password, os.urandom(SALT_BYTES))
    except PasswordHashError as error:
        raise UsageError(str(error)) from error
    if args.json:
        from services.schemas.fleet import FleetPassword

        print_json(FleetPassword(password_hash=password_hash))
    else:
        print(password_hash)
    return 0


# Helpers


@contextmanager
def _unlocked(
    args: Namespace, world: Environment, check: "Callable[[FleetFolder, str], None]"
) -> "Iterator[tuple[FleetFolder, Authority]]":
    """Yield the fleet's folder and its authority, unlocked with the passphrase.

    `check` is called first, so that an error is reported before the operator types the passphrase.
    """
    from provisioning.folder import FleetFolder

    folder = FleetFolder(args.folder)
    check(folder, args.vessel)
    passphrase = _passphrase(args, world, f"Passphrase of fleet {folder.fleet}: ")
    yield folder, folder.unlock(passphrase)


def _must_be_new(folder: "FleetFolder", vessel: str, *, name: str | None, mmsi: int | None) -> None:
    from sync.fleet import names

    names.check("vessel", vessel)
    for other in folder.check_new(vessel, name=name, mmsi=mmsi):
        place = folder.place(other)
        say(f"not compared with {other}, because {place / VESSEL} contains mistakes")


def _must_be_known(folder: "FleetFolder", vessel: str) -> None:
    folder.vessel(vessel)


def _passphrase(args: Namespace, world: Environment, prompt: str, *, again: bool = False) -> str:
    if args.passphrase_file is None and again:
        return _twice(world, prompt)
    return passphrase(args, world, prompt)


def _twice(world: Environment, prompt: str) -> str:
    given = world.secret(prompt)
    if world.secret("Repeat it: ") != given:
        raise UsageError("the two entries differ; nothing was changed")
    return given


def _text(given: str | None, option: str, longest: int) -> str | None:
    if given is not None and (not given.isprintable() or len(given) > longest):
        raise UsageError(f"{option}: use at most {longest} printable characters")
    return given


def _mmsi(given: str | None) -> int | None:
    from sensors.units import InputError
    from services.config.parsers import mmsi

    if given is None:
        return None
    try:
        return mmsi(int(given) if given.isascii() and given.isdecimal() else given)
    except InputError as error:
        raise UsageError(f"--mmsi: {error.text}; an MMSI has nine digits") from error


def _now(world: Environment) -> datetime:
    return datetime.fromtimestamp(world.utc, UTC)


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d}"
