from collections.abc import AsyncIterator

from tests.infra.compute.conftest import House

KEY = "online/iris/blue"


async def test_a_streamed_answer_is_in_flight_until_its_end(house: House) -> None:
    await house.serve(await house.workload("def init(): pass\ndef run(data): return data"))

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"data": "'
        for _ in range(64):
            yield b"x" * 65536
        yield b'"}'

    http = house.compute.premises.http
    address = house.serving.instances(KEY)[0].address
    answer = await house.score(KEY, pieces())
    assert not isinstance(answer.body, bytes)
    assert http.in_flight(address) == 1
    async for _ in answer.body:
        pass
    assert http.in_flight(address) == 0
