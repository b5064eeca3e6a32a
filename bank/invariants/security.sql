-- name: observations_and_events()
-- A row that is missing cannot be found: the retention deletes rows, and a network may be one of the bank's own.
with compared as (
    select o.position, w.what, w.expected, w.found
    from security_observations o left join event_store e on e.position = o.position
    left join subscriber_positions s on s.subscriber = 'suspicious_activity'
    cross join lateral (values
        (true, 'its kind', case
            when e.event_type = 'LoginFailedEvent' then 'FAILED_LOGIN'
            when e.event_type = 'UserRegisteredEvent' then 'REGISTRATION'
            when e.event_type = 'UserLoggedInEvent' and e.event_data ->> 'new_device' = 'true' then 'NEW_DEVICE'
            when e.event_type = 'PasswordChangedEvent' then 'CREDENTIAL_CHANGE'
            when e.event_type = 'UserProfileChangedEvent' and e.event_data ->> 'change' = 'EMAIL' then 'CREDENTIAL_CHANGE'
            when e.event_type = 'SecondFactorChangedEvent' and e.event_data ->> 'change' in ('DISABLED', 'RESET')
                then 'CREDENTIAL_CHANGE'
            else 'that of an event' end, o.kind),
        (e.position is not null, 'its time', e.created_at::text, o.observed_at::text),
        (e.position is not null, 'its user', case when e.aggregate_id <> '00000000-0000-0000-0000-000000000000'
            then e.aggregate_id::text else 'none' end, coalesce(o.user_id::text, 'none')),
        (e.position is not null, 'its digest of an address', coalesce(e.event_data ->> 'address_digest', 'none'),
            coalesce(o.address_digest, 'none')),
        (true, 'its subscriber', 'suspicious_activity at its position or later', case when s.position >= o.position
            then 'suspicious_activity at its position or later' else coalesce(s.position::text, 'missing') end)
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'observations_match_events' as invariant, count(*) over () as broken, 'observation ' || position as place, what,
    expected, found
from compared order by position, what limit 1;
