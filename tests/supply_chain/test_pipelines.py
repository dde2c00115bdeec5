"""The repository's own workflows, and the recipes for repositories of models: what they name is
there, and nothing in them may do more than it has to."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.main import SHORT, command_module
from cli.verbs import GLOBAL

ROOT = Path(__file__).parents[2]
OWN = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RECIPES = sorted((ROOT / "examples" / "ci").glob("*.yml"))
GITHUB = [*OWN, ROOT / "examples" / "ci" / "github-actions.yml"]
HOW_TO = ROOT / "docs" / "how-to" / "deploy-from-a-repository.md"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def jobs_of(path: Path) -> dict[str, Any]:
    jobs: dict[str, Any] = read(path)["jobs"]
    return jobs


def steps_of(path: Path) -> Iterator[dict[str, Any]]:
    for job in jobs_of(path).values():
        yield from job.get("steps", [])


def lines_of(path: Path) -> Iterator[str]:
    """Of what a shell runs there."""
    for found in re.finditer(r"(?:run|script): *(?:\|\n((?:[ ]{4,}.*\n)+)|(.+))", path.read_text()):
        yield from (found[1] or found[2]).splitlines()


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_an_action_is_pinned_by_its_commit_and_keeps_no_credentials(path: Path) -> None:
    used = [step for step in steps_of(path) if "uses" in step]
    assert used
    for step in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_a_workflow_may_read_and_a_job_says_what_else_it_may(path: Path) -> None:
    assert read(path)["permissions"] == {"contents": "read"}
    wider = {
        name: job["permissions"] for name, job in jobs_of(path).items() if "permissions" in job
    }
    assert set(wider) <= {"publish", "diff"}


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.name)
def test_nothing_that_a_stranger_may_write_is_put_into_a_script(path: Path) -> None:
    for step in steps_of(path):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_what_a_job_waits_for_is_there_and_none_goes_on_for_ever(path: Path) -> None:
    jobs = jobs_of(path)
    for name, job in jobs.items():
        assert set(job.get("needs", [])) <= set(jobs)
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
        else:
            assert 0 < job["timeout-minutes"] <= 90, name


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_every_target_of_make_and_every_file_that_is_run_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in lines_of(path):
        words = line.split()
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= targets, line
        if words[:1] == ["bash"]:
            assert (ROOT / words[1]).is_file()


def test_ci_tries_each_python_that_the_package_says_it_runs_on() -> None:
    ci = jobs_of(ROOT / ".github" / "workflows" / "ci.yml")
    assert ci["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    assert {"lint", "test", "everything", "docs", "package", "image"} == set(ci)


def test_a_release_waits_for_all_of_ci_and_for_a_signed_tag() -> None:
    jobs = jobs_of(ROOT / ".github" / "workflows" / "release.yml")
    assert read(ROOT / ".github" / "workflows" / "release.yml")[True] == {"push": {"tags": ["v*"]}}
    assert jobs["ci"]["needs"] == ["tag"]
    assert jobs["publish"]["needs"] == jobs["image"]["needs"] == ["ci"]
    [signed] = [step["run"] for step in jobs["tag"]["steps"] if "run" in step]
    assert "verify-tag" in signed


@pytest.mark.parametrize("path", [*RECIPES, HOW_TO], ids=lambda path: path.name)
def test_what_a_recipe_types_is_what_the_command_line_takes(path: Path) -> None:
    text = path.read_text()
    typed = re.findall(r"^\s*(?:- )?(?:run: |script: )?(mle [a-z].*)$", text, re.MULTILINE)
    typed += re.findall(r"`(mle [a-z][^`]*)`", text) if path == HOW_TO else []
    verbs = [parsed(line) for line in typed]
    assert {"diff", "deploy", "rollout"} <= set(verbs)


def parsed(line: str) -> str:
    """The verb, whose own parser has taken the rest."""
    _, name, *rest = shlex.split(line.replace("$(", "").replace(")", ""))
    assert name in SHORT
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    for flag in (*command_module(name).VERBS[name].flags, *GLOBAL):
        parser.add_argument(*flag.names, **flag.options)
    parser.parse_args(rest)
    return name


def test_the_endpoint_that_is_shown_is_one() -> None:
    from cli.kinds.endpoints import ONLINE_ENDPOINT

    [shown] = re.findall(r"```yaml\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    sent = ONLINE_ENDPOINT.sent(yaml.safe_load(shown))
    assert [step["traffic"] for step in sent["properties"]["rollout"]["steps"]] == [
        {"blue": 90, "green": 10},
        {"green": 100},
    ]
