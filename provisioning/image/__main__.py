"""The command `python -m provisioning.image`, which `make image` runs.

Its exit status is 0 (success), 1 (failure) or 2 (wrong usage).
"""

import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from provisioning.image import recipe, release
from provisioning.image.build import Build, native
from provisioning.image.errors import ImageError, RecipeError
from sensors.plaintext import cleaned_output

REPOSITORY: Final = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Build one image, and return the exit status."""
    parser = ArgumentParser(prog="make image", description="Build the image of a card.")
    parser.add_argument("--board", default="pi", help="name of a file in image/boards (default: pi)")
    parser.add_argument(
        "--base",
        default="raspios",
        help=("name of a file in image/bases, or path of an official image (default: raspios)"),
    )
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build/image", metavar="DIR")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help=("folder of files that are reused by the next build")
    )
    parser.add_argument(
        "--locked",
        action="store_true",
        help=("fail if the archive's package versions differ from the lock file"),
    )
    parser.add_argument(
        "--release",
        action="store_true",
        help=("build an image to publish: --locked, and fail if SECURITY.md gives no contact"),
    )
    parser.add_argument(
        "--write-lock", action="store_true", help=("write the archive's package versions to the lock file")
    )
    parser.add_argument(
        "--url",
        default="",
        help=("address of the folder to which the image will be uploaded, for Raspberry Pi Imager's list"),
    )
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    os.umask(0o022)  # files in the image have the same modes, no matter who builds it
    with cleaned_output():
        return _made(args)


def _made(args: Namespace) -> int:
    try:
        if args.release:
            release.check(REPOSITORY)
        inputs = recipe.read(REPOSITORY / "image", board=args.board, base=args.base, native=native())
        output = args.output.absolute()
        Build(
            inputs,
            REPOSITORY,
            output,
            (args.cache or output / "cache").absolute(),
            locked=args.locked or args.release,
            write_lock=args.write_lock,
            url=args.url,
        ).run()
    except RecipeError as error:
        print(f"make image: {error}", file=sys.stderr)
        return 2
    except ImageError as error:
        print(f"make image: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"make image: {error.filename or 'disk'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make image: interrupted; no incomplete files are left", file=sys.stderr)
        return 1
    return 0


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)


if __name__ == "__main__":
    sys.exit(main())
