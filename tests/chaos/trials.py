"""The jobs that are tried: what they run, and over what."""

from dataclasses import dataclass
from pathlib import Path

CODE = """
import os
import threading
import time
from pathlib import Path

STALLS = Path(os.environ["STALLS"])
PAUSE = float(os.environ["PAUSE"])


def init():
    print("ready to score")


def run(mini_batch):
    time.sleep(PAUSE)
    try:
        (STALLS / Path(mini_batch[0]).name).unlink()
    except FileNotFoundError:
        pass
    else:
        threading.Event().wait()
    rows = []
    for path in mini_batch:
        text = Path(path).read_text()
        if text.startswith("bad"):
            raise ValueError("this file is bad")
        rows.append([[int(number), int(number) ** 2] for number in text.split()])
    return rows
"""


@dataclass(frozen=True)
class Trial:
    """A job that is tried: its endpoint, how many input files it has, which of them cannot be
    read, and the seconds that its script takes for a mini-batch of two."""

    endpoint: str
    files: int
    bad: tuple[int, ...]
    pause: float

    @property
    def rows(self) -> int:
        return sum(1 + i % 4 for i in range(self.files) if i not in self.bad)

    def write_inputs(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(self.files):
            text = "bad" if i in self.bad else " ".join(str(i * 10 + k) for k in range(1 + i % 4))
            # A rename, as a writer does who wants its files taken whole.
            draft = folder / f".{file_name(i)}"
            draft.write_text(text + "\n")
            draft.rename(folder / file_name(i))


SLOW = Trial("slow", 40, (7, 23), 0.03)
QUICK = Trial("quick", 1000, (7, 301, 802), 0.0)
"""With units enough for bundles of sixteen, which only a job of hundreds comes to."""


def file_name(file: int) -> str:
    return f"{file:03d}.txt"
