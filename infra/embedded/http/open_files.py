"""How many files this process may have open: each connection is one."""

import resource

FEWEST = 512
"""With fewer a host would come to its end in daily use."""


class TooFewFiles(Exception):
    """The system lets this process open too few files; the message says what to do."""


def raise_open_files(wanted: int) -> int:
    """Raise the limit to `wanted`, or as far as the system lets this process: the limit that
    holds then. Raises TooFewFiles where that is less than a host can live with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < FEWEST:
        raise TooFewFiles(
            f"this process may have {soft} files open at once, and a host needs {FEWEST}: raise "
            "the hard limit (ulimit -Hn, or LimitNOFILE= of a systemd unit)"
        )
    return soft
