"""Attacks on a vessel: real daemons, an attacker in its own process, and a well-behaved client.

    siege       a vessel with a recorder and a sync daemon, and the limits that must hold under attack
    attacker    runs an attack in its own process
    intruder    an attacker's connection, which sends hand-made frames and counts replies
    rounds      the well-behaved client, whose rounds are timed during the attack

There is one test module for each kind of attack. An attack is a coroutine function at module level, so that
another process can import it. The attack calls `begun` when it begins, and returns when it is over:

    async def flood(target: Target, begun: Begun) -> dict[str, int]: …

    def test_flood_does_not_disturb_other_clients(siege: Siege, size: Size) -> None:
        report = siege.under(partial(flood, count=size.pick(3, 12)))
        report.assert_held(size)
"""
