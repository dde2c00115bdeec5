"""What scripts of a node write to a folder of their own, as its door gives it."""

import os
from pathlib import Path
from urllib.parse import quote

from tests.kit.waiting import until
from tests.runtime.node.harness import StartNode
from tests.runtime.node.test_units import Job

SCRIPT = """
    import os

    folder = os.environ["AZUREML_BI_OUTPUT_PATH"]

    def put(name, text):
        place = os.path.join(folder, name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w") as file:
            file.write(text)

    def init():
        pass

    def run(mini_batch):
        for path in mini_batch:
            put("of/" + open(path).read(), "written")
        os.symlink("/etc/hosts", os.path.join(folder, "link-" + os.urandom(4).hex()))
        return mini_batch

    def shutdown():
        put("last words", "the end")
"""


def test_they_are_listed_as_they_change_and_read_until_the_end(
    start_node: StartNode, tmp_path: Path
) -> None:
    node = start_node(SCRIPT, mode="work", work={"output": True}).ready()
    job = Job(node, tmp_path)

    def listed(query: str) -> tuple[int, list[str]]:
        told = node.ask("GET", f"/node/output?{query}").json
        assert not told["more"]
        return told["now"], told["files"]

    now, none = listed("since=0")
    assert none == []
    job.ask("a", job.body("first", "é x"))
    after, files = listed(f"since={now}")
    assert files == ["of/first", "of/é x"]
    assert listed("since=0&after=of%2Ffirst")[1] == ["of/é x"]

    def are_told() -> bool:
        """What changed in the clock's last tick is told again."""
        nonlocal after
        after, files = listed(f"since={after}")
        return not files

    until(are_told, "nothing has changed since")
    assert node.ask("GET", f"/node/output?path={quote('of/é x')}").body == b"written"
    link = next(e for e in os.listdir(node.data / "output") if e.startswith("link-"))
    for path, status in ((link, 404), ("none", 404), ("../spec", 400), ("/etc/hosts", 400)):
        assert node.ask("GET", f"/node/output?path={quote(path, safe='')}").status == status
    assert node.ask("GET", "/node/output?since=soon").status == 400
    assert not node.state()["over"]
    assert node.ask("POST", "/node/drain").status == 202
    until(lambda: node.state()["over"], "the process has ended")
    assert listed(f"since={after}")[1] == ["last words"]
    assert node.ask("GET", "/node/output?path=last%20words").body == b"the end"
    job.collect("a")


def test_a_node_without_such_a_folder_has_nothing_there(start_node: StartNode) -> None:
    node = start_node("def init(): pass\ndef run(files): return files\n", mode="work").ready()
    assert node.ask("GET", "/node/output?since=0").status == 404
