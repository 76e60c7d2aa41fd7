"""The `logboat fleet card` command writes cards for vessels, and rejects invalid files and targets."""

import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import pytest

from provisioning.errors import CardError
from provisioning.ingest.active_config import ActiveConfiguration
from provisioning.ingest.ingest import Intake
from provisioning.ingest.ingest import Outcome as TakenIn
from services.boot.check import check
from sync.fleet import identity_files
from tests.net.certificates import NOW
from tests.provisioning import images
from tests.provisioning.bundles import SENSORS, Card
from tests.provisioning.operator import assert_gone_from_fat, cards

from .appliance import Appliance, Outcome, logboat
from .test_command_fleet import north, run

__all__ = ["logboat", "north"]  # fixtures


def first_start(root: Path, image: Path) -> tuple[Card, TakenIn]:
    """Simulate the first boot of a card. Return the card's files and the result of the boot."""
    root.mkdir()
    card = Card(root)
    images.in_data(image, f"rdump /inbox {root}")
    takein = Intake(
        ActiveConfiguration(card.etc),
        card=card.fat,
        inbox=card.inbox,
        check=check,
        now=max(NOW, NOW),
        fallback="vessel-1",
        writable=card._writable,
    )
    return card, takein.run()


def test_cards_are_made_for_two_vessels_of_a_new_fleet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = cards(tmp_path, images.image(), sensors=SENSORS.format(17))
    assert "brigid's card was written and verified" in capsys.readouterr().out
    radio = set()
    for vessel, image in made.items():
        card, outcome = first_start(tmp_path / vessel, image)
        assert (outcome.problems, outcome.generated) == ((), False)
        identity = identity_files.load(card.etc / "identity")
        assert (identity.vessel, identity.fleet) == (vessel, "north")
        described = tomllib.loads((card.fat / "vessel.toml").read_text())
        assert described == {"vessel": {"id": vessel, "name": f"SY {vessel.title()}"}}
        radio.add(card.force["identity/radio.key"])
    assert len(radio) == 1


def card(logboat: Appliance, north: Path, *more: str, vessel: str = "argo") -> Outcome:
    to = str(logboat.root / "card.img")
    return run(logboat, "card", north, vessel, "--image", str(images.image()), "--to", to, *more)


