"""Azure ML's `${{...}}` expressions in a request that is kept and used for one job after
another: each job has its own output, or reads its own input, by them."""

import re
from collections.abc import Mapping

from domain.errors import Invalid
from domain.jobs.records.job_request import JobProperties

_EXPRESSION = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")


def filled(asked: JobProperties, values: Mapping[str, str]) -> JobProperties:
    """`asked` with every expression in its inputs, outputs, display name and environment
    variables replaced by its value. Raises Invalid for one that is not among `values`."""

    def fill(text: str | None) -> str | None:
        return None if text is None else _EXPRESSION.sub(value_of, text)

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = ", ".join("${{" + name + "}}" for name in values)
            raise Invalid(f"'{match[0][:80]}' is not known here; there are {known}.")
        return values[match[1]]

    folder = asked.output_dataset
    return asked.but(
        input_data={k: v.but(uri=fill(v.uri)) for k, v in asked.input_data.items()},
        output_data={k: v.but(uri=fill(v.uri)) for k, v in asked.output_data.items()},
        output_dataset=folder and folder.but(path=fill(folder.path)),
        output_file_name=fill(asked.output_file_name),
        display_name=fill(asked.display_name),
        environment_variables={k: fill(v) for k, v in asked.environment_variables.items()},
    )
