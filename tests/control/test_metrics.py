"""The metrics of a real daemon, over its control socket."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families as parse

from support.serving import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.driven import Flagman

FILE = r"""
[flagman]
control = "c.sock"
guardian = false
[[on]]
signal = "usr1"
action = "print"
args = ["hi"]
[[on]]
signal = "usr2"
action = "sh"
args = ["yes '# TYPE' | head -c 1000000 >&2; exit 3"]
[[on]]
file = "/x/\u00e4\\ \"}\n1\u001b]"
action = "print"
args = ["hi"]
[process.web]
command = ["sleep", "1000"]
"""


def test_the_metrics_of_a_daemon(start: Callable[..., Flagman], tmp_path: Path) -> None:
    """What ran and what came of it, with names that try to break out, and with an error of a megabyte."""
    (tmp_path / "c.toml").write_text(FILE, encoding="utf-8")
    daemon = start("--config", "c.toml", "--output", "null").ready()
    client = Client(tmp_path / "c.sock")
    assert client.ask("POST", "/flags/usr1?wait").status == 200
    assert client.ask("POST", "/flags/usr2?wait").status == 200
    head, _, body = client.request("GET", "/metrics", "Connection: close").rest().partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in head
    samples = [sample for family in parse(body.decode()) for sample in family.samples]
    seen = {sample.labels["flag"] for sample in samples if "flag" in sample.labels}
    assert seen == {"usr1", "usr2", 'file-/x/\u00e4\\ "}\n1\\x1b]'}
    counts = {tuple(each.labels.values()): each.value for each in samples if each.name == "flagman_runs_total"}
    assert (counts["usr1", "succeeded"], counts["usr2", "failed"], len(counts)) == (1, 1, 18)
    assert [each.labels for each in samples if each.name == "flagman_process_ready"] == [{"process": "web"}]
    assert len(body) < 20_000
    client.close()
    client = Client(tmp_path / "c.sock")
    assert client.ask("HEAD", "/metrics").status == 200
    assert client.ask("GET", "/metrics?x=1").code == "bad-request"
    assert client.ask("POST", "/metrics").status == 405
    client.close()
    daemon.signal(signal.SIGTERM)
    daemon.expect("init", "init", "hi")
    assert daemon.status() == 0
