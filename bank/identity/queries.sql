-- name: insert_user(id, email, email_digest, full_name, cpf, cpf_digest, password_hash, role, now)$
-- Returns the salted digest of the profile for the event; `bank check` computes it with the same expression.
insert into users
    (id, email, email_digest, full_name, cpf, cpf_digest, password_hash, role, created_at, updated_at)
values (:id, :email, :email_digest, :full_name, :cpf, :cpf_digest, :password_hash, :role, :now, :now)
returning encode(sha256(salt || convert_to(json_build_array(
    email, full_name, cpf, password_hash, encode(email_digest, 'hex'), encode(cpf_digest, 'hex')
)::text || coalesce(phone, ''), 'UTF8')), 'hex');

-- name: owner_of(email_digest, cpf_digest)$
-- No row if the user was erased since.
select id from users where email_digest = :email_digest::bytea or cpf_digest = :cpf_digest::bytea;

-- name: credentials_of(email_digest, device_digest, used_after)^
select id, password_hash, role, exists (
    select from login_devices d
    where d.digest = :device_digest and d.user_id = users.id and d.last_used_at > :used_after
) as knows_device
from users where email_digest = :email_digest;

-- name: user_with_digest(email_digest)$
select id from users where email_digest = :email_digest;

-- name: digest_of_user(id)$
select email_digest from users where id = :id;

-- name: failures_of(kinds, digests)
-- A lateral look-up for each bucket uses the primary key.
select f.failures, f.counted_at, f.locked_until
from unnest(:kinds::text[], :digests::bytea[]) as wanted (kind, digest)
cross join lateral (
    select * from login_failures where kind = wanted.kind and digest = wanted.digest limit 1
) as f;

-- name: lock_failures(kind, digest)^
select failures, counted_at, locked_until from login_failures where kind = :kind and digest = :digest for update;

-- name: lock_buckets(kinds, digests, now)
-- A bucket without a row gets one, so that there is a row to lock. The order is the same in every transaction.
insert into login_failures as f (kind, digest, failures, counted_at)
select kind, digest, 0, :now from unnest(:kinds::text[], :digests::bytea[]) as wanted (kind, digest) order by kind
on conflict (kind, digest) do update set failures = f.failures
returning kind, failures, counted_at, locked_until;

-- name: write_failures(kinds, digests, failures, counted_at, locked_until)!
update login_failures f set failures = w.failures, counted_at = w.counted_at, locked_until = w.locked_until
from unnest(:kinds::text[], :digests::bytea[], :failures::integer[], :counted_at::timestamptz[],
    :locked_until::timestamptz[]) as w (kind, digest, failures, counted_at, locked_until)
where f.kind = w.kind and f.digest = w.digest;

-- name: delete_failures(kinds, digests)!
delete from login_failures f using unnest(:kinds::text[], :digests::bytea[]) as w (kind, digest)
where f.kind = w.kind and f.digest = w.digest;

-- name: forget_failures_of(email_digest, user_id)!
-- What was counted for an account, for each of its devices, and for the passwords and the codes of each of its sessions.
delete from login_failures where (kind = 'ACCOUNT' and digest = :email_digest)
    or (kind = 'DEVICE' and digest = any (select digest from login_devices where user_id = :user_id::uuid))
    or (kind = 'SESSION' and digest = any (
        select sha256(asked || uuid_send(id)) from sessions, unnest(array[''::bytea, 'code']) as asked
        where user_id = :user_id::uuid
    ));

-- name: remember_device(digest, user_id, now)!
insert into login_devices (digest, user_id, created_at, last_used_at) values (:digest, :user_id, :now, :now)
on conflict (digest) do update set last_used_at = :now;

-- name: forget_oldest_devices(user_id, keep)!
delete from login_devices where digest in (
    select digest from login_devices where user_id = :user_id order by last_used_at desc, digest offset :keep
);

