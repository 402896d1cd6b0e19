"""A mail server of our own (RFC 5321), which accepts, refuses, puts off, hangs and hangs up as told."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class SmtpServer:
    """A server, what it has taken, and what it answers.

    Attributes:
        port: On 127.0.0.1.
        answers: For the next commands of a kind, instead of accepting them: a reply, "hang" or "drop".
        taken: The sender, the recipients and the message, one for each that was accepted.
    """

    port: int = 0
    answers: dict[str, deque[str]] = field(default_factory=dict)
    taken: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)

    def answer(self, command: str, *replies: str) -> None:
        """Answer the next commands of this kind (MAIL, RCPT, DATA, . after a message) by these replies."""
        self.answers[command] = deque(replies)

    @property
    def messages(self) -> list[EmailMessage]:
        return [message for _, _, message in self.taken]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client."""
        sender, recipients = "", list[str]()

        async def reply(command: str, usual: str) -> bool:
            waiting = self.answers.get(command)
            chosen = waiting.popleft() if waiting else usual
            if chosen == "hang":
                await reader.read()
            if chosen in {"hang", "drop"}:
                raise ConnectionError
            writer.write(f"{chosen}\r\n".encode())
            await writer.drain()
            return chosen.startswith(("2", "3"))

        try:
            await reply("CONNECT", "220 test")
            while line := await reader.readline():
                command, _, rest = line.decode().strip().partition(" ")
                if command == "MAIL" and await reply("MAIL", "250 ok"):
                    sender, recipients = rest, []
                elif command == "RCPT" and await reply("RCPT", "250 ok"):
                    recipients.append(rest.partition("<")[2].partition(">")[0])
                elif command == "DATA" and await reply("DATA", "354 go on"):
                    content = await reader.readuntil(b"\r\n.\r\n")
                    message = message_from_bytes(content[:-5].replace(b"\r\n..", b"\r\n."), policy=policy.default)
                    assert isinstance(message, EmailMessage)
                    if await reply(".", "250 taken"):
                        self.taken.append((sender, recipients, message))
                elif command not in {"MAIL", "RCPT", "DATA"}:
                    await reply(command, "221 bye" if command == "QUIT" else "250 ok")
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def smtp_server() -> AsyncIterator[SmtpServer]:
    """A server for as long as the block lasts."""
    server = SmtpServer()
    talks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.ensure_future(server.serve(reader, writer))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
