"""Pages of the site: each link held, wherever in the repository it leads."""

from pathlib import Path

import pytest

from scripts.docs_site.building import Faults, prepared
from scripts.docs_site.reference.commands import daily_page, resource_page
from scripts.docs_site.reference.error_codes import errors_page
from scripts.docs_site.reference.rest import rest_page
from scripts.docs_site.reference.yaml_fields import yaml_page
from scripts.docs_site.staging import Site, staged
from tests.kit.real_app import ROOT

SURFACE = {
    "paths": {
        "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/"
        "Microsoft.MachineLearningServices/workspaces/{workspace}/things/{name}": {
            "put": {
                "summary": "Make a thing",
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                    }
                },
                "responses": {"201": {}, "default": {}},
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "description": "A thing | of\n  sorts.",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "description": "in metres"},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                    "kind": {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]},
                },
            }
        }
    },
}


def written(root: Path, **pages: str) -> Site:
    for name, text in pages.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".md").write_text(text)
    return staged(root, {})


def test_every_page_of_this_repository_is_in_the_site_and_no_link_leads_nowhere() -> None:
    generated = {
        "reference/commands.md": daily_page(),
        "reference/resource-commands.md": resource_page(),
        "reference/yaml.md": yaml_page(),
        "reference/rest.md": rest_page(SURFACE),
        "reference/errors.md": "# Read from all of the code by `make docs`",
    }
    site, configuration = prepared(ROOT, generated)
    assert "settings.md" in site.pages
    assert "adr/0001-http-by-the-fastapi-extension.md" in site.pages
    assert site.pictures.keys() == {"studio.png"}
    assert configuration["theme"]["font"] is False


def test_a_link_that_leads_nowhere_is_told_with_its_line(tmp_path: Path) -> None:
    site = written(
        tmp_path,
        docs__one="# One\n\n[two](two.md#there), [none](two.md#nowhere)\n[gone](gone.md)\n"
        "[out](../../etc/passwd) [web](https://example.com/x.md)\n",
        docs__two="# Two\n\n## There\n",
    )
    assert site.faults == [
        "docs/one.md:3: two.md#nowhere: there is no such heading.",
        "docs/one.md:4: gone.md is not there.",
        "docs/one.md:5: ../../etc/passwd is not there.",
    ]


def test_what_stands_in_code_is_no_link_and_no_heading(tmp_path: Path) -> None:
    site = written(
        tmp_path,
        docs__one="# One\n\n```bash\n# no heading\n[a](b.md)\n```\n\n    [c](d.md)\n\n"
        "`[e](f.md)`\n",
    )
    assert site.faults == []
    assert "# no heading\n" in site.pages["one.md"]


def test_what_lies_outside_of_the_docs_is_a_page_of_the_site(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "run.py").write_text("print(1)\n")
    site = written(
        tmp_path,
        docs__how__one="# One\n\n[start](../../README.md#so-it-s-done) [code](../../tools/run.py)"
        " [folder](../../tools)\n",
        README="# All\n\n## So it s done\n\n[one](docs/how/one.md)\n",
    )
    assert site.faults == []
    assert "[start](../repository/read-me.md#so-it-s-done)" in site.pages["how/one.md"]
    assert "[one](../how/one.md)" in site.pages["repository/read-me.md"]
    assert "```python\nprint(1)\n" in site.pages["repository/tools/run.py.md"]
    assert "- `run.py`" in site.pages["repository/tools.md"]


def test_headings_have_the_anchors_that_github_gives_them(tmp_path: Path) -> None:
    site = written(tmp_path, docs__one="# One\n\n## What's `here`, & there\n\n## One\n")
    assert "## What's `here`, & there {#whats-here--there}" in site.pages["one.md"]
    assert "## One {#one-1}" in site.pages["one.md"]


def test_a_list_right_below_a_line_is_one_in_the_site_too(tmp_path: Path) -> None:
    site = written(tmp_path, docs__one="# One\n\nThese:\n- a\n- b\n  more\n- c\n")
    assert "These:\n\n- a\n- b\n  more\n- c\n" in site.pages["one.md"]


def test_a_page_that_the_navigation_leaves_out_is_a_fault(tmp_path: Path) -> None:
    written(tmp_path, docs__one="# One\n", docs__two="# Two\n")
    (tmp_path / "docs" / "site.yml").write_text("nav: [{Home: one.md}, gone.md]\n")
    with pytest.raises(Faults) as raised:
        prepared(tmp_path, {})
    assert str(raised.value).splitlines() == [
        "docs/site.yml: gone.md is not there.",
        "docs/site.yml: two.md is in no part of the site.",
    ]


def test_the_rest_page_has_each_call_with_its_body_and_each_body_with_its_fields() -> None:
    page = rest_page(SURFACE)
    assert "| `PUT …/things/{name}` | Make a thing | [Thing](#thing) | 201 |" in page
    assert "| `size` | integer | in metres **needed** |" in page
    assert "| `parts` | list of [Thing](#thing) |  |" in page
    assert "| `kind` | `a`, `b` or null |  |" in page


def test_the_reference_tells_of_commands_and_their_flags() -> None:
    assert "## mle deploy\n" in daily_page()
    assert "| `--prune` |  | delete deployments that the files leave out |" in daily_page()
    assert "### mle online-deployment get-logs\n" in resource_page()
    assert "`--vscode-debug`" not in resource_page(), "what changes nothing is not shown"


def test_the_reference_tells_of_files_and_their_fields() -> None:
    page = yaml_page()
    assert "| `rollout.steps[].duration` | text | **needed** |" in page
    assert "## schedule\n" in page
    assert "`model.creation_context`" not in page


REFUSALS = """
class Busy(Conflict):
    \"\"\"Something else has it.\"\"\"

    code = "ThingIsBusy"


def refuse(name, faults):
    faults.append(Detail("BadThing", f"{name}: <one> of " + "these."))
    if name:
        raise Busy(f"'{name}' is busy. " f"Wait for it.")
    raise NotFound("There is none.", code="ThingNotFound")
"""


def test_the_reference_tells_of_refusals_with_what_is_said(tmp_path: Path) -> None:
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain" / "things.py").write_text(REFUSALS)
    page = errors_page(tmp_path)
    assert "| `ThingIsBusy` | 409 | Something else has it.<br>'…' is busy. Wait for it. |" in page
    assert "| `ThingNotFound` | 404 | There is none. |" in page
    assert "| `BadThing` | within another's `details` | …: &lt;one&gt; of these. |" in page
