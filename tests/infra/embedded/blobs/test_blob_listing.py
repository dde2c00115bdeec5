import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.embedded.blobs.blob_listing import BlobListing
from infra.embedded.blobs.blob_tree import BlobTree

# Characters on both sides of "/", prefixes of one another, and ends of the code-point range.
SEGMENT = st.text(alphabet="a!-.0ab~é\uff5e\U0001f600", min_size=1, max_size=3).filter(
    lambda segment: segment not in (".", "..")
)
NAME = st.lists(SEGMENT, min_size=1, max_size=3).map("/".join)


def without_folders_among(names: set[str]) -> set[str]:
    """Names of which none is a folder of another."""
    folders = {
        "/".join(name.split("/")[:depth])
        for name in names
        for depth in range(1, name.count("/") + 1)
    }
    return names - folders


def made(root: Path, names: set[str]) -> BlobListing:
    for name in names:
        path = root / "blobs" / "box" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "blobs").mkdir(exist_ok=True)
    # Three names fit in memory: nearly every folder is sorted in runs.
    return BlobListing(BlobTree(root / "blobs"), lambda: root, run=3)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(names=st.sets(NAME, max_size=25).map(without_folders_among), prefix=NAME | st.just(""))
def test_names_come_in_code_point_order_and_once(
    names: set[str], prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    listing = made(tmp_path_factory.mktemp("x"), names)
    prefixes = {"", prefix, *(name[: len(name) // 2] for name in names)}
    for some in prefixes:
        wanted = sorted(name for name in names if name.startswith(some))
        assert [name for name, _ in listing.walk("box", some)] == wanted


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    names=st.sets(NAME, max_size=25).map(without_folders_among),
    prefix=NAME | st.just(""),
    since=NAME | NAME.map(lambda name: f"{name}/"),
)
def test_a_listing_can_begin_at_any_name(
    names: set[str], prefix: str, since: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    listing = made(tmp_path_factory.mktemp("x"), names)
    for start in {since, *names}:
        for some in {"", prefix, prefix[:1]}:
            wanted = sorted(name for name in names if name.startswith(some) and name >= start)
            assert [name for name, _ in listing.walk("box", some, start)] == wanted
            level = dict.fromkeys(
                some + head + slash
                for head, slash, _ in (name[len(some) :].partition("/") for name in wanted)
            )
            assert [name for name, _ in listing.level("box", some, start)] == list(level)


def test_a_folder_that_does_not_fit_in_memory_is_merged_from_runs(tmp_path: Path) -> None:
    wanted = [f"{n:05}" + "é" * (n % 5) for n in range(2000)]
    listing = made(tmp_path, set(random.Random(5).sample(wanted, len(wanted))))
    assert [name for name, _ in listing.walk("box", "")] == wanted


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    listing = made(tmp_path, {f"{n}/{m}/x" for n in range(5) for m in range(5)})
    before = len(os.listdir("/dev/fd"))
    for stop in (1, 7, 100):
        walk = listing.walk("box", "")
        for _ in zip(range(stop), walk, strict=False):
            pass
        walk.close()
    assert len(os.listdir("/dev/fd")) == before


def test_what_vanishes_during_the_walk_is_left_out(tmp_path: Path) -> None:
    listing = made(tmp_path, {"a/1", "a/2", "b/1", "c"})
    walk = listing.walk("box", "")
    assert next(walk)[0] == "a/1"
    (tmp_path / "blobs/box/a/2").unlink()
    (tmp_path / "blobs/box/b/1").unlink()
    (tmp_path / "blobs/box/b").rmdir()
    assert [name for name, _ in walk] == ["c"]
