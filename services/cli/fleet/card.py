"""`logboat fleet card …`: writes a card for each vessel, to a device or to an image file.

With `--bundle-only`, only the configuration bundle is written, to a card that already contains an image.

A certificate is written to one card only, because two cards with the same certificate would be a duplicate
identity. For a vessel that already has a card, `--replace` issues a new certificate. If that card has never
booted, `--again` writes the same certificate to a new card. With `--bundle-only --update`, newer files are
copied to the card that the vessel already uses.

All checks run before the user is prompted for anything. The fleet's folder changes only after the user has
confirmed. If writing then fails, the next attempt uses the same certificate.
"""

import sys
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensors.plaintext import clean, steer
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, say, tell

if TYPE_CHECKING:
    from provisioning.authority import Authority
    from provisioning.card.target import Target
    from provisioning.folder import FleetFolder

PLACEHOLDER: Final = "{vessel}"


def card_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat fleet card`.

    The usage is `logboat fleet card DIR VESSEL… --to TARGET [--image IMAGE | --bundle-only]`.
    """
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the fleet")
    parser.add_argument(
        "vessels", nargs="+", metavar="VESSEL", help="vessels whose cards to write, in this order"
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="TARGET",
        help=f"a device (/dev/sdb), a file ({PLACEHOLDER} stands for the vessel), or with --bundle-only "
        "the mount point of a card's first partition",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--image", type=Path, metavar="IMAGE", help="image file: .img, .img.xz or .img.gz")
    what.add_argument(
        "--bundle-only",
        action="store_true",
        help="write only the bundle, to a card with an image; the identity is readable on the card until "
        "its first boot",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--replace", action="store_true", help="issue a new certificate, to replace a broken card"
    )
    again.add_argument(
        "--again",
        action="store_true",
        help="use the same certificate; only if its earlier card was never used",
    )
    again.add_argument(
        "--update",
        action="store_true",
        help="with --bundle-only: copy newer files to the card that the vessel uses; its records are kept",
    )
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="F",
        help="file with the passphrase of the root key, for --replace",
    )


def card(args: Namespace, world: Environment) -> int:
    """Check the files of all vessels, then write the cards one by one. Return 0."""
    from provisioning.card.target import is_device
    from provisioning.folder import FleetFolder

    if args.update and not args.bundle_only:
        raise UsageError("--update needs --bundle-only; --image would erase the records on the card")
    folder = FleetFolder(args.folder)
    several = len(args.vessels) > 1
    if len(set(args.vessels)) < len(args.vessels):
        raise UsageError("a vessel is named twice; each vessel gets one card")
    is_file = not is_device(Path(args.to)) and not Path(args.to).is_dir()
    if several and is_file and PLACEHOLDER not in args.to:
        raise UsageError(f"--to: several vessels need several files, such as 'cards/{PLACEHOLDER}.img'")
    for vessel in args.vessels:
        _check_certificate(args, folder, vessel)
        _check_files(folder.place(vessel), now=_now(world), new_identity=args.replace)
    checksum = None if args.image is None else _check_image(args)
    authority = _authority(args, world, folder)
    for number, vessel in enumerate(args.vessels):
        if several and number and not is_file and not args.yes:
            world.ask(f"Remove the card, insert the one for {vessel}, and press Enter:  ")
        target = Path(args.to.replace(PLACEHOLDER, vessel))
        bundle = _one(args, world, folder, vessel, target=target, authority=authority)
        _told(args, folder.place(vessel), target, bundle, checksum)
    return 0


def _one(
    args: Namespace,
    world: Environment,
    folder: "FleetFolder",
    vessel: str,
    *,
    target: Path,
    authority: "Authority | None",
) -> Mapping[str, bytes]:
    """Write one vessel's card, and return its configuration bundle: file contents by name."""
    from provisioning.bundle.compose import compose
    from provisioning.card import make
    from provisioning.folder import WrittenCard

    card_target = None if args.bundle_only and target.is_dir() else _judged(args, target)
    if args.image is not None and card_target is not None:
        make.check_card(args.image, card_target)
        question = _card_question(card_target, vessel)
    else:
        make.check_bundle(target, vessel=vessel)
        words = f"folder {target}" if card_target is None else card_target.words
        changes = _check_present(folder, vessel, target) if args.update else ""
        question = f"{words}: write {vessel}'s bundle to it{changes}?"
    _confirm(args, world, question, vessel)
    folder.prepare_radio(_now(world))
    if authority is not None:
        _issue(folder, authority, vessel, _now(world))
    bundle = compose(folder, vessel, now=_now(world))
    if args.image is not None and card_target is not None:
        make.write_card(args.image, card_target, bundle, progress=_Progress(vessel, is_quiet=args.json))
    else:
        make.write_bundle(target, bundle, vessel=vessel)
    current = folder.vessel(vessel).current
    serial = "" if current is None else current.serial
    folder.note_card(vessel, WrittenCard(serial, _now(world), str(target)))
    return bundle


def _card_question(target: "Target", vessel: str) -> str:
    from provisioning.card import present_card

    if not target.is_device and not target.path.exists():
        return f"{target.words}: create it as {vessel}'s card?"
    present = present_card.read(target.path)
    if present is not None and present.has_records:
        words = f"it contains the records of {present.vessel or 'a vessel'}; erase them, and overwrite it"
    else:
        words = "overwrite it completely, including any records on it,"
    return f"{target.words}: {words} with {vessel}'s card?"


def _check_present(folder: "FleetFolder", vessel: str, target: Path) -> str:
    """Check that the target is the card that the vessel uses.

    Return a message about files on the card whose changes would be overwritten; '' if there are none. Raise
    FailedError if the target is a different card, so that no second card gets the vessel's certificate.
    """
    from provisioning.card import present_card

    hint = (
        f"--update changes only a card from which {vessel} has booted; use --again if this is its new card, "
        "which was never used, or --replace for any other card"
    )
    present = present_card.read(target)
    if present is None:
        raise FailedError(f"{target}: this is not a Logboat card, or it cannot be read; {hint}")
    if present.vessel is None:
        raise FailedError(f"{target}: the card contains no vessel.toml, so it has not been booted; {hint}")
    if present.vessel != vessel:
        raise FailedError(f"{target}: the card belongs to vessel {clean(present.vessel)}; {hint}")
    if present.certificate is not None and not _is_issued(folder, vessel, present.certificate):
        raise FailedError(f"{target}: the card has no certificate that was issued to {vessel}; {hint}")
    place = folder.place(vessel)
    differing = [
        name
        for name, content in sorted(present.shown.items())
        if not (place / name).is_file() or (place / name).read_bytes() != content
    ]
    verb = "differs" if len(differing) == 1 else "differ"
    return f" and replace {' and '.join(differing)}, which {verb} there" if differing else ""


def _is_issued(folder: "FleetFolder", vessel: str, certificate: bytes) -> bool:
    """Return True if a certificate in PEM was issued to the vessel."""
    from cryptography import x509

    from sync.fleet.revocations import serial_text

    try:
        serial = serial_text(x509.load_pem_x509_certificate(certificate).serial_number)
    except ValueError:
        return False
    return serial in {issued.serial for issued in folder.vessel(vessel).issued}


def _issue(folder: "FleetFolder", authority: "Authority", vessel: str, now: datetime) -> None:
    """Issue a certificate for a vessel's card, unless an earlier, failed attempt has already issued one."""
    current = folder.vessel(vessel).current
    if (
        current is not None
        and current.serial == folder.unwritten(vessel)
        and current.revoked is None
        and current.ends > now
    ):
        return
    issued = folder.renew(authority, vessel, now=now).current
    if issued is not None:
        folder.note_unwritten(vessel, issued.serial)


def _told(
    args: Namespace, place: Path, target: Path, bundle: Mapping[str, bytes], checksum: str | None
) -> None:
    from provisioning.bundle.contents import SENSORS
    from sensors.config.loader import NO_SENSORS
    from services.terminal.present import count

    vessel = place.name
    described = tomllib.loads(bundle.get(SENSORS, b"").decode("utf-8-sig"))
    has_no_sensors = described.get(NO_SENSORS) is True
    if args.json:
        from services.schemas.fleet import FleetCard

        card = FleetCard(
            vessel=vessel,
            target=str(target),
            files=sorted(bundle),
            checksum=checksum,
            no_sensors=has_no_sensors,
        )
        print_json(card)
        return
    if args.update:
        tell(
            f"{vessel}'s card was updated and verified: {target}; its records are unchanged, and {vessel} "
            "applies the files at its next boot"
        )
    else:
        tell(f"{vessel}'s card was written and verified: {target}")
    if has_no_sensors:
        outputs = len(described.get("output", ()))
        only = f", and only drive {count(outputs, 'output')}" if outputs else ""
        tell(
            f"{vessel} will record nothing{only}: {place / SENSORS} contains {NO_SENSORS} = true; describe "
            "its sensors there, and write the card again"
        )
    elif SENSORS not in bundle:
        before = "keeps its present sensors" if args.update else "records only the image's simulated example"
        tell(
            f"{vessel} {before}, because {place / SENSORS} does not exist; describe its sensors there, and"
            " write the card again"
        )
    if args.bundle_only:
        tell("until the card's next boot, anyone who has the card can read the identity on it")


def _check_image(args: Namespace) -> str | None:
    """Compare the image with the digest in a file beside it, and return the name of that file.

    Return None if there is nothing to compare. Raise CardError if the image is missing, or does not match the
    digest.
    """
    from provisioning.card import image_writing

    image: Path = args.image
    image_writing.size_of(image)
    checksum = image_writing.check_digest(image)
    if checksum is None:
        say(
            f"{image}: not verified, because neither {image.name}.sha256 nor a {image_writing.SUMS} that "
            "lists it is beside it"
        )
    else:
        say(f"{image}: matches its digest in {checksum}")
    return checksum


def _judged(args: Namespace, target: Path) -> "Target":
    """Check the target (a device or file) to write the card to, and return it. The file may already exist.

    Raise CardError if the target is unsuitable.
    """
    from provisioning.card import image_writing
    from provisioning.card.target import check_target, devices, is_device

    need = 0 if args.image is None else image_writing.size_of(args.image) or 0
    return check_target(target, need=need, listed=devices() if is_device(target) else {})


def _check_files(place: Path, *, now: datetime, new_identity: bool) -> None:
    """Check a vessel's files as `logboat config check` does, before the card is written.

    Print a reminder of each value that was copied from an example. Raise FailedError if there is a problem.
    """
    from services.config.check import check_files

    result = check_files([place], now=now, new_identity=new_identity)
    if result.problems:
        lines = "\n".join(str(problem) for problem in result.problems)
        raise FailedError(f"{place}: the card was not written, because of these problems:\n{lines}")
    for reminder in (each for checked in result.files for each in checked.reminders):
        say(f"{place}: {reminder}")
    for each in result.not_checked:
        say(f"not checked: {each}")


def _check_certificate(args: Namespace, folder: "FleetFolder", vessel: str) -> None:
    carded, current = folder.carded(vessel), folder.vessel(vessel).current
    if current is None:
        raise FailedError(f"no certificate was issued to {vessel}; create one with `logboat fleet renew`")
    if current.revoked is not None and args.update:
        raise FailedError(
            f"{vessel}'s certificate is revoked; first issue a new one:"
            f" logboat fleet renew {folder.path} {vessel}"
        )
    if current.revoked is not None and not args.replace:
        raise FailedError(f"{vessel}'s certificate is revoked; use --replace to issue a new one")
    if args.replace or args.again or args.update:
        return
    if carded is not None and carded.serial == current.serial:
        raise FailedError(
            f"{vessel}'s certificate went to a card on {carded.when:%Y-%m-%d} ({clean(carded.where)}), "
            "and two cards must not share a certificate; use --bundle-only --update to change the files on "
            "that card, --replace to write another card with a new certificate, or --again if that card was "
            "never used"
        )


def _authority(args: Namespace, world: Environment, folder: "FleetFolder") -> "Authority | None":
    """Return the authority that issues new certificates; None without `--replace`."""
    if not args.replace:
        return None
    return folder.unlock(passphrase(args, world, f"Passphrase of fleet {folder.fleet}: "))


def _confirm(args: Namespace, world: Environment, question: str, vessel: str) -> None:
    if args.yes:
        say(question.replace("?", ""))
    elif world.ask(f"{clean(question)} Type yes: ").strip().lower() != "yes":
        several = len(args.vessels) > 1
        raise FailedError(f"{vessel}'s card was not written" if several else "nothing was written")


class _Progress:
    """A progress line that overwrites itself on standard error. It is shown only on a terminal."""

    def __init__(self, vessel: str, *, is_quiet: bool) -> None:
        self._vessel = vessel
        self._is_shown = sys.stderr.isatty() and not is_quiet

    def __call__(self, what: str, so_far: int, total: int | None) -> None:
        if not self._is_shown:
            return
        share = f"{so_far / 1e6:.0f} MB" if not total else f"{100 * so_far // total} %"
        end = "\n" if so_far == total else ""
        with suppress(OSError):
            steer(sys.stderr, "\r")
            print(f"{self._vessel}: {what} {share}   ", end=end, file=sys.stderr, flush=True)


def passphrase(args: Namespace, world: Environment, prompt: str) -> str:
    """Return the passphrase for the fleet's root key, read from a file or typed at the terminal."""
    if args.passphrase_file is not None:
        from services.cli.db.sync import password

        return password(args.passphrase_file)
    return world.secret(prompt)


def _now(world: Environment) -> datetime:
    return datetime.fromtimestamp(world.utc, UTC)
