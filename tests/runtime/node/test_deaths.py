"""Why a process has died, in words."""

from runtime.node.processes.deaths import of_exit


def test_a_process_killed_as_memory_ran_out_is_told_apart_from_others() -> None:
    told = of_exit(-9, b"", out_of_memory=True, limit=512 << 20)
    assert told.reason == "It ran out of memory and was killed: the container has 512 MiB."
    told = of_exit(-9, b"", out_of_memory=True, limit=None)
    assert told.reason == "It ran out of memory and was killed."
    told = of_exit(-9, b"", out_of_memory=False, limit=512 << 20)
    assert told.reason == "Its process was killed by SIGKILL."
    told = of_exit(-11, b"", out_of_memory=True, limit=None)
    assert told.reason == "Its process was killed by SIGSEGV."


def test_a_script_that_failed_says_why_itself() -> None:
    words = b'trace\n{"code": "UserScriptInitFailed", "message": "init() raised", "trace": 6}\n'
    told = of_exit(3, words, out_of_memory=False, limit=None)
    assert (told.code, told.reason, told.final) == ("UserScriptInitFailed", "init() raised", False)
    assert words == told.trace + told.told
    assert of_exit(3, b"nothing", out_of_memory=False, limit=None).reason == (
        "Its process ended with exit status 3."
    )
    assert of_exit(3, b'{"code": 5}\n{\n', out_of_memory=False, limit=None).told == b""
