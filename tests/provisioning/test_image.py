"""Tests of the steps that build an image. The tests in `tests/image` boot the result."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from provisioning.image import (
    archive,
    bootfiles,
    build,
    build_cache,
    digests,
    firmware,
    licenses,
    lock,
    official,
    outputs,
    recipe,
    roots,
    sbom,
    tools,
    wheels,
)
from provisioning.image.errors import BaseError, ImageError, LockError, RecipeError, RoomError, ToolError
from provisioning.image.layout import MIB, layout_of, sfdisk_script

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / "image"


def read(board: str = "pi", base: str = "debian") -> recipe.Recipe:
    return recipe.read(DATA, board=board, base=base, native="amd64")


# Recipes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["debian", "raspios"])
@pytest.mark.parametrize("board", ["pi", "virt"])
def test_every_board_has_a_recipe_on_every_base(board: str, base: str) -> None:
    found = read(board, base)
    assert "openssh-server" in found.packages
    assert found.architecture == ("arm64" if board == "pi" else "amd64")


def test_unknown_board_is_reported_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"board 'pie' does not exist; choose one of pi, virt"):
        read("pie")


def test_unknown_base_is_reported_with_the_known_ones() -> None:
    with pytest.raises(
        RecipeError, match=r"base 'ubuntu' does not exist; choose one of debian, official, raspios"
    ):
        read(base="ubuntu")


# Archives ------------------------------------------------------------------------------------------


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """Return a package that contains the signing keys of a package archive."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not here (Debian's dpkg)")
    tree, package = tmp_path / "tree", tmp_path / "keyring.deb"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: keyring\nVersion: 1\nArchitecture: all\nMaintainer: nobody <no@body>\nDescription: keys\n"
    )
    (tree / "usr/share/keyrings").mkdir(parents=True)
    (tree / "usr/share/keyrings/keys.pgp").write_bytes(b"keys")
    subprocess.run(["dpkg-deb", "--build", str(tree), str(package)], check=True, capture_output=True)
    return package


def archive_of(keyring: str, sha256: str) -> recipe.Archive:
    file = "usr/share/keyrings/keys.pgp"
    return recipe.Archive("http://localhost/", "trixie", ("main",), keyring, sha256, file)


def test_archive_is_verified_with_the_keys_in_the_recipe(keyring: Path, tmp_path: Path) -> None:
    found = archive_of(keyring.as_uri(), build_cache.file_digest(keyring))
    line = archive.source(found, tmp_path, log=tmp_path / "log")
    keys = tmp_path / f"archive-{found.sha256[:16]}.pgp"
    assert line == f"deb [signed-by={keys}] http://localhost/ trixie main"
    assert keys.read_bytes() == b"keys"
    keyring.unlink()
    assert archive.source(found, tmp_path, log=tmp_path / "log") == line


def test_other_keys_than_the_recipes_are_refused(keyring: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseError, match="does not match the recipe: its SHA-256 is"):
        archive.source(archive_of(keyring.as_uri(), "0" * 64), tmp_path, log=tmp_path / "log")
    missing = archive_of((tmp_path / "missing.deb").as_uri(), "0" * 64)
    with pytest.raises(
        BaseError, match=r"missing\.deb cannot be downloaded \(to build without it, use BASE=debian\)"
    ):
        archive.source(missing, tmp_path, log=tmp_path / "log")
    assert not list(tmp_path.glob("archive-*"))


def test_raspberry_pis_keys_are_named_by_their_digest() -> None:
    found = read(base="raspios").archive
    assert found is not None
    assert len(bytes.fromhex(found.sha256)) == 32