-- name: forget_devices(user_id)!
delete from login_devices where user_id = :user_id;

-- name: profile_of(id)^
select email, full_name, cpf, password_hash,
    exists (select from second_factors where user_id = :id and confirmed_at is not null) as has_second_factor
from users where id = :id and erased_at is null;

-- name: second_factor_of(user_id)^
select secret, confirmed_at, last_counter, recovery_digests, pending_secret, pending_since
from second_factors where user_id = :user_id;

-- name: store_second_factor(user_id, secret, confirmed_at, last_counter, recovery_digests, pending_secret, pending_since)$
-- Returns the digest of the state for the event; `bank check` computes it with the same expression. Secrets are encrypted,
-- so that the digest needs no salt.
insert into second_factors
    (user_id, secret, confirmed_at, last_counter, recovery_digests, pending_secret, pending_since)
values (:user_id, :secret, :confirmed_at, :last_counter, :recovery_digests, :pending_secret, :pending_since)
on conflict (user_id) do update set
    secret = excluded.secret, confirmed_at = excluded.confirmed_at, last_counter = excluded.last_counter,
    recovery_digests = excluded.recovery_digests, pending_secret = excluded.pending_secret,
    pending_since = excluded.pending_since
returning encode(sha256(convert_to(json_build_array(
    secret, extract(epoch from confirmed_at), last_counter, recovery_digests, pending_secret,
    extract(epoch from pending_since)
)::text, 'UTF8')), 'hex');

-- name: delete_second_factor(user_id)!
delete from second_factors where user_id = :user_id;

-- name: lock_step_up(id)^
-- Like `lock_user`, with the user's own limit for payments without a fresh second factor.
select role, step_up_above_minor from users where id = :id and erased_at is null for no key update;

-- name: set_step_up(id, above_minor, now)$
update users set step_up_above_minor = :above_minor, version = version + 1, updated_at = :now where id = :id
returning version;

-- name: prove_second_factor(id, now)!
update sessions set second_factor_at = :now where id = :id;

-- name: replace_password(id, old, new, needs_second_factor, now)$
-- Only if the password is still the one that was verified, and a short one only if there is still a second factor.
-- Returns the digest of the profile, null if nothing was changed.
update users set password_hash = :new, version = version + 1, updated_at = :now
where id = :id and password_hash = :old and (not :needs_second_factor::boolean or exists (
    select from second_factors where user_id = :id and confirmed_at is not null
))
returning encode(sha256(salt || convert_to(json_build_array(
    email, full_name, cpf, password_hash, encode(email_digest, 'hex'), encode(cpf_digest, 'hex')
)::text || coalesce(phone, ''), 'UTF8')), 'hex');

-- name: replace_email(id, password_hash, email, email_digest, now)^
-- Only if the password is still the one that was verified.
update users set email = :email, email_digest = :email_digest, version = version + 1, updated_at = :now
where id = :id and password_hash = :password_hash
returning version, encode(sha256(salt || convert_to(json_build_array(
    email, full_name, cpf, password_hash, encode(email_digest, 'hex'), encode(cpf_digest, 'hex')
)::text || coalesce(phone, ''), 'UTF8')), 'hex') as profile_digest;

-- name: replace_phone(id, password_hash, phone, now)^
-- Only if the password is still the one that was verified.
update users set phone = :phone, version = version + 1, updated_at = :now
where id = :id and password_hash = :password_hash
returning version, encode(sha256(salt || convert_to(json_build_array(
    email, full_name, cpf, password_hash, encode(email_digest, 'hex'), encode(cpf_digest, 'hex')
)::text || coalesce(phone, ''), 'UTF8')), 'hex') as profile_digest;

-- name: lock_role(email_digest)^
select id, role from users where email_digest = :email_digest for no key update;

-- name: set_role(id, role, now)!
update users set role = :role, version = version + 1, updated_at = :now where id = :id;

