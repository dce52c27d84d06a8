"""Names for the plain types that travel through flagman, for annotations."""

from __future__ import annotations

#: The name of an action, as it is written on the command line.
ActionName = str

#: One argument of an action; always a string, as it was typed.
ActionArgument = str

#: The number of a signal, see :manpage:`signal(7)`.
SignalNumber = int

#: The name of a flag: that of the trigger which raises it, such as ``usr1``.
FlagName = str
