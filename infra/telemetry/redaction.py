"""What is kept out of logs and telemetry."""

import re

# Nothing should log a secret; this keeps what slips through from being one.
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{12,}"), r"\1\2***"),
    (re.compile(r"(?i)([?&](?:sig|code|key)=)[^&\s\"']+"), r"\1***"),
    (
        re.compile(
            r"(?i)\b(client_secret|clientsecret|access_token|accesstoken|password|primary_?key"
            r"|secondary_?key|account_?key|signature)([\"']?\s*[:=]\s*[\"']?)[^\"'&\s,}]+"
        ),
        r"\1\2***",
    ),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"), "***"),
)


def redact(text: str) -> str:
    """`text` without anything that looks like a credential."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
