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
