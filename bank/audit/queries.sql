-- name: insert_audit_rows(positions, ids, user_ids, entity_types, entity_ids, actions, old_values, new_values, ip_addresses, user_agents, moments)!
-- A position that has a row already is a repeated delivery, and keeps its row. New rows continue the chain from its last
-- row. Rows usually arrive in log order, so that one comparison shows if they are new. A late row, of a dead letter that
-- was redelivered, costs an index look-up. The look-up is a scalar subquery, because the planner cannot replace it by a
-- hash of the whole table.
with last as (
    select number, hash, (select max(event_position) from audit_logs) as newest
    from audit_logs order by number desc limit 1
)
insert into audit_logs
    (number, event_position, id, user_id, entity_type, entity_id, action, old_values, new_values, ip_address,
     user_agent, created_at, hash)
select coalesce(last.number, 0) + row_number() over log_order, e.event_position, e.id, e.user_id, e.entity_type,
       e.entity_id, e.action, e.old_values, e.new_values, e.ip_address, e.user_agent, e.created_at,
       audit_chain(
           coalesce(last.hash, decode(repeat('00', 32), 'hex')),
           json_build_array(e.event_position, e.id, e.user_id, e.entity_type, e.entity_id, e.action, e.old_values,
               e.new_values, e.ip_address, e.user_agent, e.created_at at time zone 'UTC',
               s.id, s.event_type, s.event_version, s.event_data, s.metadata)::text
       ) over log_order
from unnest(:positions::bigint[], :ids::uuid[], :user_ids::uuid[], :entity_types::text[], :entity_ids::uuid[],
    :actions::text[], :old_values::jsonb[], :new_values::jsonb[], :ip_addresses::text[], :user_agents::text[],
    :moments::timestamptz[]) as e (event_position, id, user_id, entity_type, entity_id, action, old_values,
    new_values, ip_address, user_agent, created_at)
left join event_store s on s.position = e.event_position
left join last on true
where last.number is null or e.event_position > last.newest
   or (select true from audit_logs a where a.event_position = e.event_position) is null
window log_order as (order by e.event_position rows unbounded preceding);

-- name: chain_lines(after, until)
-- The rows as they were hashed: number, hash in hex, and the text that was hashed. All functions are PostgreSQL's own, with
-- their schema, so that functions of the same names in another schema cannot replace them.
select a.number, pg_catalog.encode(a.hash, 'hex'),
       pg_catalog.json_build_array(a.event_position, a.id, a.user_id, a.entity_type, a.entity_id, a.action,
           a.old_values, a.new_values, a.ip_address, a.user_agent, pg_catalog.timezone('UTC', a.created_at),
           e.id, e.event_type, e.event_version, e.event_data, e.metadata)::pg_catalog.text
from audit_logs a left join event_store e on e.position = a.event_position
where a.number > :after and a.number <= :until order by a.number;

-- name: chain_end()^
select number, event_position, hash from audit_logs order by number desc limit 1;

-- name: hash_at(number)$
select hash from audit_logs where number = :number;

-- name: flush_log()$
-- Returns once every commit so far is on the disk, the asynchronous commits too.
select pg_logical_emit_message(false, 'bank', 'audit head', true);

-- name: first_unaudited()^
-- The first event before the audit's position that has no row, or whose row does not match it. Dead letters of the audit
-- are left out: they are known, and wait for an operator.
select e.position, a.number, e.event_type, coalesce((select max(event_position) from audit_logs), 0) as newest
from event_store e left join audit_logs a on a.event_position = e.position
where e.position <= (select position from subscriber_positions where subscriber = 'audit')
  and (a.user_id, a.entity_type, a.entity_id, a.created_at)
      is distinct from (e.user_id, e.aggregate_type, e.aggregate_id, e.created_at)
  and not (a.number is null and exists (
      select from dead_letters d
      where d.subscriber = 'audit' and d.event_position = e.position and d.redelivered_at is null))
order by e.position limit 1;

-- name: first_without_event()^
-- The first audit row of an event that is not in the log.
select a.number, a.event_position
from audit_logs a left join event_store e on e.position = a.event_position
where e.position is null order by a.number limit 1;

-- name: count_rows()$
select count(*) from audit_logs;

-- name: count_dead_letters()$
select count(*) from dead_letters where subscriber = 'audit' and redelivered_at is null;

-- name: page_of_all(before, max_rows)
select number, event_position, id, user_id, entity_type, entity_id, action, old_values, new_values, ip_address,
       user_agent, created_at, hash
from audit_logs where event_position < :before order by event_position desc limit :max_rows;

-- name: page_of_entity(entity_id, entity_type, before, max_rows)
select number, event_position, id, user_id, entity_type, entity_id, action, old_values, new_values, ip_address,
       user_agent, created_at, hash
from audit_logs
where entity_id = :entity_id and (:entity_type::text is null or entity_type = :entity_type) and event_position < :before
order by event_position desc limit :max_rows;

-- name: page_of_common_type(entity_type, before, max_rows)
-- Half of all rows have such a type, so that a backward scan of the log fills a page soon.
select number, event_position, id, user_id, entity_type, entity_id, action, old_values, new_values, ip_address,
       user_agent, created_at, hash
from audit_logs where entity_type = :entity_type and event_position < :before
order by event_position desc limit :max_rows;

-- name: page_of_rare_type(entity_type, before, max_rows)
-- The condition of the partial index is repeated word by word, so that a generic plan can use the index.
select number, event_position, id, user_id, entity_type, entity_id, action, old_values, new_values, ip_address,
       user_agent, created_at, hash
from audit_logs
where entity_type = :entity_type and entity_type not in ('Account', 'Transaction') and event_position < :before
order by event_position desc limit :max_rows;
