"""`logboat fleet remove DIR VESSEL`: removes a vessel that was added by mistake or has left the fleet."""

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from sensors.plaintext import clean
from services.console.environment import Environment
from services.console.errors import FailedError
from services.console.output import print_json, say, tell
from services.documents.boot_signing import USUAL
from services.terminal.present import count
from sync.fleet.identity_names import REVOCATIONS

from .card import passphrase


def remove_arguments(parser: ArgumentParser) -> None:
    """Define those arguments of `logboat fleet remove` that other actions on a vessel do not have."""
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def remove(args: Namespace, world: Environment) -> int:
    """Remove a vessel after confirmation, and print where its files are kept. Return 0."""
    from provisioning import removal
    from provisioning.folder import FleetFolder

    now = datetime.fromtimestamp(world.utc, UTC)
    folder = FleetFolder(args.folder)
    removal.check_removable(folder, args.vessel)
    is_revoked = removal.is_revoked(folder, args.vessel)
    question = (
        f"remove {args.vessel} from fleet {folder.fleet}"
        f"{'' if is_revoked else ', and revoke its certificates'}; its files are kept in"
        f" {folder.path / removal.REMOVED}?"
    )
    if args.yes:
        say(question.replace("?", ""))
    elif world.ask(f"{clean(question)} Type yes: ").strip().lower() != "yes":
        raise FailedError("nothing was removed")
    authority = None
    if not is_revoked:
        authority = folder.unlock(passphrase(args, world, f"Passphrase of fleet {folder.fleet}: "))
    done = removal.remove(folder, authority, args.vessel, now=now)
    if args.json:
        from services.schemas.fleet import FleetRemoval

        number = folder.revocations.number
        print_json(
            FleetRemoval(vessel=args.vessel, revoked=done.revoked, number=number, folder=str(done.place))
        )
        return 0
    tell(f"{args.vessel} was removed from fleet {folder.fleet}; its files are in {done.place}")
    if done.revoked:
        tell(
            f"revoked {count(len(done.revoked), 'certificate')} of {args.vessel}: revocation list number"
            f" {folder.revocations.number}\nonly if its identity was copied to an appliance by hand: copy"
            f" {folder.path / REVOCATIONS} to any other vessel, into {USUAL}"
        )
    return 0
