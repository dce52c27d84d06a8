"""One action that is bound to one flag."""

from __future__ import annotations

from flagman.engine.titles import open_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagman.engine.action import Action
    from flagman.triggers import Source
    from flagman.types import ActionArgument, ActionName, FlagName

# Stands between trigger and variant in a flag; in the name of a trigger it is doubled, so that no two flags are equal.
_MARK = "~"


class Binding:
    """One action for one flag; it is never changed.

    :param source: what raises its flag
    :param name: the name of the action, as it was typed; the name of a built-in action is kept in small letters
    :param action: the class, found and loaded
    :param arguments: as many as the action takes
    :param options: settings for this binding alone, by name
    :param variant: makes its flag different from others of the same source
    """

    __slots__ = ("action", "arguments", "flag", "name", "options", "source", "title", "variant")

    def __init__(  # noqa: PLR0913, PLR0917 - what a table of the file has
        self,
        source: Source,
        name: ActionName,
        action: type[Action],
        arguments: tuple[ActionArgument, ...],
        options: Mapping[str, object] | None = None,
        variant: str = "",
    ) -> None:
        self.source = source
        # Our own names are typed in any case.
        is_ours = ":" not in name and str(action.__module__).startswith("flagman.actions.")
        self.name = name.lower() if is_ours else name
        self.action = action
        self.arguments = arguments
        self.options = dict(options or {})
        self.variant = variant
        flag = source.trigger.replace(_MARK, 2 * _MARK)
        #: The flag that runs it.
        self.flag: FlagName = f"{flag}{_MARK}{variant}" if variant else flag
        #: The name of its flag in messages.
        self.title = f"{source.trigger}{_MARK}{variant}" if variant else source.trigger

    def processes(self) -> tuple[str, ...]:
        """Return the names of the processes of flagman that its action is about; its source may name others."""
        names: Callable[[tuple[str, ...]], tuple[str, ...]] | None
        names = getattr(self.action, "_names_processes", None)  # some of the built-in actions have it
        return names(self.arguments) if names is not None else ()

    def as_variant(self, variant: str) -> Binding:
        """Return the same binding with the flag of a variant."""
        return Binding(self.source, self.name, self.action, self.arguments, self.options, variant)

    def concealed(self) -> Binding:
        """Return the same binding with ``***`` for each argument that is secret."""
        arguments = open_arguments(self.action, self.arguments)
        return Binding(self.source, self.name, self.action, arguments, self.options, self.variant)

    def placed(self, absolute: Callable[[str], str]) -> Binding:
        """Return the same binding for a process in another working directory.

        :param absolute: makes a path absolute
        """
        source = self.source.placed(absolute)
        options = self.options
        if isinstance(directory := options.get("directory"), str):
            options = {**options, "directory": absolute(directory)}
        return Binding(source, self.name, self.action, self.arguments, options, self.variant)
