"""`logboat gateway retry NAME`: connects to a gateway at once, and resends the documents it rejected."""

from argparse import ArgumentParser, Namespace

from services.console.environment import Environment
from services.console.errors import FailedError
from services.console.output import print_json, tell
from services.terminal.present import count

from .options import actions


def gateway_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat gateway retry NAME`."""
    retry = actions(parser, "retry")("retry", "connect now, and resend rejected documents")
    retry.add_argument("name", metavar="NAME", help="name of the gateway in the vessel's configuration")


def gateway(args: Namespace, world: Environment) -> int:  # noqa: ARG001
    """Request the retry from the sync daemon, and print how many documents it will send again. Return 0."""
    from services.system.control_socket import ControlError, Retry, ask

    try:
        answer = ask(args.run, Retry(gateway=args.name))
    except ControlError as error:
        raise FailedError(
            f"{error}; when the daemon starts, it retries all documents automatically"
        ) from error
    if not answer.ok:
        raise FailedError(answer.error or "the sync daemon rejected the request and gave no reason")
    offered = answer.offered or 0
    if args.json:
        from services.schemas.mesh import GatewayRetry

        print_json(GatewayRetry(gateway=args.name, offered=offered))
    elif offered:
        documents = count(offered, "rejected document")
        tell(f"{args.name}: resending {documents}; to see which are still rejected, run `logboat peers`")
    else:
        tell(f"{args.name}: no documents were rejected; connecting now if the gateway is not connected")
    return 0
