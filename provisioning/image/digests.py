"""Records the digests of a root's packages from the archive's signed index; mmdebstrap runs this as a hook.

The digests are written into the root (`lock.DIGESTS`), and compared with those of the files that were
installed. This is necessary because apt accepts any file in its cache that has the right size.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from . import build_cache, lock

_ARCHIVES: Final = "var/cache/apt/archives"


def main(root: Path) -> int:
    """Write the digests of the root's packages; return 1 if a file differs from the signed index."""
    asked = ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show"]
    names = _output_of([*asked, "--showformat", "${binary:Package}=${Version}\n"]).split()
    settings = {**os.environ, "APT_CONFIG": os.environ["MMDEBSTRAP_APT_CONFIG"]}
    packages = set(of_index(_output_of(["apt-cache", "show", *names], settings)))
    place = root / lock.DIGESTS
    place.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{each.name}:{each.architecture} {each.version} {each.sha256}\n" for each in packages)
    place.write_text("".join(sorted(lines)))
    wrong = lock.forged(lock.text_of(tuple(packages)), files_of(root / _ARCHIVES))
    for line in wrong:
        print(f"a package does not match the archive's signed index: {line}", file=sys.stderr)
    return 1 if wrong else 0


def of_index(text: str) -> Iterator[lock.Package]:
    """Yield the packages listed in an index of apt, or in the output of `apt-cache show`."""
    for fields in lock.paragraphs(text):
        if "SHA256" in fields:
            name, version = fields["Package"], fields["Version"]
            yield lock.Package(name, version, fields["Architecture"], name, fields["SHA256"])


def files_of(folder: Path) -> Iterable[lock.Package]:
    """Return the packages whose files are in a folder, with the digest of each file."""
    return (
        lock.of_file(path.name, build_cache.file_digest(path)) for path in sorted(folder.glob("*_*_*.deb"))
    )


def _output_of(command: list[str], env: dict[str, str] | None = None) -> str:
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
