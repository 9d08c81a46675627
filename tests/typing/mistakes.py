"""What an author may get wrong. mypy must find each line marked with an error code, and no other."""

from soar.sdk import Call, HttpConnector, Params, Result, action


class Given(Params):
    name: str
    """A name."""


class Done(Result):
    id: str
    """An id."""


class Other(Result):
    pass


class Wrong(HttpConnector):
    name = "wrong"

    @action  # E: arg-type
    async def no_call(self, params: Given) -> Done:
        """Misses the call."""
        return Done(id="1")

    @action  # E: type-var
    async def no_result(self, params: Given, call: Call) -> str:
        """Gives something else than a Result."""
        return ""

    @action
    async def act(self, params: Given, call: Call) -> Done:
        """Act."""
        return Done(idd="1")  # E: call-arg

    @act.undo  # E: arg-type
    async def undo_other(self, done: Other) -> None:
        """Takes back another thing's result."""

    @act.verify  # E: arg-type
    async def verify_other(self, params: Given, call: Call) -> Other | None:
        """Tells of another thing's result."""
        return None

    @action(risk="enormous")  # E: call-overload untyped-decorator
    async def risky(self, params: Given, call: Call) -> Done:
        """Act."""
        return Done(id="1")


async def use(wrong: Wrong) -> None:
    await wrong.act(Given(name="x"), "key")  # E: arg-type
    done = await wrong.act(Given(name="x"), Call("key"))
    str(done.missing)  # E: attr-defined
    done.id = "2"  # E: misc
