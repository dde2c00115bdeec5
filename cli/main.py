"""From what was typed to the verb that does it, and from what went wrong to an exit code."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from cli.failures import CommandFailed, Exit, UsageFailed

if TYPE_CHECKING:
    from cli.verbs import Group, Verb

# Each with its module in cli.commands, and what it is for; imported when it is asked for.
SHORT = {
    "up": ("hosting.up", "start a host on this machine"),
    "service": ("hosting.service", "a host as a service of this machine"),
    "init": ("files.init", "begin a project from a template"),
    "run": ("run", "one deployment in the foreground, to debug it"),
    "deploy": ("deploy", "make what files describe"),
    "diff": ("deploy", "what `deploy` would change"),
    "export": ("files.export", "an endpoint as files that `deploy` takes"),
    "status": ("status", "what there is, and how it is"),
    "logs": ("logs", "what a deployment has printed"),
    "invoke": ("invoke", "ask a model, or start a batch job"),
    "traffic": ("traffic", "show or shift an endpoint's traffic"),
    "rollout": ("traffic", "where an endpoint's rollout stands, and waiting for it"),
    "rollback": ("traffic", "the traffic before the last change"),
    "requests": ("requests", "an endpoint's scoring requests one by one"),
    "jobs": ("jobs", "watch, retry, download"),
    "cost": ("insight.cost", "what endpoints and jobs have cost, and would"),
    "activity": ("insight.activity", "what happened, and who did it"),
    "studio": ("studio", "the web portal, on this machine"),
    "rest": ("rest", "one call of the REST API, signed in"),
    "login": ("access", "remember a host and how to sign in"),
    "use": ("access", "choose among remembered hosts"),
    "logout": ("access", "forget a host"),
    "schema": ("files.schema", "JSON schemas of YAML files, for editors"),
    "az-shim": ("azure.az_shim", "scripts that say `az ml` run unchanged"),
    "completion": ("completion", "completion for bash, zsh and fish"),
    "doctor": ("doctor", "look at what stands between you and the host"),
}
GROUPS = {
    "online-endpoint": ("online_endpoint", "scoring URIs over deployments"),
    "online-deployment": ("online_deployment", "models that answer requests"),
    "batch-endpoint": ("batch_endpoint", "jobs over files"),
    "batch-deployment": ("batch_deployment", "models that score files"),
    "model": ("model", "models, registered"),
    "environment": ("environment", "what scoring scripts run in"),
    "data": ("data", "data that batch jobs read"),
    "datastore": ("datastore", "where files are"),
    "compute": ("compute", "where models run"),
    "connection": ("connection", "who may open package indexes"),
    "job": ("job", "batch jobs"),
    "schedule": ("schedule", "jobs by the clock"),
    "event-mapping": ("events.event_mapping", "events of other systems that start jobs"),
    "event-subscription": ("events.event_subscription", "who is told what happens"),
    "budget": ("rules.budget", "how much may be spent"),
    "alert": ("rules.alert", "rules over figures"),
    "drop": ("queues.drop", "files that wait to become a job"),
    "dead-letter": ("queues.dead_letter", "messages that could not be handled"),
    "identity": ("identities.user_identity", "identities for endpoints and computes"),
    "role-assignment": ("identities.role_assignment", "what identities may"),
    "client": ("identities.client", "who may do what, and links that sign in to the studio"),
    "workspace": ("workspace", "the host as a workspace"),
    "endpoint": ("endpoint", "endpoints with their deployments, as in 2021"),
}


def main(argv: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        return _run(argv)
    except CommandFailed as failed:
        _tell(failed)
        return int(failed.code)
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. What the host has begun goes on.\n")
        return int(Exit.INTERRUPTED)
    except RecursionError:
        _tell(CommandFailed("What was given is nested too deeply."))
        return int(Exit.FAILED)
    except BrokenPipeError:
        # Whoever read the answer has had enough; Python must not complain at exit.
        sys.stderr.close()
        return int(Exit.DONE)


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return int(Exit.DONE)
    if argv[0] == "--version":
        sys.stdout.write(f"mle {_version()}\n")
        return int(Exit.DONE)
    name, rest = argv[0], argv[1:]
    if name not in SHORT and name not in GROUPS:
        raise _unknown(name, [*SHORT, *GROUPS])
    module = command_module(name)
    if name in SHORT:
        return _verb(f"mle {name}", module.VERBS[name], rest)
    group: Group = module.GROUP
    if not rest or rest[0] in ("-h", "--help"):
        sys.stdout.write(_group_help(name, group))
        return int(Exit.DONE)
    verb = group.verbs.get(rest[0])
    if verb is None:
        if rest[0] in group.elsewhere:
            told = f"mle {name} {rest[0]} is not here."
            raise UsageFailed(told, hint=group.elsewhere[rest[0]])
        raise _unknown(rest[0], list(group.verbs), f"mle {name}")
    return _verb(f"mle {name} {rest[0]}", verb, rest[1:])


def command_module(name: str) -> Any:
    """The module of a command that there is."""
    if name in SHORT:
        return importlib.import_module(f"cli.commands.daily.{SHORT[name][0]}")
    return importlib.import_module(f"cli.commands.by_resource.{GROUPS[name][0]}")


def _verb(prog: str, verb: "Verb", argv: list[str]) -> int:
    from cli.output import console, formats
    from cli.verbs import Session, parse

    flags = parse(prog, verb, argv)
    form = flags.output or verb.form
    if form not in formats.FORMATS:
        raise UsageFailed(f"-o {form}: one of {', '.join(formats.FORMATS)}.")
    if flags.only_show_errors:
        console.be_quiet()
    session = Session(flags)
    try:
        if getattr(flags, "local", False) and session.context.connection_file is None:
            # Else it would be done on a host that others use.
            raise UsageFailed(
                f"--local: {session.context.name} is not a host of this machine.",
                hint="`mle run FILE` tries a deployment on a host of its own; `mle up` starts one.",
            )
        answer = verb.run(flags, session)
        if isinstance(answer, Exit):
            return int(answer)
        if answer is not None:
            formats.write(answer, form=form, query=flags.query, columns=verb.columns)
    except (CommandFailed, KeyboardInterrupt, BrokenPipeError):
        if flags.debug:
            import traceback

            traceback.print_exc()
        raise
    finally:
        session.close()
    return int(Exit.DONE)


def _unknown(name: str, known: list[str], prog: str = "mle") -> UsageFailed:
    import difflib

    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"Did you mean `{prog} {near[0]}`?" if near else f"`{prog} --help` lists them."
    return UsageFailed(f"{prog} has no {name!r}.", hint=hint)


def _tell(failed: CommandFailed) -> None:
    from cli.output.console import coloured

    lines = []
    if failed.message:
        lines.append(f"{coloured('error:', 'red', sys.stderr)} {failed.message}")
    lines += [f"  - {fault}" for fault in failed.faults]
    if failed.hint:
        lines.append(f"{coloured('hint:', 'yellow', sys.stderr)} {failed.hint}")
    sys.stderr.write("\n".join(lines) + "\n")


def _help() -> str:
    lines = ["mle: machine learning endpoints, online and batch.", "", "Every day:"]
    lines += [f"  {name:<18} {what}" for name, (_, what) in SHORT.items()]
    lines += ["", "By resource, with the verbs and flags of `az`:"]
    lines += [f"  {name:<18} {what}" for name, (_, what) in GROUPS.items()]
    lines += [
        "",
        "`mle COMMAND --help` tells the flags. Everywhere: -o json|yaml|table|tsv|none, --query",
        "JMESPATH, --context NAME. Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 sign in,",
        "5 timed out.",
        "",
    ]
    return "\n".join(lines)


def _group_help(name: str, group: "Group") -> str:
    lines = [f"mle {name}: {group.help}", ""]
    lines += [f"  {verb:<20} {each.help}" for verb, each in group.verbs.items()]
    lines += ["", f"`mle {name} VERB --help` tells the flags.", ""]
    return "\n".join(lines)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("mlectl")
    except PackageNotFoundError:
        return "from a checkout"
