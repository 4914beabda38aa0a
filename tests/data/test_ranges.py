from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clipvec.data.ranges import share, span


@given(count=st.integers(1, 60), total=st.integers(0, 200))
def test_spans_cover_every_index_once_and_evenly(count: int, total: int) -> None:
    spans = [span(shard, count, total) for shard in range(count)]
    assert [index for owned in spans for index in owned] == list(range(total))
    assert max(map(len, spans)) - min(map(len, spans)) <= 1


@given(files=st.integers(1, 40), more=st.integers(0, 100))
def test_shares_cover_every_file_completely(files: int, more: int) -> None:
    count = files + more
    shares = [share(shard, count, files) for shard in range(count)]
    expected = []
    for file in range(files):
        parts = [parts for number, _, parts in shares if number == file]
        assert parts == [len(parts)] * len(parts)
        assert count // files <= len(parts) <= count // files + 1
        expected += [(file, part, len(parts)) for part in range(len(parts))]
    assert shares == expected
