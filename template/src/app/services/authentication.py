"""Logging in and staying logged in, and what ends it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.core.config import AuthSettings
from app.core.database import get_database
from app.core.exceptions import AuthenticationError
from app.core.security import (
    AccessTokens,
    PasswordHasher,
    Principal,
    RateLimits,
    RevokedSessions,
    fingerprint,
    new_credential,
)
from app.core.uow import UnitOfWork, unit_of_work
from app.models.domain.user import User
from app.models.schemas.auth import Login, PasswordChange, Tokens
from app.repositories import sessions, users
from app.services.guessing import GuessingLimits


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """What identity is made of in this process; `make_authentication` binds it to the settings."""

    passwords: PasswordHasher
    tokens: AccessTokens
    revoked: RevokedSessions
    guessing: GuessingLimits
    refresh_lifetime: timedelta

    async def identify(self, token: str) -> Principal:
        """Who an access token speaks for, without a query.

        Raises:
            AuthenticationError: The token is not good, or its session has ended.
        """
        principal = self.tokens.read(token)
        if principal.session_id is None or await self.revoked.contains(principal.session_id):
            raise AuthenticationError("The session has ended: log in again.")
        return principal

    async def log_in(self, login: Login, *, address: str) -> Tokens:
        """Start a session.

        Args:
            login: Who, and the password.
            address: Where from, for the limits on guessing.

        Raises:
            AuthenticationError: No such user or not their password; which of the two, neither the message nor the
                time it took tells.
            RateLimitError: Too many failures.
        """
        async with self.guessing.attempt(login.email, address):
            async with get_database().read_session() as session:
                found = await users.find_user_by_email(session, login.email)
            # Outside of the session: hashing takes a tenth of a second, and logins that held connections meanwhile
            # would leave none for anybody else.
            user, better_hash = await self._check(found, login.password.get_secret_value())
        async with unit_of_work() as uow:
            if better_hash:
                await users.set_password_hash(uow.session, user.id, better_hash)
            session_id = await sessions.insert_session(uow.session, user.id)
            return await self._tokens(uow, session_id, user.id, user.scopes)

    async def refresh(self, uow: UnitOfWork, refresh_token: str) -> Tokens:
        """Exchange a refresh token for new tokens.

        Raises:
            AuthenticationError: It is not good. If it was used before, somebody else has a copy, and nobody can tell
                who is who: the session ends.
        """
        known_as = fingerprint(refresh_token)
        exchanged = await sessions.use_refresh_token(uow.session, known_as)
        if exchanged is not None:
            return await self._tokens(uow, *exchanged)
        refused = AuthenticationError("The refresh token is invalid or has expired: log in again.")
        copied = await sessions.find_used_session(uow.session, known_as)
        if copied is None:
            raise refused
        await sessions.revoke_session(uow.session, copied)
        uow.after_commit(lambda: self.revoked.add(copied))
        raise uow.committing(refused)

    async def log_out(self, uow: UnitOfWork, caller: Principal) -> None:
        """End the caller's session; an API key has none."""
        if (session_id := caller.session_id) is not None:
            await sessions.revoke_session(uow.session, session_id)
            uow.after_commit(lambda: self.revoked.add(session_id))

    async def change_password(self, principal: Principal, change: PasswordChange, *, address: str) -> None:
        """Change the caller's password, and end all their sessions but this one.

        Raises:
            AuthenticationError: The current password is wrong.
            RateLimitError: Too many failures.
        """
        async with self.guessing.attempt(str(principal.user_id), address):
            async with get_database().read_session() as session:
                user = await users.find_user(session, principal.user_id)
            await self._check(user, change.current_password.get_secret_value())
        password_hash = await self.passwords.hash(change.new_password.get_secret_value())
        async with unit_of_work() as uow:
            await users.set_password_hash(uow.session, principal.user_id, password_hash)
            ended = await sessions.revoke_other_sessions(uow.session, principal.user_id, keep=principal.session_id)
            uow.after_commit(lambda: self.revoked.add(*ended))

    async def _check(self, user: User | None, password: str) -> tuple[User, str | None]:
        right, better_hash = await self.passwords.verify(password, user.password_hash if user else None)
        if user is None or not right:
            raise AuthenticationError("The e-mail address or the password is wrong.")
        return user, better_hash

    async def _tokens(self, uow: UnitOfWork, session_id: UUID, user_id: UUID, scopes: Iterable[str]) -> Tokens:
        refresh_token = new_credential("rt")
        await sessions.insert_refresh_token(
            uow.session, session_id, fingerprint=refresh_token.fingerprint, lifetime=self.refresh_lifetime
        )
        return Tokens(
            access_token=self.tokens.issue(user_id=user_id, session_id=session_id, scopes=scopes),
            refresh_token=refresh_token.text,
            expires_in=self.tokens.lifetime_seconds,
        )


def make_authentication(settings: AuthSettings, *, issuer: str, limits: RateLimits) -> Authentication:
    """Bind the mechanisms to the settings.

    Args:
        settings: Of identity.
        issuer: The name of this service in its tokens.
        limits: Where failed logins are counted.
    """
    lifetime = timedelta(minutes=settings.access_token_expire_minutes)
    # A session revoked longer ago than this has no access token left that could be good.
    memory = lifetime + timedelta(seconds=2 * settings.token_leeway_seconds)

    async def load_revoked() -> Iterable[UUID]:
        async with get_database().read_session() as session:
            return await sessions.list_revoked(session, within=memory)

    return Authentication(
        passwords=PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_kib=settings.argon2_memory_kib,
            concurrency=settings.argon2_concurrency,
        ),
        tokens=AccessTokens(
            secret=settings.secret_key.get_secret_value(),
            issuer=issuer,
            lifetime_seconds=int(lifetime.total_seconds()),
            leeway_seconds=settings.token_leeway_seconds,
        ),
        revoked=RevokedSessions(load_revoked, refresh_seconds=settings.revocation_refresh_seconds),
        guessing=GuessingLimits(limits, attempts=settings.login_attempts, window_seconds=settings.login_window_seconds),
        refresh_lifetime=timedelta(days=settings.refresh_token_expire_days),
    )
