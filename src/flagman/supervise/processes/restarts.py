"""A restart as a client of pymanager asks for it: ``POST /restart/ID``, answered when it is done."""

from __future__ import annotations

from flagman.service.waits import Wait, Waits
from flagman.supervise.processes.told import told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagman.service.control_loop import ControlLoop
    from flagman.service.request import Request
    from flagman.supervise.processes.process import Process
    from flagman.supervise.processes.together import Together
    from flagman.supervise.processes.wish import Wish

# Digits of a number that a process can have.
_DIGITS = 9
_IN_SHUTDOWN = "Process is in shutdown."


class Restarts:
    """Answers these requests as pymanager 0.2.0 does; in the control loop.

    Queries and bodies are not looked at, as there.

    :param together: the processes
    """

    def __init__(self, together: Together, loop: ControlLoop, clock: Callable[[], float]) -> None:
        self._together = together
        self._loop = loop
        self._waits = Waits(loop, clock)
        self._has_ended = False

    def ask(self, request: Request) -> None:
        """Restart a process; ID is its number in the order of the file, from 1 on, or its name."""
        asked = request.path["ID"]
        if self._together.is_stopping or self._has_ended:
            request.reply(403, _mistake(_IN_SHUTDOWN))
            return
        processes = [process for process in self._together.by_name.values() if not process.is_removed]
        numbers = {process.plan.name: number for number, process in enumerate(processes, 1)}
        digits = asked.removeprefix("-")
        is_number = digits.isascii() and digits.isdecimal()
        number = int(asked) if is_number and len(asked) <= _DIGITS else 0
        if not 0 < number <= len(processes):
            number = numbers.get(asked, 0)
        if number:
            self._restart(request, processes[number - 1], number)
        elif is_number:
            request.reply(404, _mistake(f"Process with id {asked!r} not found."))
        else:
            request.reply(400, _mistake(f"Invalid ID {asked!r}."))

    def _restart(self, request: Request, process: Process, number: int) -> None:
        wish = process.ask("restart", request.uid)
        wait = Wait(request, "")
        self._waits.add(wait, None)
        wait.on_end = wish.when_decided(lambda: self._loop.call(self._decided, wait, process, wish, number))

    def _decided(self, wait: Wait, process: Process, wish: Wish, number: int) -> None:
        if wish.outcome == "reached":
            self._waits.answer(wait, 200, {"success": True, "process": _data(process, number)})
        elif self._together.is_stopping:
            self._waits.answer(wait, 403, _mistake(_IN_SHUTDOWN))
        else:
            self._waits.answer(wait, 500, _mistake(f"{told(process, self._together)} ({wish.outcome})"))

    def end(self) -> None:
        """Answer all that still waits."""
        self._has_ended = True
        for wait in self._waits:
            self._waits.answer(wait, 403, _mistake(_IN_SHUTDOWN))


def _mistake(message: str) -> dict[str, object]:
    return {"success": False, "error": {"message": message}}


def _data(process: Process, number: int) -> dict[str, object]:
    """Return what pymanager tells of a process."""
    data: dict[str, object] = {"id": number, "command": " ".join(process.plan.command)}
    if process.is_settled:
        return {**data, "status": "terminated", "code": None if process.last is None else process.last.status}
    return {**data, "status": "running", "pid": process.pid}
