"""`logboat top --plain`: prints a sentence for each change, for serial consoles, screen readers and files."""

from argparse import Namespace
from datetime import datetime
from typing import Final

from sensors.plaintext import clean
from services.console.environment import Environment
from services.console.output import print_json
from services.terminal.present import Screen, spelt

from .fact_sentences import NewsSelector, facts
from .facts import TopFacts, TopFactsCollector

BYTES_A_SECOND: Final = 960
"""Bytes per second on a serial line at 9600 baud, with ten bits per character (start, 8 data, stop)."""


def once(looker: TopFactsCollector, look: TopFacts, args: Namespace, where: Screen) -> int:
    """Print all facts of `logboat top` once. Return 0."""
    if args.json:
        print_json(looker.as_json(look))
        return 0
    teller = NewsSelector(bytes_each=10**9, unicode=where.unicode)
    _say([spelt(_first(look), unicode=where.unicode), *teller.turn(0.0, _stamp(look), facts(look))])
    return 0


def follow(
    looker: TopFactsCollector, look: TopFacts, args: Namespace, world: Environment, where: Screen
) -> int:
    """Print all facts, then each change, until interrupted. Return 0."""
    teller = NewsSelector(bytes_each=int(BYTES_A_SECOND * args.every), unicode=where.unicode)
    trouble = ""
    try:
        if not args.json:
            _say([spelt(_first(look), unicode=where.unicode)])
        while True:
            if args.json:
                print_json(looker.as_json(look))
            elif not trouble:
                _say(teller.turn(world.boottime, _stamp(look), facts(look)))
            world.sleep(args.every)
            before, trouble = trouble, ""
            try:
                look = looker.collect()
            except OSError as error:
                trouble = f"{error.filename or 'input/output'}: {error.strerror or error}"
                if trouble != before:
                    words = clean(f"{_stamp(look)} Cannot read the state, trying again: {trouble}.")
                    _say([spelt(words, unicode=where.unicode)])
    except KeyboardInterrupt:
        return 0


def _say(lines: list[str]) -> None:
    if lines:
        print("\n".join(lines), flush=True)


def _first(look: TopFacts) -> str:
    moment = datetime.fromtimestamp(look.utc, look.facts.zone)
    return clean(f"{look.title}. The date is {moment:%Y-%m-%d}; times are in {moment.tzname()}.")


def _stamp(look: TopFacts) -> str:
    return f"{datetime.fromtimestamp(look.utc, look.facts.zone):%H:%M:%S}"
