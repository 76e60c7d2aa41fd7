"""`logboat import --check FILE`: shows how Logboat reads a CSV recording, and how sensors can replay it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from services.console.environment import Environment
from services.console.errors import UsageError
from services.console.output import print_json, tell


def import_recording_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat import --check FILE`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV file that a logger wrote")
    parser.add_argument(
        "--check",
        action="store_true",
        help="show how the file is understood, every rejected line, and the [[sensor]] tables that replay it;"
        " nothing is recorded",
    )


def import_recording(args: Namespace, world: Environment) -> int:
    """Show how a recording is understood. Return 0 if at least one path can be replayed, else 2."""
    from sensors.csv_recordings.files import read
    from sensors.csv_recordings.refusals import RecordingError
    from services.screens import recording

    del world
    file: Path = args.file
    if not args.check:
        raise UsageError(
            "recordings are not imported into the log, because a log contains only what its sensors measured;"
            " to replay the file, copy it to the folder that contains sensors.toml, and add a sensor of kind"
            " replay\n"
            "try: logboat import --check FILE, which prints the lines to add"
        )
    if not file.exists():
        raise UsageError(f"{file}: no such file")
    if file.is_dir():
        raise UsageError(f"{file}: this is a folder; specify a CSV file")
    try:
        found = recording.view(file.name, read(file))
    except RecordingError as error:
        found = recording.view(file.name, error)
    if args.json:
        print_json(recording.as_json(found))
        return 0 if found.is_usable else 2
    text = "\n".join(recording.lines(found))
    gap = "\n" if text else ""
    if text:
        tell(text)
    tables = "\n\n".join(recording.sensor_tables(found))
    if tables:
        tell(f"\nTo replay it, copy {file.name} to the folder of sensors.toml, and add to sensors.toml:\n")
        print(tables)  # not wrapped, because the user copies these lines
    tell(f"{gap}{recording.verdict(found)}")
    return 0 if found.is_usable else 2
