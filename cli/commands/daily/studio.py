"""`mle studio`: the web portal, on this machine, for the host of the chosen context."""

import argparse
import threading
import webbrowser
from typing import Any

from cli.failures import CommandFailed, Exit
from cli.host import contexts
from cli.output.console import say
from cli.studio.server import StudioServer
from cli.verbs import Session, Verb, flag
from studio.pages import BUILT, NotBuilt, Pages


def studio(flags: argparse.Namespace, session: Session) -> Any:
    """Serve it until Ctrl-C. A line on stdin makes a new link: each signs in once."""
    try:
        pages = Pages(BUILT)
        pages.found("")
    except NotBuilt as error:
        raise CommandFailed(str(error)) from error
    session.arm.get("")  # Whoever may not read the workspace is told so here.
    context = contexts.chosen(flags.context)
    try:
        server = StudioServer(context, pages, flags.port)
    except OSError as error:
        raise CommandFailed(
            f"Port {flags.port} can't be had: {error}", hint="`--port 0` takes any free one."
        ) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            link = server.link
            say(f"The studio of {context.name}, signed in by this link, once, within a minute:")
            say(f"  {link}")
            if not flags.no_browser:
                webbrowser.open(link)
            say("Enter makes a new link; Ctrl-C ends it.")
            _make_links(server)
        except KeyboardInterrupt:
            say("")
        finally:
            server.shutdown()
            thread.join()
    return Exit.DONE


def _make_links(server: StudioServer) -> None:
    while True:
        try:
            input()
        except EOFError:
            break
        say(f"  {server.link}")
    threading.Event().wait()  # Nobody is at stdin: a signal ends it.


VERBS = {
    "studio": Verb(
        studio,
        "the web portal, on this machine",
        (
            flag("--port", type=int, default=0, help="on this port of 127.0.0.1; any by itself"),
            flag("--no-browser", action="store_true", help="print the link and open nothing"),
        ),
        form="none",
    )
}
