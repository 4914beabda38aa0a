from __future__ import annotations

import logging

import pytest

from clipvec.service.logs import one_line


def test_a_path_cannot_inject_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test_logs")
    log.addFilter(one_line)
    with caplog.at_level(logging.INFO, "test_logs"):
        log.info("%s (%s) %.1fms", "127.0.0.1:1", "path=/a\r\nerror: \x1b[2Jé 猫\u2028", 1.5)
        log.info("nothing of a request")
    assert caplog.messages == [
        r"127.0.0.1:1 (path=/a\r\nerror: \x1b[2Jé 猫\u2028) 1.5ms",
        "nothing of a request",
    ]
