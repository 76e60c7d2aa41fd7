"""`logboat bundle`: creates an archive for support, with secrets removed."""

import errno
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

from sensors.units import format_bytes
from services.console.environment import Environment
from services.console.errors import FailedError
from services.console.output import print_json, tell
from sync.folders import OWN_FILE, opener

from .doctor import appliance_of
from .options import identity_option


def bundle_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat bundle [FILE]`."""
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="output file; - for standard output (default: logboat-….tar.gz in this folder)",
    )
    identity_option(parser, "folder of the vessel's certificate and key; secrets are not included")


def bundle(args: Namespace, world: Environment) -> int:
    """Write the support archive. Return 0."""
    from services.bundle.archive import packed
    from services.bundle.contents import parts

    appliance = appliance_of(args, world)
    moment = f"{datetime.fromtimestamp(world.utc, UTC):%Y%m%d-%H%M%S}"
    name = f"logboat-{appliance.configuration.vessel.id}-{moment}"
    data = packed(parts(appliance), folder=name, utc=world.utc)
    if args.file == "-":
        sys.stdout.buffer.write(data)
        return 0
    path = Path(args.file or f"{name}.tar.gz")
    try:
        _write(path, data)
    except OSError as error:
        need = f" for {format_bytes(len(data))}" if error.errno == errno.ENOSPC else ""
        raise FailedError(
            f"{path}: {error.strerror or error}{need}; write the archive elsewhere: logboat bundle - > FILE,"
            " or over SSH"
        ) from error
    if args.json:
        from services.schemas.appliance import Bundle

        print_json(Bundle(file=str(path), bytes=len(data)))
    else:
        tell(f"{path}: {format_bytes(len(data))}; without passwords, keys, hashes and comments")
    return 0


def _write(path: Path, data: bytes) -> None:
    """Write the archive completely, or leave an existing file unchanged. Raise OSError if writing fails."""
    partial = path if path.exists() and not path.is_file() else path.with_name(f"{path.name}.part")
    try:
        with open(partial, "wb", opener=opener(OWN_FILE)) as file:
            file.write(data)
        if partial != path:
            partial.replace(path)
    finally:
        if partial != path:  # the output is a regular file, not a device, which must not be removed
            partial.unlink(missing_ok=True)
