"""Login, sessions and their end."""

from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from pydantic import SecretStr

from app.core import security
from app.core.config.api import AuthSettings
from app.core.database import get_database
from app.core.exceptions import AuthenticationError
from app.core.process import get_object
from app.core.security import AccessTokens, Principal, RateLimits, Roles, fingerprint, new_credential
from app.core.uow import UnitOfWork, unit_of_work
from app.models.schemas.auth import Login, LoginTokens, PasswordChange, Tokens
from app.repositories import credentials, users
from app.services.limits import guess

# RFC 9106, 4, where memory is scarce: 3 passes over 64 MiB for each of the passwords that are hashed at once.
PASSWORD_COST: Final = {"time_cost": 3, "memory_kib": 65_536, "concurrency": 4}
# The most that the clocks of the machines that serve requests may differ.
_LEEWAY_SECONDS: Final = 10
_ENDED: Final = "The session has ended: log in again."
_WRONG: Final = "The e-mail address or the password is wrong."


class Authentication:
    """Passwords, tokens and sessions in this process: the mechanisms of `app.core.security`, bound to the settings."""

    def __init__(self, settings: AuthSettings, *, issuer: str, limits: RateLimits, roles: Roles) -> None:
        secret = settings.secret_key.get_secret_value()
        lifetime, leeway = 60 * settings.access_token_expire_minutes, _LEEWAY_SECONDS
        self.limits = limits
        self.roles = roles
        self.sign_up = settings.sign_up
        self.login_attempts = settings.login_attempts
        self.refresh_lifetime = timedelta(days=settings.refresh_token_expire_days)
        # A refresh token may be used again so long after its first use: by a browser's other tab, after a lost answer.
        self.refresh_grace = timedelta(seconds=30)
        self.passwords = security.PasswordHasher(**PASSWORD_COST)
        self.tokens = AccessTokens(secret=secret, issuer=issuer, lifetime_seconds=lifetime, leeway_seconds=leeway)
        # Of devices that have logged in, so that others' guesses do not lock them out; each is bound to an account
        # (OWASP, "Slow Down Online Guessing Attacks with Device Cookies", with a token in place of a cookie).
        self.devices = security.SignedTokens(secret=secret, purpose=b"device-token")
        # Of links in mail; each is bound to a state of its user that a use of it changes.
        self.links = security.SignedTokens(secret=secret, purpose=b"link-token")
        # A session revoked longer ago than this has no access token left that could be good.
        remembered = timedelta(seconds=lifetime + 2 * leeway)
        self.revoked = security.RevokedSessions(
            lambda: credentials.list_revoked(get_database().reader, within=remembered),
            limit_seconds=settings.revocation_seconds,
        )

    def scopes_of(self, user: users.UserRow) -> frozenset[str]:
        """Return the scopes that a user has now."""
        return security.allowed_scopes(self.roles, user.role, user.scopes)

    async def identify(self, token: str) -> Principal:
        """Return the caller of an access token, without a query; AuthenticationError where there is none."""
        principal = self.tokens.read(token)
        if principal.session_id is None or await self.revoked.contains(principal.session_id):
            raise AuthenticationError(_ENDED)
        return principal

    async def confirm(self, caller: Principal) -> Principal:
        """Return the caller of an access token as the rows have them now; AuthenticationError where they have none."""
        user = await users.find_user(get_database().reader, caller.user_id, session_id=caller.session_id)
        if user is None:
            raise AuthenticationError(_ENDED)
        return replace(caller, scopes=self.scopes_of(user))

    async def log_in(self, login: Login, *, address: str) -> LoginTokens:
        """Start a session for a caller from this address; RateLimitError after too many failures.

        AuthenticationError tells neither by its message nor by its time if the user or the password is wrong.
        """
        device_token = login.device_token.get_secret_value() if login.device_token else ""
        device = device_token.partition(".")[0] if self.devices.is_good(device_token, login.email) else None
        async with guess(self.limits, login.email, address, device=device, times=self.login_attempts):
            found = await users.find_holder(get_database().reader, login.email)
            may_log_in = found is not None and found.is_active and found.email_verified_at is not None
            # No connection is held meanwhile: hashing takes a tenth of a second.
            user, better_hash = await self._check(found if may_log_in else None, login.password)
        async with unit_of_work() as uow:
            await self._lock(uow, user)
            if better_hash:
                await users.change_user(uow.session, user.id, password_hash=better_hash)
            session_id = await credentials.insert_session(uow.session, user.id)
            tokens = await self._tokens(uow, session_id, user)
        if device is None:
            device_token = self.devices.sign(new_credential("dt"), login.email)
        return LoginTokens(**tokens.model_dump(), device_token=device_token)

    async def refresh(self, uow: UnitOfWork, refresh_token: str) -> Tokens:
        """Exchange a refresh token, until `refresh_grace` after its first use; AuthenticationError if it is not good.

        One that was first used longer ago has a copy. The thief cannot be told from the owner: the session ends.
        """
        known_as = fingerprint(refresh_token)
        if exchanged := await credentials.use_refresh_token(uow.session, known_as, grace=self.refresh_grace):
            return await self._tokens(uow, exchanged.session_id, exchanged)
        refused = AuthenticationError("The refresh token is invalid or has expired: log in again.")
        if copied := await credentials.revoke_reused(uow.session, known_as, grace=self.refresh_grace):
            uow.after_commit(lambda: self.revoked.add(copied))
            raise uow.committing(refused)
        raise refused

    async def log_out(self, uow: UnitOfWork, caller: Principal) -> None:
        """End the caller's session; an API key has none."""
        if (session_id := caller.session_id) is not None:
            await credentials.revoke_session(uow.session, session_id)
            uow.after_commit(lambda: self.revoked.add(session_id))

    async def end_sessions(self, uow: UnitOfWork, user_id: UUID, *, keep: UUID | None = None) -> None:
        """End a user's sessions but one: at once in this process, within AUTH_REVOCATION_SECONDS in all others.

        It comes after the change of the user: a login under way waits for that, or it for the login (`lock_user`).
        """
        ended = await credentials.revoke_other_sessions(uow.session, user_id, keep=keep)
        uow.after_commit(lambda: self.revoked.add(*ended))

    async def change_password(self, caller: Principal, change: PasswordChange, *, address: str) -> None:
        """Change the caller's password, and end all their sessions but this one; raises as `prove` does."""
        user = await self.prove(caller, change.current_password, address=address)
        password_hash = await self.passwords.hash(change.new_password.get_secret_value())
        async with unit_of_work() as uow:
            await self._lock(uow, user)
            await users.change_user(uow.session, user.id, password_hash=password_hash)
            await self.end_sessions(uow, user.id, keep=caller.session_id)

    async def prove(self, caller: Principal, password: SecretStr, *, address: str) -> users.UserRow:
        """Return the caller's row; AuthenticationError for a wrong password, RateLimitError after too many."""
        # A session is a known device: others' guesses from the same address must not lock its user out.
        account, device = str(caller.user_id), str(caller.session_id)
        async with guess(self.limits, account, address, device=device, times=self.login_attempts):
            found = await users.find_user(get_database().reader, caller.user_id)
            user, _ = await self._check(found, password)
        return user

    async def _check(self, user: users.UserRow | None, password: SecretStr) -> tuple[users.UserRow, str | None]:
        stored = user.password_hash if user else None
        right, better_hash = await self.passwords.verify(password.get_secret_value(), stored)
        if user is None or not right:
            raise AuthenticationError(_WRONG)
        return user, better_hash

    async def _lock(self, uow: UnitOfWork, user: users.UserRow) -> None:
        """Refuse what a password was right for that is none any more: it was reset meanwhile, or its user disabled."""
        if not await users.lock_user(uow.session, user):
            raise AuthenticationError(_WRONG)

    async def _tokens(self, uow: UnitOfWork, session_id: UUID, user: users.UserRow) -> Tokens:
        refresh_token = new_credential("rt")
        await credentials.insert_refresh_token(
            uow.session, session_id, fingerprint=fingerprint(refresh_token), lifetime=self.refresh_lifetime
        )
        return Tokens(
            access_token=self.tokens.issue(user_id=user.id, session_id=session_id, scopes=self.scopes_of(user)),
            refresh_token=refresh_token,
            expires_in=self.tokens.lifetime_seconds,
        )


def get_authentication() -> Authentication:
    """Return the authentication of this process."""
    return get_object(Authentication)
