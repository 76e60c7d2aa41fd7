"""`logboat fleet …`: a fleet's identities, on the operator's machine. `provisioning.folder` stores them.

The passphrase of the fleet's root key is read from the terminal or from a file, and so is a password.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensors.plaintext import clean
from services.cli.options import actions
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json
from services.documents.boot_signing import USUAL
from services.terminal.present import count, table
from sync.fleet.identity_names import RADIO_STATEMENT

from .card import card, card_arguments, passphrase

if TYPE_CHECKING:
    from provisioning.authority import Authority
    from provisioning.folder import EnrolledVessel, FleetFolder, IssuedCertificate, WrittenCard

SOON_DAYS: Final = 180
"""Days before expiry from which a renewal is advised.

A vessel may be at sea for months, and needs its next certificate aboard before the current one expires.
"""
LONGEST_TEXT: Final = 200
RESTARTED: Final = "logboat-networks logboat-radio"
REKEY_AFTER: Final = timedelta(days=14)
"""Default time until vessels change the radio's key, so that all can receive the next one before."""


def fleet_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat fleet ACTION …`."""
    add = actions(parser, "ACTION")

    def action(name: str, words: str, *, vessel: bool = True, signs: bool = True) -> ArgumentParser:
        parser = add(name, words)
        parser.add_argument("folder", type=Path, metavar="DIR", help="the fleet's folder")
        if vessel:
            parser.add_argument("vessel", metavar="VESSEL", help="the vessel's id, as in vessel.toml")
        if signs:
            parser.add_argument(
                "--passphrase-file",
                type=Path,
                metavar="F",
                help="the root key's passphrase, instead of asking for it",
            )
        return parser

    init = action("init", "make a fleet: its root key, and the folder for all that follows", vessel=False)
    init.add_argument("--name", required=True, metavar="NAME", help="the fleet's name: [a-z0-9-]{1,32}")
    adding = action("add", "take a vessel into the fleet: an identity for its appliance")
    adding.add_argument("--name", metavar="NAME", help="the vessel's name, for people")
    adding.add_argument("--mmsi", metavar="MMSI", help="its number in radio, nine digits")
    card_arguments(add("card", "write vessels' cards: image and bundle, one card after another"))
    action("renew", "give a vessel a new key and certificate")
    revoke = action("revoke", "revoke all certificates that a vessel was given until now")
    revoke.add_argument("--reason", default="", metavar="WHY", help="for whoever is told of it")
    rekey = action(
        "rekey", "give the radio between vessels another key, for all but the revoked", vessel=False
    )
    when = rekey.add_mutually_exclusive_group()
    when.add_argument(
        "--from",
        dest="begins",
        metavar="TIME",
        help="from when on vessels use it, UTC: 2026-05-15 or 2026-05-15T12:00; in 14 days by default",
    )
    when.add_argument("--now", action="store_true", help="each vessel uses it as soon as it hears of it")
    action("list", "the fleet's vessels, and when their certificates expire", vessel=False, signs=False)
    backup = action("backup", "all of the folder into one encrypted file", vessel=False)
    backup.add_argument("--to", type=Path, required=True, metavar="FILE", help="replaced if it is there")
    restore = action("restore", "the folder again, from a backup", vessel=False)
    restore.add_argument("--from", dest="source", type=Path, required=True, metavar="FILE", help="the backup")
    add("password", "the hash of a crew's password, for [[user]]; asked for, or read from standard input")


def fleet(args: Namespace, world: Environment) -> int:
    """Run one action, and return the exit status."""
    from provisioning.errors import PassphraseError, ProvisioningError, UnknownVesselError
    from sync.fleet.errors import FleetNameError

    action: Callable[[Namespace, Environment], int] = {
        "init": _init,
        "add": _add,
        "card": card,
        "renew": _renew,
        "revoke": _revoke,
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

    names.check("fleet", args.name)  # before anyone thinks of a passphrase
    check_free(args.folder)
    passphrase = _passphrase(args, world, "Passphrase for the fleet's root key: ", again=True)
    folder = FleetFolder.create(args.folder, fleet=args.name, passphrase=passphrase, now=_now(world))
    if args.json:
        expires = _day(folder.root.not_valid_after_utc)
        print_json("fleet", {"fleet": folder.fleet, "folder": str(folder.path), "expires": expires})
    else:
        print(
            f"fleet {folder.fleet} is made in {folder.path}; back that folder up, and remember the passphrase"
        )
        print(f"next: logboat fleet add {folder.path} VESSEL")
    return 0


def _add(args: Namespace, world: Environment) -> int:
    name, mmsi = _text(args.name, "--name", 80), _mmsi(args.mmsi)
    with _unlocked(args, world, _must_be_new) as (folder, authority):
        vessel = folder.add(authority, args.vessel, now=_now(world), name=name, mmsi=mmsi)
        return _made(args, folder, vessel, f"{vessel.id} is of fleet {folder.fleet}")


def _renew(args: Namespace, world: Environment) -> int:
    with _unlocked(args, world, _must_be_known) as (folder, authority):
        vessel = folder.renew(authority, args.vessel, now=_now(world))
        return _made(args, folder, vessel, f"{vessel.id} has a new certificate")


def _made(args: Namespace, folder: "FleetFolder", vessel: "EnrolledVessel", what: str) -> int:
    place = folder.identity(vessel.id)
    issued = vessel.current
    expires = "-" if issued is None else _day(issued.ends)
    if args.json:
        serial = None if issued is None else issued.serial
        facts = {"vessel": vessel.id, "identity": str(place), "serial": serial, "expires": expires}
        print_json("fleet-identity", facts)
    else:
        print(f"{what}, until {expires}")
        print(f"next: logboat fleet card {folder.path} {vessel.id} --image IMAGE --to DEVICE")
        print(f"or, by hand: copy {place} to its appliance, as {USUAL}")
    return 0


def _revoke(args: Namespace, world: Environment) -> int:
    reason = _text(args.reason, "--reason", LONGEST_TEXT) or ""
    with _unlocked(args, world, _must_be_known) as (folder, authority):
        added = folder.revoke(authority, args.vessel, now=_now(world), reason=reason)
        number = folder.revocations.number
    if args.json:
        serials = [revoked.serial for revoked in added]
        print_json("fleet-revocation", {"vessel": args.vessel, "revoked": serials, "number": number})
    else:
        print(
            f"revoked {count(len(added), 'certificate')} of {args.vessel}: revocations number {number}\n"
            "next: copy any vessel's revocations.json to its appliance; from there the others learn of it\n"
            f"if {args.vessel} is to go on with a new key: logboat fleet renew {args.folder} {args.vessel}\n"
            "it still knows the radio's key, which lets it talk with no vessel:"
            f" logboat fleet rekey {args.folder} changes that"
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
        facts = {"number": number, "from": begins.isoformat(timespec="seconds").replace("+00:00", "Z")}
        print_json("fleet-radio", {"fleet": folder.fleet, "vessels": vessels, "revoked": without, **facts})
        return 0
    when = "has another key" if begins <= now else f"gets another key on {begins:%Y-%m-%d %H:%M} UTC"
    print(f"the radio of fleet {folder.fleet} {when}, for {count(len(vessels), 'vessel')}")
    for vessel in without:
        print(f"{vessel} is revoked and does not get it")
    print(
        f"next: copy {folder.path / RADIO_STATEMENT} to one vessel, into {USUAL};\n"
        "from there the others learn of it, over any network, and each takes its own key from it.\n"
        f"By hand, on any vessel: copy it there, then sudo systemctl restart {RESTARTED};\n"
        "or write its bundle to its card (logboat fleet card --bundle-only)"
    )
    return 0


def _begins(given: str | None, now: datetime) -> datetime:
    """Return the time from which the radio uses its next key. Raise UsageError if `given` is no time."""
    if given is None:
        return (now + REKEY_AFTER).replace(microsecond=0)
    try:
        begins = datetime.fromisoformat(given)
        return begins.replace(tzinfo=UTC) if begins.tzinfo is None else begins.astimezone(UTC)
    except (ValueError, OverflowError):
        text = f"--from: {given!r} is no time; write 2026-05-15 or 2026-05-15T12:00 (UTC)"
        raise UsageError(text) from None


def _list(args: Namespace, world: Environment) -> int:
    from provisioning.folder import FleetFolder

    folder, now = FleetFolder(args.folder), _now(world)
    vessels = folder.vessels()
    if args.json:
        print_json(
            "fleet-list",
            {
                "fleet": folder.fleet,
                "expires": _day(folder.root.not_valid_after_utc),
                "revocations": folder.revocations.number,
                "vessels": [_vessel_json(vessel, now, folder.carded(vessel.id)) for vessel in vessels],
            },
        )
        return 0
    print(
        f"fleet {clean(folder.fleet)}, until {_day(folder.root.not_valid_after_utc)};"
        f" revocations number {folder.revocations.number}"
    )
    if not vessels:
        print(f"no vessels yet: logboat fleet add {args.folder} VESSEL")
        return 0
    rows = [
        (
            vessel.id,
            vessel.name,
            "-" if vessel.mmsi is None else str(vessel.mmsi),
            "-" if vessel.current is None else _day(vessel.current.ends),
            _certificate_status(vessel.current, now),
            _card_words(vessel, folder.carded(vessel.id)),
        )
        for vessel in vessels
    ]
    print(table(rows, head=("vessel", "name", "MMSI", "expires", "certificate", "card")))
    return 0


def _card_words(vessel: "EnrolledVessel", carded: "WrittenCard | None") -> str:
    if carded is None:
        return "none yet"
    is_current = vessel.current is not None and vessel.current.serial == carded.serial
    return _day(carded.when) + ("" if is_current else ", with an older certificate")


def _vessel_json(vessel: "EnrolledVessel", now: datetime, carded: "WrittenCard | None") -> dict[str, Any]:
    return {
        "id": vessel.id,
        "name": vessel.name,
        "mmsi": vessel.mmsi,
        "standing": _certificate_status(vessel.current, now),
        "card": None
        if carded is None
        else {"serial": carded.serial, "when": _day(carded.when), "where": carded.where},
        "certificates": [
            {
                "serial": issued.serial,
                "begins": _day(issued.begins),
                "expires": _day(issued.ends),
                "revoked": None if issued.revoked is None else _day(issued.revoked.when),
                "reason": None if issued.revoked is None else issued.revoked.reason,
                "current": issued.is_current,
            }
            for issued in vessel.issued
        ],
    }


def _certificate_status(issued: "IssuedCertificate | None", now: datetime) -> str:
    if issued is None:
        return "not one of those that it was given: renew it"
    if issued.revoked is not None:
        return f"revoked on {issued.revoked}"
    days = (issued.ends - now).days
    if days < 0:
        return "EXPIRED: renew it"
    return f"good for {count(days, 'day')}" + (": renew it" if days < SOON_DAYS else "")


def _backup(args: Namespace, world: Environment) -> int:
    from provisioning import backup, files
    from provisioning.folder import FleetFolder

    folder = FleetFolder(args.folder)
    given = _passphrase(args, world, f"Passphrase of fleet {folder.fleet}: ")
    salt, nonce = os.urandom(backup.SALT_BYTES), os.urandom(backup.NONCE_BYTES)
    content = backup.pack(folder, given, salt=salt, nonce=nonce)
    files.write(args.to, content, mode=files.SECRET)
    if args.json:
        facts = {"fleet": folder.fleet, "file": str(args.to), "bytes": len(content)}
        print_json("fleet-backup", facts)
    else:
        print(f"all of fleet {folder.fleet} is in {args.to}, under its passphrase ({len(content)} bytes)")
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
        facts = {"fleet": folder.fleet, "folder": str(args.folder), "vessels": vessels}
        print_json("fleet-restored", facts)
    else:
        print(f"fleet {folder.fleet} is in {args.folder} again: {', '.join(vessels) or 'no vessels yet'}")
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
        print_json("fleet-password", {"password_hash": password_hash})
    else:
        print(password_hash)
    return 0


# Helpers


@contextmanager
def _unlocked(
    args: Namespace, world: Environment, check: "Callable[[FleetFolder, str], None]"
) -> "Iterator[tuple[FleetFolder, Authority]]":
    """Yield the folder and its authority, unlocked with the passphrase.

    `check` is called first, and raises what can be known before anyone types a passphrase.
    """
    from provisioning.folder import FleetFolder

    folder = FleetFolder(args.folder)
    check(folder, args.vessel)
    passphrase = _passphrase(args, world, f"Passphrase of fleet {folder.fleet}: ")
    yield folder, folder.unlock(passphrase)


def _must_be_new(folder: "FleetFolder", vessel: str) -> None:
    from sync.fleet import names

    names.check("vessel", vessel)
    folder.check_new(vessel)


def _must_be_known(folder: "FleetFolder", vessel: str) -> None:
    folder.vessel(vessel)


def _passphrase(args: Namespace, world: Environment, prompt: str, *, again: bool = False) -> str:
    if args.passphrase_file is None and again:
        return _twice(world, prompt)
    return passphrase(args, world, prompt)


def _twice(world: Environment, prompt: str) -> str:
    given = world.secret(prompt)
    if world.secret("The same again: ") != given:
        raise UsageError("these were two different ones; nothing was done")
    return given


def _text(given: str | None, option: str, longest: int) -> str | None:
    if given is not None and (not given.isprintable() or len(given) > longest):
        raise UsageError(f"{option}: {longest} characters at most, all of them printable")
    return given


def _mmsi(given: str | None) -> int | None:
    from sensors.units import InputError
    from services.config.parsers import mmsi

    if given is None:
        return None
    try:
        return mmsi(int(given) if given.isascii() and given.isdecimal() else given)
    except InputError as error:
        raise UsageError(f"--mmsi: {error.text}. It has nine digits.") from error


def _now(world: Environment) -> datetime:
    return datetime.fromtimestamp(world.utc, UTC)


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d}"
