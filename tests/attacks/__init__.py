"""Attacks on a vessel's daemons by an attacker in a separate process, while a well-behaved client uses them.

    siege       a vessel with a recorder and a sync daemon, and the limits that it must not exceed
    attacker    runs an attack in a separate process
    intruder    an attacker's connection, which sends arbitrary frames and records replies
    rounds      the well-behaved client, whose response times are measured during the attack

There is one test module for each kind of attack. An attack is a coroutine function at module level, so that
another process can import it. The coroutine calls `begun` when the attack begins, and returns when it ends:

    async def flood(target: Target, begun: Begun) -> dict[str, int]: …

    def test_flood_does_not_disturb_other_clients(siege: Siege, size: Size) -> None:
        report = siege.under(partial(flood, count=size.pick(3, 12)))
        report.assert_held(size)
"""