-- name: user_by_id(id)^
select id, email, full_name, cpf, phone, role, version, created_at, step_up_above_minor from users
where id = :id and erased_at is null;

-- name: lock_user(id)$
-- Returns the role; no row for an erased user. The lock serializes the logins of one user, so that their limit of sessions is exact, and changes of
-- the role: either the change waits and closes the new session, or the new session gets the new role.
select role from users where id = :id and erased_at is null for no key update;

-- name: lock_credentials(id)^
-- Like `lock_step_up`, with the hash of the password, which may have changed since it was verified.
select role, password_hash, step_up_above_minor from users where id = :id and erased_at is null for no key update;

-- name: begin_session(id, user_id, now, expires_at, ip_address, user_agent, second_factor_at)!
insert into sessions (id, user_id, created_at, last_used_at, expires_at, ip_address, user_agent, second_factor_at)
values (:id, :user_id, :now, :now, :expires_at, :ip_address, :user_agent, :second_factor_at);

-- name: close_oldest_sessions(user_id, keep, open_after, now)
-- Closes the open sessions of a user except for the newest `keep`. A statement of its own, after the lock of the user: it
-- sees the sessions that began while the lock was waited for.
update sessions set closed_at = :now
where closed_at is null and id in (
    select id from sessions where user_id = :user_id and closed_at is null and expires_at > :open_after
    order by created_at desc, id desc offset :keep
)
returning id;

-- name: close_other_sessions(user_id, id, open_after, now)
update sessions set closed_at = :now
where user_id = :user_id and closed_at is null and expires_at > :open_after and id <> :id
returning id;

-- name: lock_session_of(id, user_id)^
select id, closed_at from sessions where id = :id and user_id = :user_id for no key update;

-- name: open_sessions_of(user_id, now)
-- A user with more sessions than any setting permits has them from before there was a limit; the next login ends them.
select id, user_agent, ip_address, created_at, last_used_at, expires_at from sessions
where user_id = :user_id and closed_at is null and expires_at > :now
order by last_used_at desc, id desc limit 100;

-- name: insert_refresh_token(digest, session_id, now, expires_at)!
insert into refresh_tokens (digest, session_id, issued_at, expires_at)
values (:digest, :session_id, :now, :expires_at);

-- name: lock_refresh_token(digest)^
-- The locks make the second of two concurrent refreshes see that the token has been used, and serialize every refresh
-- and the end of one session.
select t.session_id, t.expires_at, t.used_at, s.user_id, s.closed_at, s.second_factor_at, u.role,
    u.step_up_above_minor
from refresh_tokens t join sessions s on s.id = t.session_id join users u on u.id = s.user_id
where t.digest = :digest for no key update of s, t;

-- name: refresh_token_by_digest(digest)^
select used_at, expires_at from refresh_tokens where digest = :digest;

-- name: use_refresh_token(digest, now)!
update refresh_tokens set used_at = :now where digest = :digest;

-- name: extend_session(id, now, expires_at)!
update sessions set last_used_at = :now, expires_at = :expires_at where id = :id;

-- name: close_session(id, now)!
update sessions set closed_at = coalesce(closed_at, :now) where id = :id;

-- name: is_session_open(id, now)^
-- `asked_at` is the start of the statement: the result is not newer, so that a session closed after it may still be open
-- in the result.
select (select closed_at is null and expires_at > :now from sessions where id = :id) as is_open,
    statement_timestamp() as asked_at;

-- name: close_sessions_of(user_id, now)
update sessions set closed_at = :now where user_id = :user_id and closed_at is null returning id;

-- name: insert_signing_key(id, wrapped, now, signs_from, older_until)!
insert into signing_keys (id, wrapped, created_at, signs_from, older_until)
values (:id, :wrapped, :now, :signs_from, :older_until);

-- name: signing_keys()
-- In the order in which they were made. There are a few, since they are rotated by hand.
select id, wrapped, signs_from, older_until from signing_keys order by created_at, id;
