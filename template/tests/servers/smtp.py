"""A mail server of our own (RFC 5321), which accepts, refuses, puts off, hangs and hangs up as told."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class SmtpServer:
    """A server, what it has taken, and what it answers.

    Attributes:
        port: On 127.0.0.1.
        answers: For the next commands of a kind, instead of accepting them: a reply, "hang" or "drop".
        recipients: Of all messages that were accepted.
        messages: The messages that were accepted.
    """

    port: int = 0
    answers: dict[str, deque[str]] = field(default_factory=dict)
    recipients: list[str] = field(default_factory=list)
    messages: list[EmailMessage] = field(default_factory=list)

    def answer(self, command: str, *replies: str) -> None:
        """Answer the next commands of this kind (MAIL, RCPT, DATA, . after a message) by these replies."""
        self.answers[command] = deque(replies)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client."""
        recipients = list[str]()

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

        with suppress(ConnectionError):
            await reply("CONNECT", "220 test")
            while line := await reader.readline():
                command, _, rest = line.decode().strip().partition(" ")
                accepted = await reply(command, {"DATA": "354 go on", "QUIT": "221 bye"}.get(command, "250 ok"))
                if accepted and command == "RCPT":
                    recipients.append(rest.partition("<")[2].partition(">")[0])
                if accepted and command == "DATA":
                    content = await reader.readuntil(b"\r\n.\r\n")
                    message = message_from_bytes(content[:-5].replace(b"\r\n..", b"\r\n."), policy=policy.default)
                    assert isinstance(message, EmailMessage)
                    if await reply(".", "250 taken"):
                        self.recipients += recipients
                        self.messages.append(message)
        writer.close()


@asynccontextmanager
async def smtp_server() -> AsyncIterator[SmtpServer]:
    """A server for as long as the block lasts."""
    server = SmtpServer()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server
