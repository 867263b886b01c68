"""What waits to be fetched: found by its address, and dropped in time."""

import asyncio

from medpipe.io.derived import Made
from medpipe.serving.dicomweb.shelf import Address, Shelf


def made(name: str, size: int = 1) -> Made:
    return Made(f"series {name}", name, bytes(size))


def of(workload: str, study: str, caller: str = "key:router") -> Address:
    return Address(caller, workload, study)


def names(shelf: Shelf, address: Address, *within: str) -> list[str]:
    return [each.instance_uid for each in shelf.find(address, *within)]


def test_objects_are_found_by_study_series_and_instance_of_their_own_workload():
    async def ask():
        shelf = Shelf()
        for workload, study, name in (("a", "1", "x"), ("a", "1", "y"), ("a", "2", "z")):
            shelf.put(of(workload, study), made(name))
        assert names(shelf, of("a", "1")) == ["x", "y"]
        assert names(shelf, of("a", "1"), "series y") == ["y"]
        assert names(shelf, of("a", "1"), "series y", "x") == []
        assert names(shelf, of("b", "1")) == []
        assert names(shelf, of("a", "1", caller="key:another")) == []

    asyncio.run(ask())


def test_the_oldest_go_first_beyond_the_number_or_the_size():
    async def ask():
        few, small = Shelf(objects_max=2), Shelf(bytes_max=10)
        for name, size in (("x", 4), ("y", 4), ("z", 4)):
            few.put(of("a", "1"), made(name, size))
            small.put(of("a", "1"), made(name, size))
        assert names(few, of("a", "1")) == names(small, of("a", "1")) == ["y", "z"]
        small.put(of("a", "1"), made("larger than all", 11))
        assert names(small, of("a", "1")) == []

    asyncio.run(ask())


def test_what_is_too_old_leaves_the_memory_though_nobody_asks():
    async def ask():
        shelf = Shelf(keep_s=0.05)
        shelf.put(of("a", "1"), made("x"))
        assert names(shelf, of("a", "1")) == ["x"]
        await asyncio.sleep(0.1)
        assert not shelf._kept
        assert shelf._size == 0

    asyncio.run(ask())
