-- name: append_events(count, now, ids, types, aggregate_ids, aggregate_types, data, versions, user_ids, metadata)^
-- The head row is locked by the update and held until commit: whoever commits next gets the next positions (rule 7).
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

-- name: read_events(after, most)
-- Dense positions in commit order: nothing that commits later can have a position that was already passed.
select position, event_type, event_version, event_data, metadata, created_at
from event_store where position > :after order by position limit :most;

-- name: read_head()$
select position from event_log_head;

-- name: register_subscriber(subscriber)!
insert into subscriber_positions (subscriber) values (:subscriber) on conflict do nothing;

-- name: lease_subscribers(owner, lease, subscribers)
-- Take what is free or expired, renew what is held. The database's clock decides: processes may disagree on the time.
update subscriber_positions set owner = :owner, leased_until = now() + :lease
where subscriber = any(:subscribers) and (owner = :owner or owner is null or leased_until < now())
returning subscriber, position;

-- name: release_subscribers(owner)!
update subscriber_positions set owner = null, leased_until = null where owner = :owner;

-- name: move_position(position, subscriber, owner, expected)$
-- Commits with the handler's effect. A process that lost its lease finds another owner, or another position, here.
update subscriber_positions set position = :position
where subscriber = :subscriber and owner = :owner and position = :expected returning position;

-- name: bury_event(subscriber, position, error, attempts, now)!
insert into dead_letters (subscriber, event_position, error, attempts, created_at)
values (:subscriber, :position, :error, :attempts, :now)
on conflict (subscriber, event_position) do update
set error = excluded.error, attempts = dead_letters.attempts + excluded.attempts, redelivered_at = null;
