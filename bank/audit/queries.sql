-- name: insert_audit_rows(ids, positions, user_ids, entity_types, entity_ids, actions, old_values, new_values, ip_addresses, user_agents, moments)!
-- A position that has its row already is a repeated delivery: the first row stands.
insert into audit_logs
    (id, event_position, user_id, entity_type, entity_id, action, old_values, new_values, ip_address, user_agent, created_at)
select * from unnest(:ids::uuid[], :positions::bigint[], :user_ids::uuid[], :entity_types::text[], :entity_ids::uuid[],
    :actions::text[], :old_values::jsonb[], :new_values::jsonb[], :ip_addresses::text[], :user_agents::text[],
    :moments::timestamptz[])
on conflict (event_position) do nothing;
