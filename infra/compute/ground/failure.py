"""Why something cannot run here."""


class StartFailure(Exception):
    """`code` is Azure ML's; the message explains, with the tool's or script's own words."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
