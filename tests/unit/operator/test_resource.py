from engage_sync.resource import shorten


def test_shorten() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab…"
    assert shorten("ab cdef", 4) == "ab…"