def test_certificate_is_written_to_only_one_card(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    assert card(logboat, north, "--yes").status == 0
    first = identity_files.load(north / "vessels/argo/identity").tls.certificate
    refused = card(logboat, north, "--yes")
    assert refused.status == 1
    assert "two cards must not share a certificate; use --bundle-only --update to change" in refused.err
    assert card(logboat, north, "--yes", "--again").status == 0
    assert card(logboat, north, "--yes", "--replace").status == 0
    second = identity_files.load(north / "vessels/argo/identity").tls.certificate
    assert first != second
    listed = logboat("fleet", "list", str(north), "--json").json["vessels"][0]
    assert listed["card"]["serial"] == listed["certificates"][0]["serial"]
    assert len(listed["certificates"]) == 2


def test_files_that_the_appliance_would_refuse_are_not_written(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    place = north / "vessels/argo"
    (place / "sensors.toml").write_text(SENSORS.format(5))
    refused = card(logboat, north, "--yes")
    assert (refused.status, "sensors.toml:4" in refused.err) == (1, True)
    (place / "sensors.toml").unlink()
    (place / "vessel.toml").write_text('[vessel]\nid = "argos"\n')
    assert 'Write: id = "argo"' in card(logboat, north, "--yes").err
    gateway = '[[gateway]]\nname = "o"\nkind = "couchbase"\nurl = "wss://a.example:4984/x"\nuser = "a"\n'
    (place / "vessel.toml").write_text(f'[vessel]\nid = "argo"\n{gateway}password_file = "o.password"\n')
    assert 'no file "o.password" in the same folder' in card(logboat, north, "--yes").err
    (place / "o.password").write_text("hunter-two\n")
    assert card(logboat, north, "--yes").status == 0
    assert images.in_data(logboat.root / "card.img", "cat /inbox/o.password") == "hunter-two\n"


def test_overwriting_requires_confirmation(
    logboat: Appliance, north: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(logboat, "add", north, "argo")
    (logboat.root / "card.img").write_text("precious")
    refused = card(logboat, north)
    assert (refused.status, "use --yes to skip the question" in refused.err) == (2, True)
    logboat.answers = ["no"]
    assert card(logboat, north).err.endswith("logboat: nothing was written\n")
    assert (logboat.root / "card.img").read_text() == "precious"
    logboat.answers = ["yes"]
    assert card(logboat, north).status == 0


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_changes_in_the_folder_without_confirmation(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    assert card(logboat, north, "--yes").status == 0
    before = snapshot(north)
    for answer in ("n", "no", ""):
        logboat.answers = [answer]
        assert card(logboat, north, "--replace").err.endswith("nothing was written\n")
    assert card(logboat, north, "--replace").status == 2  # nobody to ask
    assert snapshot(north) == before


def test_nothing_changes_in_the_folder_for_a_card_that_cannot_be_written(
    logboat: Appliance, north: Path
) -> None:
    run(logboat, "add", north, "argo")
    image = logboat.root / "logboat.img"
    shutil.copy(images.image(), image)
    (logboat.root / "mounted").mkdir()
    before = snapshot(north)

    def refused(*more: str) -> str:
        done = run(logboat, "card", north, "argo", "--replace", "--yes", *more)
        assert (done.status, snapshot(north)) == (1, before), done
        return done.err

    (logboat.root / "SHA256SUMS").write_text(f"{'0' * 64}  logboat.img\n")
    to = str(logboat.root / "card.img")
    assert "does not match SHA256SUMS" in refused("--image", str(image), "--to", to)
    (logboat.root / "SHA256SUMS").unlink()
    image.write_text("no image")
    assert "is this a Logboat image?" in refused("--image", str(image), "--to", to)
    assert "is this a Logboat image?" in refused("--bundle-only", "--to", str(image))
    assert "first partition of a Logboat card" in refused(
        "--bundle-only", "--to", str(logboat.root / "mounted")
    )
    (north / "vessels/argo/long.csv").write_bytes(bytes(17_000_000))
    before = snapshot(north)
    assert "larger than" in refused("--image", str(images.image()), "--to", to)


def test_card_that_fails_is_retried_with_the_same_certificate(
    logboat: Appliance, north: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(logboat, "add", north, "argo")
    assert card(logboat, north, "--yes").status == 0

    def fail(*_: object, **__: object) -> None:
        raise CardError("the card is broken")

    with monkeypatch.context() as patched:
        patched.setattr("provisioning.card.make.write_card", fail)
        for _ in range(3):
            assert card(logboat, north, "--yes", "--replace").err.endswith("the card is broken\n")
    listed = logboat("fleet", "list", str(north))
    assert listed.lines[-1].endswith(", with an older certificate; a new card was not finished")
    vessel = logboat("fleet", "list", str(north), "--json").json["vessels"][0]
    assert len(vessel["certificates"]) == 2
    assert vessel["card"]["serial"] == vessel["certificates"][1]["serial"]
    assert card(logboat, north, "--yes", "--replace").status == 0
    vessel = logboat("fleet", "list", str(north), "--json").json["vessels"][0]
    assert len(vessel["certificates"]) == 2
    assert vessel["card"]["serial"] == vessel["certificates"][0]["serial"]
    assert "not finished" not in logboat("fleet", "list", str(north)).out
    assert card(logboat, north, "--yes", "--replace").status == 0
    vessel = logboat("fleet", "list", str(north), "--json").json["vessels"][0]
    assert len(vessel["certificates"]) == 3


def in_use(logboat: Appliance, north: Path, vessel: str = "argo") -> Path:
    """Write a vessel's card, simulate its first boot, and return the path of the card's image."""
    image = logboat.root / f"{vessel}.img"
    to = ("--image", str(images.image()), "--to", str(image), "--yes")
    assert run(logboat, "card", north, vessel, *to).status == 0
    place = north / "vessels" / vessel
    images.run(
        *("mcopy", "-o", "-i", f"{image}@@{images.MIB}"),
        *(str(place / "vessel.toml"), str(place / "sensors.toml"), "::logboat/"),
    )
    images.into_data(image, place / "identity/vessel.pem", "/etc/identity/vessel.pem")
    images.into_data(image, place / "sensors.toml", "/logboat/samples.db")
    return image


@pytest.mark.parametrize("is_renewed", [False, True])
def test_card_in_use_gets_newer_files_and_keeps_its_records(
    logboat: Appliance, north: Path, is_renewed: bool
) -> None:
    run(logboat, "add", north, "argo")
    image = in_use(logboat, north)
    if is_renewed:
        said = run(logboat, "renew", north, "argo")
        command = f"logboat fleet card {north} argo --bundle-only --update --to DEVICE"
        assert said.lines[1] == f"next: {command}"
    (north / "vessels/argo/sensors.toml").write_text(SENSORS.format(17))
    to = ("--bundle-only", "--to", str(image), "--yes")
    done = run(logboat, "card", north, "argo", *to, "--update")
    assert (done.status, "and replace sensors.toml, which differs there" in done.err) == (0, True)
    assert f"argo's card was updated and verified: {image}; its records are unchanged" in done.out
    assert images.on_fat(image, "logboat/sensors.toml") == SENSORS.format(17)
    pem = (north / "vessels/argo/identity/vessel.pem").read_text()
    assert images.on_fat(image, "logboat/identity/vessel.pem") == pem
    assert images.in_data(image, "stat /logboat/samples.db")
    vessel = logboat("fleet", "list", str(north), "--json").json["vessels"][0]
    assert vessel["card"]["serial"] == vessel["certificates"][0]["serial"]


def test_revoked_vessel_is_renewed_before_its_card_is_updated(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    image = in_use(logboat, north)
    run(logboat, "revoke", north, "argo")
    to = ("--bundle-only", "--update", "--to", str(image), "--yes")
    refused = run(logboat, "card", north, "argo", *to)
    assert refused.err.endswith(f"first issue a new one: logboat fleet renew {north} argo\n")
    assert run(logboat, "renew", north, "argo").status == 0
    assert run(logboat, "card", north, "argo", *to).status == 0
    assert images.in_data(image, "stat /logboat/samples.db")


def test_card_in_use_is_updated_where_it_is_mounted(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    in_use(logboat, north)
    mounted = logboat.root / "mounted"
    (mounted / "logboat").mkdir(parents=True)
    to = ("--bundle-only", "--to", str(mounted), "--yes", "--update")
    refused = run(logboat, "card", north, "argo", *to).err
    assert "it has not been booted" in refused
    assert "use --again if this is its new card, which was never used, or --replace" in refused
    assert run(logboat, "card", north, "argo", *to[:-1], "--again").status == 0
    shutil.copy(north / "vessels/argo/vessel.toml", mounted / "logboat")
    assert run(logboat, "card", north, "argo", *to).status == 0


def test_only_the_card_that_the_vessel_uses_is_updated(logboat: Appliance, north: Path) -> None:
    for vessel in ("argo", "brigid"):
        run(logboat, "add", north, vessel)
    argo = in_use(logboat, north)
    spare = logboat.root / "spare.img"
    shutil.copy(images.image(), spare)

    def refused(vessel: str, image: Path, *more: str) -> str:
        before = snapshot(north)
        done = run(logboat, "card", north, vessel, "--to", str(image), "--yes", *more)
        assert (done.status, snapshot(north) == before) != (0, False)
        return done.err

    again = refused("argo", argo, "--bundle-only")
    assert "use --bundle-only --update to change the files on that card" in again
    assert "the card belongs to vessel argo" in refused("brigid", argo, "--bundle-only", "--update")
    assert "it has not been booted" in refused("argo", spare, "--bundle-only", "--update")
    images.run(
        *("mcopy", "-i", f"{spare}@@{images.MIB}"),
        *(str(north / "vessels/argo/vessel.toml"), "::logboat/"),
    )
    refusal = refused("argo", spare, "--bundle-only", "--update")
    assert "the card has no certificate that was issued to argo; --update changes only" in refusal
    assert "--update needs --bundle-only" in refused("argo", argo, "--image", str(spare), "--update")


def test_erasing_records_is_announced(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    image = in_use(logboat, north)
    to = ("--image", str(images.image()), "--to", str(image), "--again", "--yes")
    done = run(logboat, "card", north, "argo", *to)
    assert "it contains the records of argo; erase them, and overwrite it with argo's card" in done.err


def test_check_of_the_image_is_reported(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    image = logboat.root / "logboat.img"
    shutil.copy(images.image(), image)
    to = ("--image", str(image), "--to", str(logboat.root / "card.img"), "--yes")
    done = run(logboat, "card", north, "argo", *to)
    assert "logboat.img: not verified, because neither logboat.img.sha256 nor a SHA256SUMS" in done.err
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    (logboat.root / "SHA256SUMS").write_text(f"{digest}  logboat.img\n")
    done = run(logboat, "card", north, "argo", *to, "--again")
    assert "logboat.img: matches its digest in SHA256SUMS" in done.err
    done = run(logboat, "card", north, "argo", *to, "--again", "--json")
    assert done.json["checksum"] == "SHA256SUMS"


def test_card_of_a_vessel_without_sensors_is_reported(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    assert "argo will record nothing: " in card(logboat, north, "--yes").out
    siren = '[[output]]\nid = "siren"\npin = 23\nwhen_silent = true\n'
    (north / "vessels/argo/sensors.toml").write_text(f"no_sensors = true\n{siren}")
    said = card(logboat, north, "--yes", "--again").out
    assert "argo will record nothing, and only drive 1 output: " in said
    (north / "vessels/argo/sensors.toml").write_text(SENSORS.format(17))
    done = card(logboat, north, "--yes", "--again", "--json")
    assert done.json["noSensors"] is False
    (north / "vessels/argo/sensors.toml").unlink()
    said = card(logboat, north, "--yes", "--again").out
    assert "argo records only the image's simulated example, because " in said


def test_values_from_an_example_are_pointed_out(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    file = north / "vessels/argo/vessel.toml"
    file.write_text(
        file.read_text()
        + '[network]\ncountry = "DE"\nwifi = [{ ssid = "marina", password = "correct horse" }]\n'
    )
    done = card(logboat, north, "--yes")
    assert done.status == 0
    assert 'the password of "marina" is from the documentation\'s examples' in done.err


def test_question_says_whether_a_file_is_created_or_overwritten(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    assert "card.img: create it as argo's card" in card(logboat, north, "--yes").err
    again = card(logboat, north, "--yes", "--again")
    assert "overwrite it completely, including any records on it, with argo's card" in again.err


def test_no_card_is_made_with_an_expired_or_revoked_certificate(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    run(logboat, "revoke", north, "argo")
    assert "is revoked; use --replace" in card(logboat, north, "--yes").err
    assert card(logboat, north, "--yes", "--replace").status == 0
    logboat.clock.utc += 6 * 365 * 86400
    expired = card(logboat, north, "--yes", "--again")
    assert (expired.status, "fleet renew" in expired.err) == (1, True)


def test_several_cards_need_a_file_for_each_vessel(logboat: Appliance, north: Path) -> None:
    for vessel in ("argo", "brigid"):
        run(logboat, "add", north, vessel)
    to, each = str(logboat.root / "card.img"), str(logboat.root / "{vessel}.img")
    both = ("brigid", "--image", str(images.image()), "--to")
    assert "{vessel}.img" in run(logboat, "card", north, "argo", *both, to, "--yes").err
    assert run(logboat, "card", north, "argo", *both, each, "--yes").status == 0
    for vessel in ("argo", "brigid"):
        found = json.loads(images.in_data(logboat.root / f"{vessel}.img", "cat /inbox/bundle.json"))
        assert found["vessel"] == vessel


def test_bundle_without_an_image_is_on_fat_with_a_warning(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    image = logboat.root / "flashed.img"
    shutil.copy(images.image(), image)
    done = run(logboat, "card", north, "argo", "--bundle-only", "--to", str(image), "--yes")
    assert "anyone who has the card can read the identity on it" in done.out
    with pytest.raises(AssertionError, match=r"vessel\.key"):
        assert_gone_from_fat(image, north, "argo")
    card(logboat, north, "--yes", "--again")
    assert_gone_from_fat(logboat.root / "card.img", north, "argo")


def test_disks_of_this_machine_are_never_mistaken_for_cards(logboat: Appliance, north: Path) -> None:
    run(logboat, "add", north, "argo")
    image = str(images.image())
    refused = run(logboat, "card", north, "argo", "--image", image, "--to", "/dev/no-such-disk", "--yes")
    assert (refused.status, "the device does not exist" in refused.err) == (1, True)
