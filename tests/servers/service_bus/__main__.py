"""`python -m tests.servers.service_bus`: the broker as a process of its own. Prints its
connection string once it listens, and ends at SIGTERM, SIGINT or the end of its input."""

import argparse
import asyncio
import os
import signal
import sys

from tests.servers.service_bus.broker import Broker


async def serve(options: argparse.Namespace) -> None:
    broker = Broker(
        options.queues.split(","),
        lock_duration=options.lock_duration,
        max_delivery_count=options.max_delivery_count,
    )
    await broker.start(options.port)
    sys.stdout.write(broker.connection_string + "\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def at_input() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stop.set()

    if not sys.stdin.isatty():
        # Its end is the parent's.
        loop.add_reader(0, at_input)
    await stop.wait()
    await broker.stop()


QUEUES = (
    "provisioning,batch-jobs,mini-batches,blob-drops,scaling,scaling-looks,schedules,events,facts"
)
"""The app's, and one that subscribers may have events sent to."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.service_bus")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--queues", default=QUEUES)
    parser.add_argument("--lock-duration", type=float, default=30.0, help="seconds")
    parser.add_argument("--max-delivery-count", type=int, default=5)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
