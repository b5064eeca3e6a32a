-- name: session_began(id, user_id)$
select created_at from sessions where id = :id and user_id = :user_id;

-- name: user_with_id(id)$
select id from users where id = :id;

-- name: user_with_email(email_digest)$
select id from users where email_digest = :email_digest;

-- name: lock_retention()$
-- Two passes at once would only wait for each other.
select pg_try_advisory_xact_lock(7205759406);

-- name: delete_ended_sessions(before, max_rows)$
with ended as materialized (
    select id from sessions where least(closed_at, expires_at) < :before order by id limit :max_rows for update skip locked
), tokens as (
    delete from refresh_tokens where session_id in (select id from ended) returning true
), gone as (
    delete from sessions where id in (select id from ended) returning true
)
select (select count(*) from gone) as sessions from (select count(*) from tokens) as deleted;

-- name: count_ended_sessions(before)$
select count(*) from sessions where least(closed_at, expires_at) < :before;

-- name: destroy_day_keys(before, max_rows, now)
update encryption_keys set wrapped = null, destroyed_at = :now
where number in (
    select number from encryption_keys where day < (:before::timestamptz at time zone 'UTC')::date and wrapped is not null
    order by number limit :max_rows
) returning number;

-- name: count_day_keys(before)$
select count(*) from encryption_keys where day < (:before::timestamptz at time zone 'UTC')::date and wrapped is not null;

-- name: delete_redelivered(before, max_rows)$
with gone as (
    delete from dead_letters where (subscriber, event_position) in (
        select subscriber, event_position from dead_letters where redelivered_at < :before
        order by event_position limit :max_rows
    ) returning true
)
select count(*) from gone;

-- name: count_redelivered(before)$
select count(*) from dead_letters where redelivered_at < :before;

-- name: delete_failures(before, max_rows)$
with gone as (
    delete from login_failures where (kind, digest) in (
        select kind, digest from login_failures where counted_at < :before limit :max_rows for update skip locked
    ) returning true
)
select count(*) from gone;

-- name: count_failures(before)$
select count(*) from login_failures where counted_at < :before;

-- name: delete_devices(before, max_rows)$
with gone as (
    delete from login_devices where digest in (
        select digest from login_devices where last_used_at < :before order by last_used_at limit :max_rows
    ) returning true
)
select count(*) from gone;

-- name: count_devices(before)$
select count(*) from login_devices where last_used_at < :before;

-- name: delete_observations(before, max_rows)$
with gone as (
    delete from security_observations where position in (
        select position from security_observations where observed_at < :before order by position limit :max_rows
    ) returning true
)
select count(*) from gone;

-- name: count_observations(before)$
select count(*) from security_observations where observed_at < :before;

-- name: lock_person(id)^
-- The lock serializes an erasure with logins, changes of the role and openings of accounts of the same user.
select id, role, email, full_name, cpf, erased_at from users where id = :id for no key update;

-- name: lock_accounts_of(user_id)
-- In the order of their ids, as every posting locks accounts.
select id, number, currency, status, balance_minor, held_minor, transfer_limit_minor, daily_limit_minor
from accounts where user_id = :user_id order by id for no key update;

-- name: active_holds(account_ids)
-- Holds of others count as well: a capture would move money to a closed account.
select to_account_id, sum(amount_minor)::bigint as amount_minor from holds
where status = 'AUTHORIZED' and to_account_id = any(:account_ids::uuid[]) group by to_account_id order by to_account_id;

-- name: anonymise(id, now)!
-- Without the salt, the digest of the profile in the log cannot be compared with a guess.
update users set email = null, email_digest = null, full_name = null, cpf = null, cpf_digest = null, password_hash = null,
    phone = null, step_up_above_minor = null, salt = uuid_send(gen_random_uuid()), erased_at = :now, version = version + 1, updated_at = :now
where id = :id;

-- name: destroy_person_key(person_id, now)$
-- A person without a key gets a destroyed one, so that none is made later.
insert into encryption_keys (person_id, wrapped, created_at, destroyed_at) values (:person_id, null, :now, :now)
on conflict (person_id) do update set wrapped = null, destroyed_at = :now returning number;

-- name: erased_among(ids)
select id, erased_at from users where id = any(:ids::uuid[]);

-- name: erased_users()
select id, erased_at from users where erased_at is not null order by erased_at, id;

-- name: insert_identity(person_id, record, keep_until, now)!
insert into retained_identities (person_id, record, keep_until, created_at)
values (:person_id, :record, :keep_until, :now);

-- name: identity_of(person_id)$
select record from retained_identities where person_id = :person_id;

-- name: ended_identities(before, max_rows)
select person_id from retained_identities where keep_until <= (:before::timestamptz at time zone 'UTC')::date
order by person_id limit :max_rows;

-- name: count_ended_identities(before)$
select count(*) from retained_identities where keep_until <= (:before::timestamptz at time zone 'UTC')::date;

-- name: delete_identities(person_ids)!
delete from retained_identities where person_id = any(:person_ids::uuid[]);

-- name: destroy_keys_of(person_ids, now)
update encryption_keys set wrapped = null, destroyed_at = :now
where person_id = any(:person_ids::uuid[]) and wrapped is not null returning number;
