"""Attacks on a vessel: real daemons, an attacker in a process of its own, and a good client at the same time.

    siege       a vessel with a recorder and a sync daemon, and the limits that it must keep under attack
    attacker    runs an attack in a process of its own
    intruder    an attacker's connection: frames made by hand, replies counted
    rounds      the good client, whose rounds are timed

There is one test module for each kind of attack. An attack is a coroutine function at module level, so
that another process can import it. It reports when it begins, and returns when it is over:

    async def flood(target: Target, begun: Begun) -> dict[str, int]: …

    def test_a_flood_stops_nobody(siege: Siege, size: Size) -> None:
        report = siege.under(partial(flood, count=size.pick(3, 12)))
        report.assert_held(size)
"""
