"""Which script of a code asset a deployment runs."""

from typing import Annotated

from pydantic import Field

from domain.values import Value


class CodeConfiguration(Value):
    """`code_id` names a code version; `scoring_script` is a path inside it."""

    code_id: str | None = None
    scoring_script: Annotated[str, Field(min_length=1, max_length=512)]
