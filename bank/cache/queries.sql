-- name: renew_member(worker, told_by)^
-- A heartbeat: that this worker lives, which epoch there is, and how far the log and the cache's subscriber are.
with renewed as (
    update cache_members set beats = beats + 1, renewed_at = clock_timestamp() where worker = :worker returning worker
)
select exists (select from renewed) as is_member, e.number, e.name, e.is_open, h.position as head,
    coalesce((select s.position from subscriber_positions s where s.subscriber = :told_by), -1) as told
from cache_epoch e cross join event_log_head h;

-- name: add_member(worker)!
-- The rows of workers that were killed are waited for once, and then deleted by whoever waited; or, long after, here.
with old as (
    delete from cache_members where renewed_at < clock_timestamp() - interval '1 hour'
)
insert into cache_members (worker) values (:worker) on conflict do nothing;

-- name: delete_member(worker)!
delete from cache_members where worker = :worker;

-- name: other_members(worker)
select worker, beats from cache_members where worker <> :worker;

-- name: delete_silent(workers, beats)!
-- Only who has not moved since: a worker that has renewed meanwhile is not silent.
delete from cache_members m using unnest(:workers::uuid[], :beats::bigint[]) as s (worker, beats)
where m.worker = s.worker and m.beats = s.beats;

-- name: read_epoch()^
select number, name, is_open from cache_epoch;

-- name: close_epoch(number, name)^
-- One worker ends an epoch; to the others it is closed when they see it.
update cache_epoch set number = number + 1, name = :name, is_open = false
where number = :number returning number, name;

-- name: open_epoch(number)$
update cache_epoch set is_open = true where number = :number returning number;
