-- name: append_events(count, now, ids, types, aggregate_ids, aggregate_types, data, versions, user_ids, metadata)^
-- The update locks the head row until the commit, so that the next transaction to commit gets the next positions (R7).
with head as (
    update event_log_head set position = position + :count returning position
), written as (
    insert into event_store
        (id, position, event_type, aggregate_id, aggregate_type, event_data, event_version, user_id, metadata, created_at)
    select e.id, head.position - :count + e.place, e.event_type, e.aggregate_id, e.aggregate_type, e.event_data,
           e.event_version, e.user_id, e.metadata, :now
    from head, unnest(:ids::uuid[], :types::text[], :aggregate_ids::uuid[], :aggregate_types::text[], :data::jsonb[],
        :versions::integer[], :user_ids::uuid[], :metadata::jsonb[])
        with ordinality as e (id, event_type, aggregate_id, aggregate_type, event_data, event_version, user_id, metadata, place)
)
select position from head;

-- name: read_events(after, max_rows)
-- Positions are dense and in commit order: no later commit can get a position that was already read.
select position, event_type, event_version, event_data, metadata, created_at
from event_store where position > :after order by position limit :max_rows;

-- name: read_head()$
select position from event_log_head;

-- name: register_subscriber(subscriber)!
insert into subscriber_positions (subscriber) values (:subscriber) on conflict do nothing;

-- name: lease_subscribers(owner, lease, subscribers)!
-- Renew own leases, and take free or expired ones. The time is the database's, since the clocks of processes may differ.
-- A free subscriber whose row is locked is skipped: a stopped process must not delay the renewal of the own leases.
update subscriber_positions set owner = :owner, leased_until = now() + :lease, taken_for = null
where subscriber = any(:subscribers) and (owner = :owner or subscriber in (
    select subscriber from subscriber_positions
    where subscriber = any(:subscribers) and owner is distinct from :owner and (owner is null or leased_until < now())
    for update skip locked
));

-- name: read_subscribers(owner, subscribers)
-- The position of each subscriber, its lag in events and in seconds, and its number of dead letters.
select s.subscriber, s.position, coalesce(s.owner = :owner, false) as is_ours, h.position - s.position as lag_events,
    coalesce(extract(epoch from now() - e.created_at), 0)::float8 as lag_s,
    (select count(*) from dead_letters d where d.subscriber = s.subscriber and d.redelivered_at is null) as dead_letters
from event_log_head h cross join subscriber_positions s left join event_store e on e.position = s.position + 1
where s.subscriber = any(:subscribers);

-- name: release_subscribers(owner, subscribers)!
update subscriber_positions set owner = null, leased_until = null, taken_for = null
where owner = :owner and subscriber = any(:subscribers);

-- name: take_over(owner, lease, purpose, subscriber)$
-- The process that serves the subscriber fails at its next move of the position, and rolls back. A takeover by another
-- command is left alone.
update subscriber_positions set owner = :owner, leased_until = now() + :lease, taken_for = :purpose
where subscriber = :subscriber and (taken_for is null or leased_until < now()) returning position;

-- name: renew_takeover(owner, lease, subscriber)$
update subscriber_positions set leased_until = now() + :lease
where subscriber = :subscriber and owner = :owner returning position;

-- name: purpose_of_takeover(subscriber)$
select taken_for from subscriber_positions where subscriber = :subscriber;

-- name: move_position(position, subscriber, owner, expected)$
-- Commits with the handler's effect. It returns no row for a process that has lost its lease, because the owner or the
-- position is another then. The commit does not wait for the disk, even if this is the whole transaction (decision 0004).
update subscriber_positions set position = :position
where subscriber = :subscriber and owner = :owner and position = :expected
    and set_config('synchronous_commit', 'off', true) = 'off'
returning position;

-- name: insert_dead_letter(subscriber, position, error, attempts, now)!
insert into dead_letters (subscriber, event_position, error, attempts, created_at)
values (:subscriber, :position, :error, :attempts, :now)
on conflict (subscriber, event_position) do update
set error = excluded.error, attempts = dead_letters.attempts + excluded.attempts, redelivered_at = null;

-- name: position_of_subscriber(subscriber)$
select position from subscriber_positions where subscriber = :subscriber;

-- name: list_dead_letters(subscriber, redelivered_too)
select d.subscriber, d.event_position, d.error, d.attempts, d.created_at, d.redelivered_at, e.event_type, e.aggregate_id
from dead_letters d left join event_store e on e.position = d.event_position
where (:subscriber::text is null or d.subscriber = :subscriber) and (:redelivered_too or d.redelivered_at is null)
order by d.subscriber, d.event_position;

-- name: redelivered(subscriber, positions, now)!
update dead_letters set redelivered_at = :now
where subscriber = :subscriber and event_position = any(:positions::bigint[]) and redelivered_at is null;

-- name: stored_events(after, until, max_rows, types, aggregate_id)
select id, position, event_type, event_version, aggregate_type, aggregate_id, user_id, event_data, metadata, created_at
from event_store
where position > :after and position <= :until and (:types::text[] is null or event_type = any(:types::text[]))
    and (:aggregate_id::uuid is null or aggregate_id = :aggregate_id)
order by position limit :max_rows;

-- name: newest_events(head, max_rows, types, aggregate_id)
select id, position, event_type, event_version, aggregate_type, aggregate_id, user_id, event_data, metadata, created_at
from event_store
where position <= :head and (:types::text[] is null or event_type = any(:types::text[]))
    and (:aggregate_id::uuid is null or aggregate_id = :aggregate_id)
order by position desc limit :max_rows;

-- name: stored_event(position, id)^
select id, position, event_type, event_version, aggregate_type, aggregate_id, user_id, event_data, metadata, created_at
from event_store where position = :position or id = :id;

-- name: count_types(after, until)
select event_type, count(*) as events from event_store where position > :after and position <= :until
group by event_type order by event_type;

-- name: moment_at(position)^
-- The event at a position, or the next one: a search has to work even if the log has a gap, which it should not have.
select position, created_at from event_store where position >= :position order by position limit 1;

-- name: first_since(position, moment)$
select position from event_store where position >= :position and created_at >= :moment order by position limit 1;
