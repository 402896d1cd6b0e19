"""Accounts by mail: registration, forgotten passwords, other addresses.

Nothing here tells a caller if there is an account. A request does the same for every address: it enqueues a job, which
finds out what there is to say, and says it to the address alone. The job makes the link's token, too, so that tokens
are stored nowhere. Registration stores the user by one statement that takes as long where it changes nothing: no job
holds the hash of a password.
"""

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from app.core.database import get_database
from app.core.exceptions import AuthorizationError, DatabaseIntegrityError, ResourceExistsError, ValidationError
from app.core.mail import SendMail, get_mailer, send_mail
from app.core.security import Link, Principal
from app.core.uow import unit_of_work
from app.models.schemas.auth import Address, AddressChange, LinkToken, PasswordReset
from app.models.schemas.user import UserCreate
from app.repositories import users
from app.services.authentication import get_authentication
from app.services.limits import tries, use

# Mail to one address that callers from one place may cause in 15 minutes.
_MAILS: Final = 5
_REFUSED: Final = ("token", "is not good, or no longer: ask for another link")


class Purpose(StrEnum):
    """The purpose of a link: its template, and its page of the front end."""

    VERIFY = "verify_address"
    RESET = "reset_password"
    CHANGE = "change_address"


# A day for what waits in a mailbox; an hour for what opens an account.
_LIFETIMES: Final = {Purpose.VERIFY: 24 * 3600, Purpose.RESET: 3600, Purpose.CHANGE: 3600}


class SendLink(SendMail):
    """Sends a message with a link in it, if there is a user whom it is for: `user_id`, or the user of the address."""

    type: ClassVar[str] = "account.link"

    template: Purpose
    user_id: UUID | None = None


async def register(new: UserCreate, *, address: str) -> None:
    """Register a user, unless the address has been confirmed by one; AuthorizationError where sign-up is closed."""
    if get_authentication().sign_up != "open":
        raise AuthorizationError("Registration is closed: ask the owner of this service for an account.")
    await _count(new.email, address)
    # For known addresses, too: it is what takes the time.
    password_hash = await get_authentication().passwords.hash(new.password.get_secret_value())
    async with unit_of_work() as uow:
        await users.register_user(uow.session, email=new.email, password_hash=password_hash)
        uow.enqueue(SendLink(template=Purpose.VERIFY, to=new.email))


async def ask(purpose: Purpose, asked: Address, *, address: str) -> None:
    """Have a link mailed to the user of an address, if there is one."""
    await _count(asked.email, address)
    async with unit_of_work() as uow:
        uow.enqueue(SendLink(template=purpose, to=asked.email))


async def ask_change(caller: Principal, change: AddressChange, *, address: str) -> None:
    """Have a link mailed to the address that the caller wants, and a notice to theirs; raises as `prove` does."""
    await _count(change.email, address)
    user = await get_authentication().prove(caller, change.password, address=address)
    async with unit_of_work() as uow:
        uow.enqueue(SendLink(template=Purpose.CHANGE, to=change.email, user_id=user.id))
        uow.enqueue(SendMail(to=user.email, template="address_changes", values={"email": change.email}))


async def use_link(purpose: Purpose, given: LinkToken) -> None:
    """Count the address that a link was mailed to as proven, and as the user's; a reset also ends all their sessions.

    ValidationError where the token is not good, ResourceExistsError where another account has the address by now.
    """
    user, address = await _read(given, purpose)
    password_hash = None
    if isinstance(given, PasswordReset):
        password_hash = await get_authentication().passwords.hash(given.password.get_secret_value())
    try:
        async with unit_of_work() as uow:
            if purpose is Purpose.CHANGE:
                # The owner of the mailbox outranks a stranger who has only typed its address.
                await users.delete_unconfirmed(uow.session, address)
            if not await users.lock_user(uow.session, user):
                raise ValidationError(*_REFUSED)
            await users.change_user(
                uow.session, user.id, email=address, password_hash=password_hash, email_verified_at=datetime.now(UTC)
            )
            if password_hash:
                await get_authentication().end_sessions(uow, user.id)
    except DatabaseIntegrityError:
        raise ResourceExistsError("User", address) from None


async def send_link(job: SendLink) -> None:
    """Run a job: send the link to those it is for, and to those who need none, the reason; to others, nothing."""
    reader = get_database().reader
    holder = await users.find_holder(reader, job.to)
    user = await users.find_user(reader, job.user_id) if job.user_id else holder
    if user is None or not all(each.is_active for each in (user, holder) if each):
        return
    template, values = "address_known", {}
    if job.template is Purpose.RESET or holder is None or holder.email_verified_at is None:
        text = Link(user.id, int(time.time()) + _LIFETIMES[job.template], job.to).encode()
        token = get_authentication().links.sign(text, *_facts(job.template, user))
        link = get_mailer().link(f"/{job.template.replace('_', '-')}", token)
        template, values = job.template.value, {"link": link}
    await send_mail(SendMail(id=job.id, to=job.to, template=template, values=values))


async def _count(email: str, address: str) -> None:
    """Count a mail that a caller from `address` causes; RateLimitError where it is too many."""
    get_mailer().require()
    await use(get_authentication().limits, tries("mail", email, address, times=_MAILS))


async def _read(given: LinkToken, purpose: Purpose) -> tuple[users.UserRow, str]:
    """Return the user of a link's token, and the address that it was mailed to; ValidationError if it is not good."""
    token = given.token.get_secret_value()
    try:
        link = Link.decode(token)
    except ValueError:
        raise ValidationError(*_REFUSED) from None
    user = await users.find_user(get_database().reader, link.user_id)
    is_good = user is not None and get_authentication().links.is_good(token, *_facts(purpose, user))
    if user is None or not is_good or time.time() >= link.good_until:
        raise ValidationError(*_REFUSED)
    return user, link.address


def _facts(purpose: Purpose, user: users.UserRow) -> tuple[str, str]:
    """Return the facts that a token is bound to: its purpose, and what any use of a link changes of its user."""
    return purpose, f"{user.email} {user.password_hash} {user.email_verified_at}"
