-- name: find_keys(callers, keys)
-- A lateral look-up for each key uses the index; `(caller, key) in (select … unnest …)` scans the table (measured).
select wanted.place, found.operation, found.request_digest, found.outcome
from unnest(:callers::uuid[], :keys::text[]) with ordinality as wanted (caller_id, key, place)
cross join lateral (
    select operation, request_digest, outcome from idempotency_keys k
    where k.caller_id = wanted.caller_id and k.key = wanted.key limit 1
) found;

-- name: insert_key(caller_id, key, operation, digest, outcome, salt, now)$
-- One key, in a unit of work. No row is returned if the key exists, or if another transaction writes it and commits.
insert into idempotency_keys (caller_id, key, operation, request_digest, outcome, salt, created_at)
values (:caller_id, :key, :operation, :digest, CAST(:outcome as json), :salt, :now)
on conflict do nothing returning true;

-- name: count_key_pages()$
select pg_relation_size('idempotency_keys') / CAST(current_setting('block_size') as bigint);

-- name: forget_keys(first, last, before)$
-- Deletes the old keys in a range of pages of the table, which needs no index and reads only these pages. Returns null if
-- another process deletes keys at the moment.
with mutex as materialized (
    select pg_try_advisory_xact_lock(7205759405) as obtained
), forgotten as (
    delete from idempotency_keys
    where (select obtained from mutex) and ctid >= :first::tid and ctid < :last::tid and created_at < :before
    returning true
)
select case when (select obtained from mutex) then (select count(*) from forgotten) end;
