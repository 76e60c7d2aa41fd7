"""`logboat doctor`: many small checks of the appliance.

Each reports an observation, its cause and a remedy.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from services.console.environment import Environment
from services.console.output import print_json
from services.terminal.present import Screen, Style, count, paint, screen, wrap

from .options import identity_option

if TYPE_CHECKING:
    from services.doctor.checks import Check
    from services.doctor.context import Appliance
    from services.doctor.findings import Finding
    from services.schemas.appliance import DoctorGuide

_MARKS: Final = {"good": "ok", "warn": "WARN", "bad": "BAD", "skipped": "-"}
_STYLES: Final = {"good": Style.GOOD, "warn": Style.WARN, "bad": Style.BAD}


def doctor_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat doctor [--fix] [--guide] [--all]`."""
    identity_option(parser, "folder of the vessel's certificate and key")
    parser.add_argument("--fix", action="store_true", help="apply safe fixes, then check again")
    parser.add_argument(
        "--guide", action="store_true", help="list common problems: lights, status, what to do"
    )
    parser.add_argument("--all", action="store_true", help="also show checks that found no problem")


def doctor(args: Namespace, world: Environment) -> int:
    """Run all checks and print the findings. Return 1 if there is a problem, else 0."""
    if args.guide:
        return _tell_guide(args)
    from services.doctor.checks import examine, is_well
    from services.doctor.context import run_command
    from services.doctor.findings import CheckStatus

    results = list(examine(appliance_of(args, world)))
    done: list[str] = []
    if args.fix:
        for check, finding in results:
            if check.fix is not None and finding.verdict in (CheckStatus.WARN, CheckStatus.BAD):
                done.append(" ".join(check.fix))
                try:
                    run_command(check.fix)
                except OSError as error:
                    done[-1] += f" (failed: {error})"
        if done:
            results = list(examine(appliance_of(args, world)))
    if args.json:
        from services.schemas.appliance import CheckResult, Doctor

        checks = [
            CheckResult(
                name=check.name,
                verdict=finding.verdict.value,
                seen=finding.seen,
                why=check.why,
                cure=finding.cure,
            )
            for check, finding in results
        ]
        print_json(Doctor(well=is_well(results), done=done, checks=checks))
    else:
        where = screen()
        for command in done:
            print("\n".join(wrap(f"ran: {command}", where.width)))
        for check, finding in results:
            if args.all or finding.verdict in (CheckStatus.WARN, CheckStatus.BAD):
                print("\n".join(_lines(check, finding, where)))
        counts = {verdict: sum(f.verdict is verdict for _, f in results) for verdict in CheckStatus}
        summary = (
            f"{len(results)} checks: {counts[CheckStatus.GOOD]} good, "
            f"{count(counts[CheckStatus.WARN], 'warning')}, {count(counts[CheckStatus.BAD], 'error')}, "
            f"{counts[CheckStatus.SKIPPED]} skipped"
        )
        print("\n".join(wrap(summary, where.width)))
    return 0 if is_well(results) else 1


def _tell_guide(args: Namespace) -> int:
    if args.json:
        print_json(_guide_json())
    else:
        print("\n".join(_guide(screen())))
    return 0


def _guide(where: Screen) -> Iterator[str]:
    from services.screens.troubleshooting import TROUBLES, lights_of

    for trouble in TROUBLES:
        yield paint(trouble.what.replace("`", ""), Style.TITLE, where)
        yield from wrap(f"lights: {lights_of(trouble)}", where.width, indent="  ")
        for command, (place, words) in (("status", trouble.status), ("doctor", trouble.doctor)):
            yield from wrap(f"{command}: {place}: {words}", where.width, indent="  ")
        yield from wrap(f"-> {trouble.do.replace('`', '')}", where.width, indent="  ")


def _guide_json() -> "DoctorGuide":
    from services.schemas.appliance import CheckFinding, DoctorGuide, StatusLine, Trouble
    from services.screens.troubleshooting import TROUBLES, lights_of

    return DoctorGuide(
        troubles=[
            Trouble(
                what=trouble.what,
                lights=lights_of(trouble),
                status=StatusLine(line=trouble.status[0], words=trouble.status[1]),
                doctor=CheckFinding(check=trouble.doctor[0], words=trouble.doctor[1]),
                do=trouble.do,
            )
            for trouble in TROUBLES
        ]
    )


def appliance_of(args: Namespace, world: Environment) -> "Appliance":
    """Return the appliance at the paths that the options select."""
    from services.doctor.context import Appliance

    return Appliance(
        config=args.config,
        sensors_file=args.sensors,
        data=args.data,
        run=args.run,
        identity=args.identity,
        boottime=world.boottime,
        utc=world.utc,
        alive=world.alive,
    )


def _lines(check: "Check", finding: "Finding", where: Screen) -> Iterator[str]:
    mark = _MARKS[finding.verdict.value]
    head = f"{mark:<5} {check.name:<14} {finding.seen}"
    style = _STYLES.get(finding.verdict.value)
    for line in wrap(head, where.width):
        yield line if style is None else paint(line, style, where)
    if finding.cure:
        yield from wrap(f"why: {check.why}", where.width, indent="      ")
        yield from wrap(f"do:  {finding.cure}", where.width, indent="      ")
