"""A fault in a handler is no end: the app is told of it, and whoever had the handler goes on."""

from textual.message import Message
from textual.message_pump import MessagePump


class Enduring(MessagePump):
    """Before the app, and before every screen and dialog of ours. Textual itself would stop listening for good."""

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:  # noqa: BLE001 # the boundary to the framework
            self.app._handle_exception(error)  # noqa: SLF001 # there is no public way to tell it