def test_wrong_arguments_are_reported_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "provisioning.image", "--board", "pie"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("make image: board 'pie' does not exist")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("base", ["raspios.img.xz", "here/raspios.img", "raspios.img.zst"])
def test_an_official_image_can_be_the_base(base: str) -> None:
    found = read(base=base)
    assert found.official == Path(base).absolute()
    assert found.name == "logboat-pi-official-arm64"
    assert "userconfig.service" in found.mask


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("raspios.img.xz", b"no xz", "is damaged"),
        ("raspios.img", bytes(4096), "is not a card image"),
    ],
)
def test_file_that_is_not_a_base_image_is_reported(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    image, log = tmp_path / name, tmp_path / "log"
    image.write_bytes(content)
    with pytest.raises(BaseError, match=said):
        official.partitions(official.unpacked(image, tmp_path / "disk", log=log), image, log=log)


def test_truncated_base_image_is_reported(tmp_path: Path) -> None:
    image, log = tmp_path / "raspios.img", tmp_path / "log"
    script = "label: dos\n1: start=2048, size=2048, type=c\n2: start=4096, size=8192, type=83\n"
    image.write_bytes(bytes(8 * 2**20))
    subprocess.run(["/usr/sbin/sfdisk", "--quiet", str(image)], input=script.encode(), check=True)
    with image.open("r+b") as file:
        file.truncate(4 * 2**20)
    with pytest.raises(BaseError, match="is damaged: its root partition ends"):
        official.partitions(image, image, log=log)


# The SD card ---------------------------------------------------------------------------------------


def test_slow_board_has_time_to_find_its_devices_and_to_start_services() -> None:
    text = (DATA / "files/etc/systemd/system.conf.d/logboat.conf").read_text()
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert found["DefaultTimeoutStartSec"] == found["DefaultDeviceTimeoutSec"] == "5min"


def test_partitions_follow_one_another_and_are_aligned() -> None:
    layout = read().layout
    for one, other in zip(layout.partitions, layout.partitions[1:], strict=False):
        assert one.start + one.size <= other.start
        assert other.start % (4 * MIB) == 0
    start, size = layout.extended
    inside = [each for each in layout.partitions if each.is_logical]
    assert all(start < each.start and each.start + each.size <= start + size for each in inside)
    assert layout.size == layout.partition("data").start + layout.partition("data").size


def test_root_partitions_are_named_by_the_disks_id_and_their_numbers() -> None:
    layout = read().layout
    assert layout.partuuid("root-a") == "4c4f4742-05"
    assert layout.partuuid("root-b") == "4c4f4742-06"


def test_sfdisk_creates_the_intended_partition_table(tmp_path: Path) -> None:
    layout = read().layout
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(layout.size)
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run(
        ["sfdisk", "--quiet", str(disk)], input=sfdisk_script(layout).encode(), check=True, env=environment
    )
    dumped = subprocess.run(
        ["sfdisk", "--json", str(disk)], capture_output=True, check=True, env=environment
    ).stdout
    made = json.loads(dumped)["partitiontable"]["partitions"]
    found = {int(each["node"].removeprefix(str(disk))): (each["start"], each["size"]) for each in made}
    wanted = {each.number: (each.start // 512, each.size // 512) for each in layout.partitions}
    assert {number: found[number] for number in wanted} == wanted


def test_misaligned_partition_is_an_error() -> None:
    data = {
        "disk_id": 1,
        "alignment": 4,
        "partition": [{"number": 1, "name": "odd", "type": "0c", "size": 3, "label": "ODD"}],
    }
    with pytest.raises(RecipeError, match="odd"):
        layout_of(data)


# The firmware's rules ------------------------------------------------------------------------------


KERNEL = bytes(56) + b"ARM\x64"


def good(found: recipe.Recipe) -> tuple[dict[str, bytes | Path], dict[str, bytes | Path]]:
    """Return the files of a boot and a root partition from which the firmware can boot."""
    trees = [names[0] for names in firmware.DEVICE_TREES]
    names = [
        "start.elf",
        "fixup.dat",
        "start4.elf",
        "fixup4.dat",
        "bootcode.bin",
        "vmlinuz",
        "initrd.img",
        *trees,
    ]
    boot: dict[str, bytes | Path] = dict.fromkeys(names, b"\1")
    boot["vmlinuz"] = KERNEL
    boot["config.txt"] = bootfiles.config(found).encode()
    boot["cmdline.txt"] = bootfiles.command_line(found, slot="a").encode()
    selector: dict[str, bytes | Path] = {"autoboot.txt": DATA / "boot/autoboot.txt", "bootcode.bin": b"\1"}
    return selector, boot


def test_files_of_the_recipes_are_valid_for_the_firmware() -> None:
    found = read()
    assert firmware.problems(*good(found), found.layout) == []


def test_on_raspberry_pi_os_each_board_gets_its_kernel() -> None:
    found = read(base="raspios")
    selector, boot = good(found)
    boot |= {"vmlinuz-pi5": b"\x1f\x8b", "initrd-pi5.img": b"\1"}
    assert firmware.problems(selector, boot, found.layout) == []
    text = bootfiles.config(found)
    assert "[pi5]\nkernel=vmlinuz-pi5\ninitramfs initrd-pi5.img followkernel" in text
    assert text.rstrip().endswith("[all]")


@pytest.mark.parametrize(
    ("partition", "name", "content", "said"),
    [
        ("selector", "bootcode.bin", None, "bootcode.bin is missing"),
        ("selector", "autoboot.txt", None, "no slot is selected"),
        ("selector", "autoboot.txt", b"[all]\nboot_partition=2\n", "does not select partition 3"),
        (
            "selector",
            "autoboot.txt",
            b"[all]\nboot_partition=2\n[tryboot]\nboot_partition=3\n",
            "tryboot_a_b=1",
        ),
        ("boot", "vmlinuz", None, "names vmlinuz, which is missing"),
        ("boot", "vmlinuz", b"MZ\0\0zimg" + KERNEL[8:], "is not a kernel that the firmware can load"),
        ("boot", "start4.elf", None, "start4.elf is missing"),
        ("boot", "bcm2711-rpi-4-b.dtb", None, "bcm2711-rpi-4-b.dtb is missing"),
        ("boot", "cmdline.txt", b"a\nroot=PARTUUID=4c4f4742-05\n", "more than one line"),
        ("boot", "cmdline.txt", b"root=/dev/mmcblk0p5\n", "by PARTUUID"),
        ("boot", "config.txt", b"[pi7000 x]\nkernel=vmlinuz\n", "the firmware does not support"),
        ("boot", "config.txt", b"kernel=vmlinuz\nx=" + b"1" * 99, "line 2 is longer"),
    ],
)
def test_files_that_the_firmware_would_not_boot_are_reported(
    partition: str, name: str, content: bytes | None, said: str
) -> None:
    found = read()
    selector, boot = good(found)
    files = selector if partition == "selector" else boot
    if content is None:
        del files[name]
    else:
        files[name] = content
    problems = firmware.problems(selector, boot, found.layout)
    assert any(said in each for each in problems), problems


# Contents of the image -----------------------------------------------------------------------------

STATUS = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Source: zlib
Version: 1:1.3.dfsg+really1.3.1-1
Description: compression
 Package: not a field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def test_installed_packages_are_locked_and_differences_reported() -> None:
    packages = lock.installed(STATUS)
    assert [(each.name, each.source) for each in packages] == [("zlib1g", "zlib")]
    assert lock.differences(lock.text_of(packages), packages) == ()
    newer = (replace(packages[0], version="2"),)
    assert lock.differences(lock.text_of(packages), newer) == (
        "zlib1g: locked 1:1.3.dfsg+really1.3.1-1, found 2",
    )
    assert lock.differences("", packages) == ("zlib1g: locked no version, found 1:1.3.dfsg+really1.3.1-1",)


DIGESTS = f"zlib1g:amd64 1:1.3.dfsg+really1.3.1-1 {'ab' * 32}\nother:all 1 {'cd' * 32}\n"


def test_package_with_the_locked_version_and_different_content_is_named() -> None:
    packages = lock.installed(STATUS, DIGESTS)
    text = lock.text_of(packages)
    assert text == f"zlib1g 1:1.3.dfsg+really1.3.1-1 {'ab' * 32}\n"
    assert lock.differences(text, packages) == lock.forged(text, packages) == ()
    changed = (replace(packages[0], sha256="ef" * 32),)
    assert lock.differences(text, changed) == ()
    [said] = lock.forged(text, changed)
    assert said.startswith("zlib1g 1:1.3.dfsg+really1.3.1-1: locked SHA-256 abab")
    newer = (replace(packages[0], version="2", sha256="ef" * 32),)
    assert lock.forged(text, newer) == ()
    assert lock.differences(text, newer) != ()


def test_a_lock_without_digests_is_compared_by_versions() -> None:
    packages = lock.installed(STATUS, DIGESTS)
    text = "zlib1g 1:1.3.dfsg+really1.3.1-1\n"
    assert lock.differences(text, packages) == lock.forged(text, packages) == ()
    assert lock.text_of(lock.installed(STATUS)) == text


def test_package_altered_in_the_cache_ends_the_build(tmp_path: Path) -> None:
    found = replace(read("virt"), source=tmp_path)
    found.lock.parent.mkdir()
    found.lock.write_text(lock.text_of(lock.installed(STATUS, DIGESTS)))
    kept = tmp_path / "cache/packages-amd64"
    kept.mkdir(parents=True)
    (kept / "zlib1g_1%3a1.2-1_amd64.deb").write_bytes(b"an older one")
    roots.check_cached(found, tmp_path / "cache")
    (kept / "zlib1g_1%3a1.3.dfsg+really1.3.1-1_amd64.deb").write_bytes(b"forged")
    with pytest.raises(LockError, match=r"zlib1g 1:1.3.dfsg\+really1.3.1-1: locked SHA-256 abab"):
        roots.check_cached(found, tmp_path / "cache")


def test_digests_are_read_from_the_index_and_files_compared_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The test runs the real dpkg and apt on a package archive with one package."""
    for tool in ("dpkg-deb", "dpkg-query", "apt-get"):
        if shutil.which(tool) is None:
            if os.environ.get("CI"):
                pytest.fail(f"CI must run this test, and cannot: {tool} is not installed")
            pytest.skip(f"{tool} is not installed on this machine")
    root, archive = tmp_path / "root", tmp_path / "archive"
    tree = tmp_path / "tree/DEBIAN"
    for folder in (tree, archive, *(root / each for each in APT_FOLDERS)):
        folder.mkdir(parents=True)
    control = (
        "Package: pump\nVersion: 1:2.0\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: x\n"
    )
    (tree / "control").write_text(control)
    (root / "var/lib/dpkg/status").write_text(f"{control}Status: install ok installed\n")
    deb = archive / "pump_2.0_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tree.parent), str(deb)], check=True, capture_output=True)
    digest, size = hashlib.sha256(deb.read_bytes()).hexdigest(), deb.stat().st_size
    index = f"{control}Filename: ./{deb.name}\nSize: {size}\nSHA256: {digest}\n"
    (archive / "Packages").write_text(index)
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{archive} ./\n")
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Dir "{root}";\nDir::State::status "{root}/var/lib/dpkg/status";\n')
    monkeypatch.setenv("MMDEBSTRAP_APT_CONFIG", str(settings))
    update = ["apt-get", "update", "-o", "APT::Sandbox::User=root"]
    subprocess.run(update, env={**os.environ, "APT_CONFIG": str(settings)}, check=True, capture_output=True)
    kept = root / "var/cache/apt/archives/pump_1%3a2.0_all.deb"
    shutil.copy(deb, kept)
    assert digests.main(root) == 0
    assert (root / lock.DIGESTS).read_text() == f"pump:all 1:2.0 {digest}\n"
    kept.write_bytes(bytes(len(deb.read_bytes())))
    assert digests.main(root) == 1
    assert f"pump 1:2.0: locked SHA-256 {digest}" in capsys.readouterr().err


APT_FOLDERS = (
    "var/lib/dpkg",
    "var/lib/apt/lists/partial",
    "var/cache/apt/archives/partial",
    "etc/apt/apt.conf.d",
    "etc/apt/preferences.d",
    "etc/apt/sources.list.d",
    "etc/apt/trusted.gpg.d",
)


def test_bill_of_materials_names_every_package_once_and_is_reproducible() -> None:
    about = {"name": "logboat-pi", "version": "1", "commit": "abc"}
    python = (sbom.Distribution("apsw", "3.54.1.0", (licenses.of_spdx("any-OSI"),)),)
    stated = {"zlib1g": (licenses.of_debian("Zlib"), licenses.named("GPL-2+ or Artistic"))}
    one = sbom.cyclonedx(about, lock.installed(STATUS), python, stated, epoch=86400)
    assert one == sbom.cyclonedx(about, lock.installed(STATUS), python, stated, epoch=86400)
    assert [each["purl"] for each in one["components"]] == [
        "pkg:deb/debian/zlib1g@1%3A1.3.dfsg%2Breally1.3.1-1?arch=amd64&distro=debian-13",
        "pkg:pypi/apsw@3.54.1.0",
    ]
    assert [each["licenses"] for each in one["components"]] == [
        [{"license": {"id": "Zlib"}}, {"license": {"name": "GPL-2+ or Artistic"}}],
        [{"license": {"id": "any-OSI"}}],
    ]
    assert one["metadata"]["timestamp"] == "1970-01-02T00:00:00Z"


def installed_python(site: Path, metadata: str) -> tuple[sbom.Distribution, ...]:
    """Create a site-packages folder with one package, and return the distributions found in the folder."""
    folder = site / "pump-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: pump\nVersion: 1.0\n{metadata}\n\nPumps.\n"
    )
    return sbom.distributions(site)


@pytest.mark.parametrize(
    ("metadata", "stated"),
    [
        ("License-Expression: MIT", {"license": {"id": "MIT"}}),
        ("License-Expression: Apache-2.0 OR MIT", {"expression": "Apache-2.0 OR MIT"}),
        ("License: BSD-3-Clause", {"license": {"id": "BSD-3-Clause"}}),
        ("License: any-OSI", {"license": {"id": "any-OSI"}}),
        ("License: BSD", {"license": {"name": "BSD"}}),
        ("License: MIT License\n        \n        Copyright 2026", {"license": {"name": "MIT License"}}),
        (
            "Classifier: Typing :: Typed\nClassifier: License :: OSI Approved :: MIT License",
            {"license": {"name": "MIT License"}},
        ),
    ],
)
def test_bill_states_the_licence_in_the_metadata_of_a_python_package(
    metadata: str, stated: object, tmp_path: Path
) -> None:
    about = {"name": "logboat-pi", "version": "1", "commit": "abc"}
    bill = sbom.cyclonedx(about, (), installed_python(tmp_path, metadata), {}, epoch=86400)
    (component,) = bill["components"]
    assert component["licenses"] == [stated]


def test_bill_has_no_licence_for_a_python_package_that_states_none(tmp_path: Path) -> None:
    about = {"name": "logboat-pi", "version": "1", "commit": "abc"}
    bill = sbom.cyclonedx(about, (), installed_python(tmp_path, "Summary: pumps"), {}, epoch=86400)
    (component,) = bill["components"]
    assert "licenses" not in component


def test_build_names_a_damaged_copyright_file_and_continues(tmp_path: Path) -> None:
    out = io.StringIO()
    making = build.Build(read(), REPOSITORY, tmp_path, tmp_path, teller=tools.ProgressReporter(out=out))
    stated = making._licenses(tmp_path, lock.installed(STATUS))
    assert stated == {"zlib1g": (licenses.named("see /usr/share/doc/zlib1g/copyright"),)}
    assert "note: /usr/share/doc/zlib1g/copyright cannot be read: No such file" in out.getvalue()


def test_imagers_list_has_sizes_and_digests() -> None:
    made = sbom.BuiltFile(url="x.img.xz", size=2, sha256="a", download_size=1, download_sha256="b")
    listed = sbom.imager(read().imager, {"version": "1"}, made, epoch=86400)
    (entry,) = listed["os_list"]
    assert (entry["extract_size"], entry["extract_sha256"]) == (2, "a")
    assert (entry["image_download_size"], entry["image_download_sha256"]) == (1, "b")
    assert entry["release_date"] == "1970-01-02"


# Cache --------------------------------------------------------------------------------------------


def test_result_of_a_step_is_reused_the_second_time(tmp_path: Path) -> None:
    made = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_text("whole")

    first = build_cache.cached(tmp_path, "thing.tar", build_cache.digest([1]), make)
    assert build_cache.cached(tmp_path, "thing.tar", build_cache.digest([1]), make) == first
    assert len(made) == 1
    assert build_cache.cached(tmp_path, "thing.tar", build_cache.digest([2]), make) != first


def test_interrupted_step_leaves_no_result(tmp_path: Path) -> None:
    def make(path: Path) -> None:
        path.write_text("hal")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache.cached(tmp_path, "thing.tar", build_cache.digest([1]), make)
    assert list(tmp_path.iterdir()) == []


def test_image_replaces_the_previous_one_atomically(tmp_path: Path) -> None:
    for text in ("old", "new"):
        partial = tmp_path / ".work"
        partial.mkdir()
        (partial / "image").write_text(text)
        outputs.publish(partial, tmp_path / "final")
    assert (tmp_path / "final/image").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_insufficient_space_is_reported_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(RoomError, match="are free, but a build needs"):
        build.check_room(tmp_path, 2**60)


def test_two_builds_do_not_share_a_cache(tmp_path: Path) -> None:
    with build.alone(tmp_path), pytest.raises(ImageError, match="another build"), build.alone(tmp_path):
        pass


def test_damaged_base_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "base.tar"
    damaged.write_bytes(b"nothing of a tar")
    with pytest.raises(ImageError, match=r"base\.tar is damaged"):
        build.read_from(damaged, "./var/lib/dpkg/status")


# Tools ---------------------------------------------------------------------------------------------


def test_a_tool_that_fails_is_named_with_its_errors(tmp_path: Path) -> None:
    script = "echo working; echo 'E: Unable to fetch some archives' >&2; echo more >&2; exit 25"
    with pytest.raises(ToolError) as caught:
        tools.run(["sh", "-c", script], log=tmp_path / "log")
    assert "sh failed (exit status 25)" in str(caught.value)
    assert str(caught.value).endswith("  E: Unable to fetch some archives")
    assert "working" in (tmp_path / "log").read_text()


def test_a_tool_that_is_missing_is_named() -> None:
    with pytest.raises(ToolError, match="no-such-tool is not installed"):
        tools.run(["no-such-tool"])


def test_cancelled_tool_ends_with_all_its_child_processes(tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/pid; wait"
    with subprocess.Popen(["sh", "-c", script]) as process:
        end = time.monotonic() + 20
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
            assert time.monotonic() < end
            time.sleep(0.01)
        child = int((tmp_path / "pid").read_text())
        tools.end(process)
    with pytest.raises(ProcessLookupError):
        _wait_gone(child)


def _wait_gone(pid: int) -> None:
    for _ in range(1000):
        os.kill(pid, 0)
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            raise ProcessLookupError
        time.sleep(0.01)


def test_files_of_a_wheel_are_installed_in_their_places(tmp_path: Path) -> None:
    import zipfile

    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/__init__.py", "x = 1")
        archive.writestr("a-1.data/purelib/b.py", "y = 1")
        archive.writestr("a-1.data/scripts/a", "#!/usr/bin/python")
    wheels.unpack(wheel, tmp_path / "site")
    found = sorted(str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*.py"))
    assert found == ["a/__init__.py", "b.py"]
    assert not (tmp_path / "site/a").is_file()


def test_wheel_that_would_write_outside_its_folder_is_refused(tmp_path: Path) -> None:
    import zipfile

    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("../evil.py", "")
    with pytest.raises(RecipeError, match="outside the target folder"):
        wheels.unpack(wheel, tmp_path / "site")
    assert not (tmp_path / "evil.py").exists()


# Description of the image --------------------------------------------------------------------------


def test_units_and_scripts_are_valid() -> None:
    scripts = [
        DATA / "files/usr/lib/systemd/system-generators/logboat-card-generator",
        DATA / "initramfs/machine-id",
        DATA / "files/etc/update-motd.d/10-logboat",
    ]
    for script in scripts:
        assert os.access(script, os.X_OK), script
        subprocess.run(["sh", "-n", str(script)], check=True)


def test_every_bind_mount_in_fstab_has_its_folder_on_the_data_partition() -> None:
    import tomllib

    folders = {each["path"] for each in tomllib.loads((DATA / "data.toml").read_text())["folder"]}
    places = set(tomllib.loads((DATA / "services.toml").read_text())["folders"]["paths"])
    lines = (DATA / "files/etc/fstab").read_text().splitlines()
    mounts = [line.split() for line in lines if line and not line.startswith("#")]
    for source, _, kind, *_ in mounts:
        if kind == "none":
            assert source.removeprefix("/data/") in folders, source
    made = {where.strip("/") for _, where, *_ in mounts} - {"var/lib/NetworkManager", "var/lib/systemd"}
    assert made <= places
