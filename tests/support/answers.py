"""Answers of a daemon, as its control interface gives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOW = datetime.now(UTC)


def times(name: str, ago: float | None) -> dict[str, object]:
    """Return the fields of a moment, which has been over for so many seconds."""
    moment = None if ago is None else (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {name: moment, f"{name}_ago": ago}


def last(result: str, ago: float, duration: float = 0.31, error: str | None = None) -> dict[str, object]:
    """Return a last run."""
    return {
        **times("begun", ago + duration),
        **times("ended", ago),
        "duration": duration,
        "result": result,
        "error": error,
    }


def action(name: str, *arguments: str, **fields: object) -> dict[str, object]:
    """Return an action."""
    return {
        "name": name,
        "arguments": list(arguments),
        "runs": 0,
        "failures": 0,
        "failures_in_a_row": 0,
        "last": None,
        "mean_duration": None,
        "longest_duration": None,
        "statistics": None,
        "state": None,
        **fields,
    }


def flag(name: str, *actions: dict[str, object], **fields: object) -> dict[str, object]:
    """Return a flag."""
    counts = dict.fromkeys(("raised", "runs", "failures", "failures_in_a_row", "ignored", "merged", "held"), 0)
    return {
        "name": name,
        "trigger": name.partition("~")[0],
        **counts,
        "running": False,
        **times("running_since", None),
        "last": None,
        "mean_duration": None,
        "longest_duration": None,
        "next_due": None,
        "next_due_in": None,
        "actions": list(actions),
        **fields,
    }


def status(*flags: dict[str, object], **fields: object) -> dict[str, object]:
    """Return a status."""
    config = {"file": "/etc/flagman.toml", **times("loaded", 216_000.0), "ok": True, "error": None}
    return {
        "version": "1.0.0",
        "name": "web",
        "pid": 4711,
        "state": "idle",
        **times("since", 312.5),
        **times("started", 216_000.0),
        "ready": True,
        "config": config,
        "flags": list(flags),
        "events_last_id": 17,
        **fields,
    }


def run(
    identity: int, name: str, result: str, ago: float, *actions: dict[str, object], **more: object
) -> dict[str, object]:
    """Return a run of the history."""
    done = last(result, ago)
    return {
        "id": identity,
        "flag": name,
        "trigger": name,
        **done,
        "raised": 1,
        "ignored": 0,
        "actions": list(actions),
        **more,
    }


def ran(name: str, *arguments: str, result: str = "succeeded", error: str | None = None) -> dict[str, object]:
    """Return what an action did in a run."""
    return {"name": name, "arguments": list(arguments), "result": result, "duration": 0.3, "error": error}


#: A daemon as it is after some days: with a failure, a timer, and an action that has never run.
WEB = status(
    flag(
        "hup",
        action(
            *("exec", "systemctl", "reload", "nginx"),
            runs=12,
            failures=3,
            failures_in_a_row=2,
            last=last("failed", 331, error='exit status 1: nginx: [emerg] unknown directive "servr" in nginx.conf:12'),
        ),
        action("print", "reloaded", runs=9, last=last("succeeded", 86_500)),
        raised=13,
        runs=12,
        failures=3,
        failures_in_a_row=2,
    ),
    flag("usr1", action("print", "a fun message")),
    flag(
        "every-5m",
        action(
            "http",
            "POST",
            "https://hc-ping.example.org/5f2a4c1e-alive",
            runs=812,
            failures=1,
            last=last("succeeded", 12),
        ),
        next_due="2026-11-26T21:10:30.123456Z",
        next_due_in=288.1,
    ),
    flag(
        "file-/etc/nginx/conf.d",
        action("sh", "nginx -t && nginx -s reload", runs=2, last=last("succeeded", 7300)),
        running=True,
        **times("running_since", 4.2),
    ),
)
#: Its last runs.
RUNS = {
    "runs": [
        run(11, "every-5m", "succeeded", 400, ran("http", "POST", "https://hc-ping.example.org/5f2a4c1e-alive")),
        run(
            12,
            "hup",
            "failed",
            331,
            ran("exec", "systemctl", "reload", "nginx", result="failed", error="exit status 1"),
            ran("print", "reloaded", result="skipped"),
        ),
        run(13, "every-5m", "succeeded", 100, ran("http", "POST", "https://hc-ping.example.org/5f2a4c1e-alive")),
    ]
}


def process(name: str, state: str = "ready", ago: float = 312.5, **fields: object) -> dict[str, object]:
    """Return a process."""
    is_up = state in {"starting", "ready", "stopping"}
    health = {"ready": "up", "backoff": "failing", "failed": "failing", "stopped": "down", "exited": "down"}
    return {
        "name": name,
        "wanted": "down" if state == "stopped" else "up",
        "state": state,
        "health": health.get(state, "changing"),
        "ready": state == "ready",
        **times("since", ago),
        "pid": 4712 if is_up else None,
        "instance": 1,
        **times("started", ago if is_up else None),
        **times("ready_at", ago if state == "ready" else None),
        "restarts": 0,
        "deaths": dict.fromkeys(("exit", "signal", "not_ready", "liveness"), 0),
        "backoff": None,
        "blocked_by": [],
        "last": None,
        "wish": None,
        "text": state,
        "command": ["sleep", "1000"],
        "after": [],
        "verifier": None,
        "strays": [],
        **fields,
    }


def end(text: str, ago: float, **fields: object) -> dict[str, object]:
    """Return how the last instance of a process has ended."""
    told = {"status": None, "signal": None, "core": False, "reason": "exit", "text": text}
    return {**told, **times("at", ago), "output": [], **fields}


_FATAL = "FATAL: could not create lock file"
_CHAIN = f"in back-off (3), next start 12:00:07: exited with 1: {_FATAL}"
#: The processes of a daemon: one fails, one waits for it, one has been killed once, one is stopped.
PROCESSES = [
    process(
        "db",
        "backoff",
        2.0,
        restarts=3,
        backoff={"n": 3, "delay": 4.1, "next_start": "2026-11-26T21:10:30.123456Z", "next_start_in": 4.04},
        last=end(f"exited with 1: {_FATAL}", 2.0, status=1, output=[_FATAL]),
        text=_CHAIN,
    ),
    process("web", "waiting", 2.0, blocked_by=[{"name": "db", "why": _CHAIN}], text=f"waiting: db {_CHAIN}"),
    process("cache", restarts=1, last=end("killed by SEGV", 313.0, signal="SEGV", core=True, reason="signal")),
    process("mail", "stopped", 90_000.0, last=end("exited with 0", 90_000.0, status=0, reason="requested")),
]
