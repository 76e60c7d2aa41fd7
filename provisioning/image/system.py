"""Creates the trees of an image's root and data partitions: base, Logboat's files, Python, units, dates.

None of the target's programs is run.
"""

import json
import os
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from provisioning.image import roots, wheels
from provisioning.image.recipe import PYTHON, Recipe
from provisioning.image.tools import in_root, run

UNITS: Final = "usr/lib/systemd/system"
ENDED: Final = "usr/lib/logboat/ended"
"""Program that units run after a service has ended."""
HANDBOOK: Final = "usr/share/logboat/handbook"
"""Folder of the pages that `logboat help` shows."""
ABOUT: Final = "usr/lib/logboat/image.json"
_SOURCES: Final = "# All packages are part of the image. For maintenance, add a Debian mirror here.\n"
_FORGET: Final = ("var/cache/*", "var/lib/apt/lists/*", "var/lib/apt/mirrors/*", "var/log/*")
"""Patterns of files to remove: apt's lists from the builder's mirror, and folders that are kept in memory."""
_SCRIPT: Final = f"""#!/{wheels.VENV}/bin/python3 -IS
# Python's site module is skipped because it would take a third of the time of an empty start.
import sys

sys.path.append("/{wheels.SITE}")

from services.cli.main import main

sys.exit(main())
"""


def assemble(
    recipe: Recipe,
    *,
    base: Path,
    dependencies: Path,
    wheel: Path,
    repository: Path,
    tools: Path,
    about: Mapping[str, Any],
    epoch: int,
) -> tuple[Path, Path]:
    """Create the trees of the root and data partitions below `tools`, and return their paths.

    Raises ToolError, RecipeError, OSError.
    """
    target, data = tools / "work/root", tools / "work/data"
    roots.unpack(base, target)
    for path in (path for pattern in _FORGET for path in target.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    _python(target, dependencies, wheel, tools)
    copy_tree(recipe.source / "files", target)
    for unit in sorted((repository / "services/units").glob("*.service")):
        _put(unit, target / UNITS / unit.name)
    _put(repository / "services/units/ended", target / ENDED)
    put_handbook(repository, target)
    settings = tomllib.loads((recipe.source / "services.toml").read_text())
    for folder in settings["folders"]["paths"]:
        (target / folder).mkdir(parents=True, exist_ok=True)
    for link, to in settings["links"].items():
        _link(target / link, to)
    _dates(target, epoch)
    (target / ABOUT).parent.mkdir(parents=True, exist_ok=True)
    (target / ABOUT).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n")
    (target / "etc/apt/sources.list").write_text(_SOURCES)
    in_root(tools, ["systemd-sysusers", "--root=/work/root"], epoch=epoch)
    _services(target, settings, recipe.mask, tools)
    _data(recipe, target, data)
    for name in ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/.pwd.lock"):
        (target / name).unlink(missing_ok=True)
    for tree in (target, data):
        settle(tree, epoch)
    return target, data


def put_handbook(repository: Path, target: Path) -> None:
    """Copy the pages that `logboat help` shows to the tree of a root."""
    for page in sorted((repository / "docs").rglob("*.md")):
        _put(page, target / HANDBOOK / page.relative_to(repository / "docs"))


def _python(target: Path, dependencies: Path, wheel: Path, tools: Path) -> None:
    site = target / wheels.SITE
    roots.unpack(dependencies, site)
    fresh = tools / "work/ours"
    wheels.unpack(wheel, fresh)
    wheels.compile_all(tools, "work/ours", f"/{wheels.SITE}")
    shutil.copytree(fresh, site, dirs_exist_ok=True)
    shutil.rmtree(fresh)
    venv = target / wheels.VENV
    (venv / "bin").mkdir()
    (venv / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    )
    (venv / "bin/logboat").write_text(_SCRIPT)
    (venv / "bin/logboat").chmod(0o755)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a tree of files, with the file attributes that Git stores: content and executable bit."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            _put(path, target / path.relative_to(source))


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.write_bytes(source.read_bytes())
    target.chmod(0o755 if os.access(source, os.X_OK) and source.stat().st_mode & 0o100 else 0o644)


def _link(path: Path, to: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(to)


def _dates(target: Path, epoch: int) -> None:
    """Record the time of the build as the earliest valid time, for systemd and for the services."""
    (target / "usr/lib/clock-epoch").touch()
    place = target / "etc/systemd/system.conf.d/epoch.conf"
    place.write_text(f"[Manager]\nDefaultEnvironment=SOURCE_DATE_EPOCH={epoch}\n")


def _services(target: Path, settings: Mapping[str, Any], more: Sequence[str], tools: Path) -> None:
    ours = [
        path.name
        for path in sorted((target / UNITS).glob("logboat-*.service"))
        if "[Install]" in path.read_text()
    ]
    there = [name for name in settings["disable"] if _exists(target, name)]
    control = ["systemctl", "--root=/work/root"]
    in_root(tools, [*control, "enable", *ours, *settings["enable"]])
    in_root(tools, [*control, "disable", *there])
    in_root(tools, [*control, "mask", *settings["mask"], *more])


def _exists(target: Path, unit: str) -> bool:
    return (target / UNITS / unit).exists() or (target / "etc/systemd/system" / unit).exists()


def _data(recipe: Recipe, target: Path, data: Path) -> None:
    users, groups = ids(target / "etc/passwd"), ids(target / "etc/group")
    folders = tomllib.loads((recipe.source / "data.toml").read_text())["folder"]
    data.mkdir()
    for each in folders:
        path = data / each["path"]
        if "copy" in each:
            run(["cp", "-a", "--no-target-directory", str(target / each["copy"]), str(path)])
        path.mkdir(parents=True, exist_ok=True)
    copy_tree(recipe.source / "data", data)
    for each in folders:
        path = data / each["path"]
        owner, group = users[each["owner"]], groups[each["group"]]
        inner = sorted(path.rglob("*")) if each["path"] in ("etc", "home/skipper") else []
        for name in (path, *inner):
            os.chown(name, owner, group, follow_symlinks=False)
        path.chmod(int(each["mode"], 8))


def ids(path: Path) -> Mapping[str, int]:
    """Return the numeric ids in a passwd or group file, by name."""
    lines = (line.split(":") for line in path.read_text().splitlines() if line)
    return {fields[0]: int(fields[2]) for fields in lines}


def settle(tree: Path, epoch: int) -> None:
    """Set every modification time in a tree that is later than `epoch` to `epoch`."""
    for folder, names, files in os.walk(tree, topdown=False):
        for name in (*files, *names, "."):
            path = Path(folder) / name
            if path.lstat().st_mtime > epoch:
                os.utime(path, (epoch, epoch), follow_symlinks=False)
