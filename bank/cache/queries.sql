-- name: renew_member(worker, subscriber)^
-- A heartbeat of this worker. Returns the current epoch, the head of the log, the position of the cache's subscriber, and
-- the number of workers. A worker sends five heartbeats a second, so one without any for five seconds is gone.
with renewed as (
    update cache_members set beats = beats + 1, renewed_at = clock_timestamp() where worker = :worker returning worker
)
select exists (select from renewed) as is_member, e.number, e.name, e.is_open, h.position as head,
    coalesce((select s.position from subscriber_positions s where s.subscriber = :subscriber), -1) as subscriber_position,
    (select count(*) from cache_members where renewed_at > clock_timestamp() - interval '5 seconds') as workers
from cache_epoch e cross join event_log_head h;

-- name: add_member(worker)!
-- A worker that waits in vain for a killed worker deletes its row. Rows that no worker waits for are deleted here.
with old as (
    delete from cache_members where renewed_at < clock_timestamp() - interval '1 hour'
)
insert into cache_members (worker) values (:worker) on conflict do nothing;

-- name: delete_member(worker)!
delete from cache_members where worker = :worker;

-- name: other_members(worker)
select worker, beats from cache_members where worker <> :worker;

-- name: delete_unresponsive(workers, beats)!
-- Only workers without a heartbeat since then: a worker that has sent one is alive.
delete from cache_members m using unnest(:workers::uuid[], :beats::bigint[]) as s (worker, beats)
where m.worker = s.worker and m.beats = s.beats;

-- name: read_epoch()^
select number, name, is_open from cache_epoch;

-- name: close_epoch(number, name)^
-- Only one of several workers closes an epoch; the others get no row.
update cache_epoch set number = number + 1, name = :name, is_open = false
where number = :number returning number, name;

-- name: end_epoch()!
-- Keeps the number and the name, so that the worker that begins the next epoch deletes what this one has in Redis.
update cache_epoch set is_open = false where is_open;

-- name: open_epoch(number)$
update cache_epoch set is_open = true where number = :number returning number;
