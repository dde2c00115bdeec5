from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from infra.cloud.code_point_order import in_code_point_order

NAMES = st.lists(
    st.text("ab~\uffee\uffef\U0001f600\U0001f601", min_size=1, max_size=5), unique=True
)


async def ordered(names: list[str]) -> list[str]:
    async def come() -> AsyncIterator[str]:
        for name in names:
            yield name

    return [name async for name in in_code_point_order(come(), lambda name: name)]


@given(NAMES)
async def test_names_in_order_of_utf_16_come_in_order_of_code_point(names: list[str]) -> None:
    names.sort(key=lambda name: name.encode("utf-16-be"))
    assert await ordered(names) == sorted(names)


@given(NAMES)
async def test_names_in_order_of_code_point_stay_so(names: list[str]) -> None:
    assert await ordered(sorted(names)) == sorted(names)


async def test_names_without_such_characters_pass_at_once() -> None:
    taken: list[str] = []

    async def come() -> AsyncIterator[str]:
        for name in ("a", "b", "\U0001f600", "\uffee"):
            taken.append(name)
            yield name

    names = in_code_point_order(come(), lambda name: name)
    assert await anext(names) == "a"
    assert taken == ["a"]
    assert [name async for name in names] == ["b", "\uffee", "\U0001f600"]
