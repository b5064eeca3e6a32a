-- Each query compares users, sessions or refresh tokens with their events, in the form of state.sql.

-- name: users_and_events()
with recorded as materialized (
    select position, event_type, aggregate_id, created_at, event_data from event_store
    where event_type in
        ('UserRegisteredEvent', 'UserProfileChangedEvent', 'UserRoleChangedEvent', 'StepUpLimitChangedEvent',
        'AccountCreatedEvent', 'UserErasedEvent')
), registered as (
    select aggregate_id as id, min(position) as position, count(*) as times, min(created_at) as created_at,
        (array_agg(event_data order by position))[1] as data
    from recorded where event_type = 'UserRegisteredEvent' group by aggregate_id
), profiles as (
    select aggregate_id as id, count(*) as changes, max(created_at) as moment,
        (array_agg(event_data ->> 'profile_digest' order by position desc))[1] as digest
    from recorded where event_type = 'UserProfileChangedEvent' group by aggregate_id
), changed as (
    select aggregate_id as id, count(*) as changes, max(created_at) as moment,
        (array_agg(event_data ->> 'new_role' order by position desc))[1] as role
    from recorded where event_type = 'UserRoleChangedEvent' group by aggregate_id
), limited as (
    select aggregate_id as id, count(*) as changes, max(created_at) as moment,
        (array_agg(event_data ->> 'above_minor' order by position desc))[1] as above_minor
    from recorded where event_type = 'StepUpLimitChangedEvent' group by aggregate_id
), erased as (
    select aggregate_id as id, count(*) as changes, min(created_at) as moment
    from recorded where event_type = 'UserErasedEvent' group by aggregate_id
), opened as (
    select event_data ->> 'owner_id' as id, count(*) as accounts from recorded where event_type = 'AccountCreatedEvent'
    group by event_data ->> 'owner_id'
), compared as (
    select coalesce(u.id, r.id) as id, r.position, w.what, w.expected, w.found
    from users u
    full join registered r on r.id = u.id
    left join profiles p on p.id = u.id
    left join changed c on c.id = u.id
    left join limited l on l.id = u.id
    left join erased e on e.id = u.id
    left join opened o on o.id = u.id::text
    cross join lateral (values
        (true, case when r.id is null then 'its event' else 'it' end,
            case when r.id is null then 'a UserRegisteredEvent' else 'a row of users' end,
            case when r.id is null or u.id is null then 'missing' else 'a row of users' end),
        (r.times > 1, 'it', 'registered once', format('registered %s times', r.times)),
        (u.id = r.id, 'its erasure', coalesce(e.moment::text, 'never'), coalesce(u.erased_at::text, 'never')),
        (e.id is not null, 'its profile', 'none', case when num_nonnulls(
            u.email, u.email_digest, u.full_name, u.cpf, u.cpf_digest, u.password_hash, u.phone) = 0 then 'none' else 'there' end),
        (u.id = r.id and e.id is null and coalesce(p.digest, r.data ->> 'profile_digest') is not null,
            'the digest of address, name, CPF, phone and password', coalesce(p.digest, r.data ->> 'profile_digest'),
            encode(sha256(u.salt || convert_to(json_build_array(
                u.email, u.full_name, u.cpf, u.password_hash, encode(u.email_digest, 'hex'), encode(u.cpf_digest, 'hex')
            )::text || coalesce(u.phone, ''), 'UTF8')), 'hex')),
        (u.id = r.id, 'its role', coalesce(c.role, r.data ->> 'role'), u.role),
        (u.id = r.id, 'its limit for step-up', case when e.id is null then coalesce(l.above_minor, 'none') else 'none' end,
            coalesce(u.step_up_above_minor::text, 'none')),
        (u.id = r.id, 'its version', (1 + coalesce(p.changes, 0) + coalesce(c.changes, 0) + coalesce(l.changes, 0) + coalesce(e.changes, 0)
            + coalesce(o.accounts, 0))::text, u.version::text),
        (u.id = r.id, 'its registration', r.created_at::text, u.created_at::text),
        (u.id = r.id, 'its last change', greatest(r.created_at, p.moment, c.moment, l.moment, e.moment)::text, u.updated_at::text)
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'users_match_events' as invariant, count(*) over () as broken, 'user ' || id as place, what, expected, found
from compared order by position, id, what limit 1;

-- name: sessions_and_events()
-- Each login and each refresh issues one refresh token, which the next refresh uses.
with recorded as materialized (
    select position, event_type, aggregate_id, created_at, metadata, event_data ->> 'session_id' as session_id,
        event_data ->> 'token_digest' as digest, case when pg_input_is_valid(event_data ->> 'expires_at', 'timestamptz')
            then (event_data ->> 'expires_at')::timestamptz end as expires_at
    from event_store
    where event_type in ('UserLoggedInEvent', 'SessionRefreshedEvent', 'UserLoggedOutEvent', 'RefreshTokenReusedEvent',
        'SessionRevokedEvent', 'SecondFactorVerifiedEvent')
), issued as (
    select *, lead(created_at) over (partition by session_id order by position) as used_at
    from recorded where event_type in ('UserLoggedInEvent', 'SessionRefreshedEvent')
), begun as (
    select session_id, min(position) as position, count(*) filter (where event_type = 'UserLoggedInEvent') as times,
        (array_agg(aggregate_id order by position))[1] as user_id, min(created_at) as created_at,
        (array_agg(metadata order by position))[1] as metadata,
        (array_agg(expires_at order by position desc))[1] as expires_at,
        (array_agg(created_at order by position desc))[1] as last_used_at, bool_or(digest is null) as is_old
    from issued group by session_id
), proved as (
    select session_id, max(created_at) as moment from recorded where event_type = 'SecondFactorVerifiedEvent'
    group by session_id
), closed as (
    -- A change of role, an erasure, and a set-up or reset of a second factor by an operator close every open session of the user.
    select session_id, (array_agg(created_at order by position))[1] as moment from (
        select session_id, position, created_at from recorded
        where event_type in ('UserLoggedOutEvent', 'RefreshTokenReusedEvent', 'SessionRevokedEvent')
        union all
        select b.session_id, r.position, r.created_at from begun b
        join event_store r on r.aggregate_id = b.user_id and r.position > b.position
        where r.event_type in ('UserRoleChangedEvent', 'UserErasedEvent')
            or r.event_type = 'SecondFactorChangedEvent' and r.event_data ->> 'initiated_by' is null
    ) as ends group by session_id
), deleted as (
    -- The retention deletes sessions that ended before a moment. Until it has deleted them all, some are still there.
    select max(case when pg_input_is_valid(event_data ->> 'before', 'timestamptz')
        then (event_data ->> 'before')::timestamptz end) as before
    from event_store where event_type = 'RetentionAppliedEvent' and event_data ->> 'rule' = 'sessions'
), gone as (
    select b.session_id from begun b left join closed c on c.session_id = b.session_id cross join deleted d
    where least(c.moment, coalesce(b.expires_at, b.created_at)) < d.before
    and not exists (select from sessions s where s.id::text = b.session_id)
), compared as (
    select b.position, 'session ' || coalesce(s.id::text, b.session_id) as place, w.what, w.expected, w.found
    from sessions s full join begun b on b.session_id = s.id::text left join closed c on c.session_id = s.id::text
    left join gone g on g.session_id = b.session_id
    left join proved p on p.session_id = b.session_id
    cross join lateral (values
        (g.session_id is null, case when b.times is null then 'its event' else 'it' end,
            case when b.times is null then 'a UserLoggedInEvent' else 'a row of sessions' end,
            case when b.times is null or s.id is null then 'missing' else 'a row of sessions' end),
        (b.times <> 1, 'it', 'begun once', format('begun %s times', b.times)),
        (s.id::text = b.session_id, 'its user', b.user_id::text, s.user_id::text),
        (s.id::text = b.session_id, 'its beginning', b.created_at::text, s.created_at::text),
        (s.id::text = b.session_id, 'its address', coalesce(b.metadata ->> 'ip_address', 'none'),
            coalesce(s.ip_address, 'none')),
        (s.id::text = b.session_id, 'its user agent', coalesce(b.metadata ->> 'user_agent', 'none'),
            coalesce(s.user_agent, 'none')),
        (s.id::text = b.session_id and not b.is_old, 'its expiry', b.expires_at::text, s.expires_at::text),
        (s.id::text = b.session_id, 'its second factor', coalesce(p.moment::text, 'none'),
            coalesce(s.second_factor_at::text, 'none')),
        (s.id::text = b.session_id, 'its last use', b.last_used_at::text, s.last_used_at::text),
        (s.id::text = b.session_id, 'its end', coalesce(c.moment::text, 'none'), coalesce(s.closed_at::text, 'none'))
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
    union all
    select i.position, 'refresh token ' || left(coalesce(encode(t.digest, 'hex'), i.digest), 8) || '…', w.what, w.expected,
        w.found
    from refresh_tokens t full join issued i on i.digest = encode(t.digest, 'hex')
    left join begun b on b.session_id = t.session_id::text
    left join gone g on g.session_id = i.session_id and t.digest is null
    cross join lateral (values
        (not (i.session_id is null and coalesce(b.is_old, false)) and not (t.digest is null and i.digest is null)
            and g.session_id is null,
            case when i.session_id is null then 'its event' else 'it' end,
            case when i.session_id is null then 'a UserLoggedInEvent or SessionRefreshedEvent' else 'a row of refresh_tokens' end,
            case when i.session_id is null or t.digest is null then 'missing' else 'a row of refresh_tokens' end),
        (encode(t.digest, 'hex') = i.digest, 'its session', i.session_id, t.session_id::text),
        (encode(t.digest, 'hex') = i.digest, 'its beginning', i.created_at::text, t.issued_at::text),
        (encode(t.digest, 'hex') = i.digest, 'its expiry', i.expires_at::text, t.expires_at::text),
        (encode(t.digest, 'hex') = i.digest, 'its use', coalesce(i.used_at::text, 'none'), coalesce(t.used_at::text, 'none'))
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'sessions_match_events' as invariant, count(*) over () as broken, place, what, expected, found
from compared order by position, place, what limit 1;

-- name: second_factors_and_events()
with last as (
    select distinct on (aggregate_id) aggregate_id as id, position, event_data ->> 'state_digest' as digest
    from event_store where event_type in ('SecondFactorChangedEvent', 'SecondFactorVerifiedEvent', 'UserErasedEvent')
    order by aggregate_id, position desc
), compared as (
    select coalesce(f.user_id, l.id) as id, l.position, w.what, w.expected, w.found
    from second_factors f full join last l on l.id = f.user_id
    cross join lateral (values
        ('the digest of its state', coalesce(l.digest, 'none'), case when f.user_id is null then 'none' else
            encode(sha256(convert_to(json_build_array(
                f.secret, extract(epoch from f.confirmed_at), f.last_counter, f.recovery_digests, f.pending_secret,
                extract(epoch from f.pending_since)
            )::text, 'UTF8')), 'hex') end)
    ) as w (what, expected, found)
    where w.expected is distinct from w.found
)
select 'second_factors_match_events' as invariant, count(*) over () as broken, 'second factor of user ' || id as place, what,
    expected, found
from compared order by position, id limit 1;

-- name: signing_keys_and_events()
with recorded as materialized (
    select position, created_at, event_data, event_data ->> 'key_id' as id from event_store
    where event_type = 'SigningKeyRotatedEvent'
), compared as (
    select r.position, coalesce(k.id::text, r.id) as id, w.what, w.expected, w.found
    from signing_keys k full join recorded r on r.id = k.id::text
    cross join lateral (values
        (true, case when r.id is null then 'its event' else 'it' end,
            case when r.id is null then 'a SigningKeyRotatedEvent' else 'a row of signing_keys' end,
            case when r.id is null or k.id is null then 'missing' else 'a row of signing_keys' end),
        (r.id = k.id::text, 'the digest of its key', r.event_data ->> 'wrapped_digest', encode(sha256(k.wrapped), 'hex')),
        (r.id = k.id::text, 'its creation', r.created_at::text, k.created_at::text),
        (r.id = k.id::text, 'its begin', (r.event_data ->> 'signs_from')::timestamptz::text, k.signs_from::text),
        (r.id = k.id::text, 'the end of older keys', (r.event_data ->> 'older_until')::timestamptz::text,
            k.older_until::text)
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'signing_keys_match_events' as invariant, count(*) over () as broken, 'signing key ' || id as place, what, expected,
    found
from compared order by position, id, what limit 1;

-- name: templates_and_events()
with recorded as materialized (
    select position, created_at, event_data ->> 'name' as name, event_data ->> 'language' as language,
        (event_data ->> 'version')::int as version, event_data ->> 'content_digest' as digest
    from event_store where event_type = 'NotificationTemplateChangedEvent'
), compared as (
    select r.position, format('%s of %s in %s', coalesce(t.version, r.version), coalesce(t.name, r.name),
        coalesce(t.language, r.language)) as id, w.what, w.expected, w.found
    from notification_templates t
    full join recorded r on (r.name, r.language, r.version) = (t.name, t.language, t.version)
    cross join lateral (values
        (true, case when r.name is null then 'its event' else 'it' end,
            case when r.name is null then 'a NotificationTemplateChangedEvent' else 'a row of notification_templates' end,
            case when r.name is null or t.name is null then 'missing' else 'a row of notification_templates' end),
        (r.name = t.name, 'the digest of its text', r.digest,
            encode(sha256(convert_to(json_build_array(t.subject, t.short, t.text, t.html)::text, 'UTF8')), 'hex')),
        (r.name = t.name, 'its creation', r.created_at::text, t.created_at::text)
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'templates_match_events' as invariant, count(*) over () as broken, 'template version ' || id as place, what,
    expected, found
from compared order by position, id, what limit 1;

-- name: identities_and_events()
with erased as (
    select aggregate_id as id, position, created_at, event_data ->> 'identity_digest' as digest,
        event_data ->> 'keep_until' as keep_until
    from event_store where event_type = 'UserErasedEvent' and event_data ->> 'identity_digest' is not null
), deleted as (
    select max(left(event_data ->> 'before', 10)) as before
    from event_store where event_type = 'RetentionAppliedEvent' and event_data ->> 'rule' = 'identities'
), compared as (
    select coalesce(i.person_id, e.id) as id, e.position, w.what, w.expected, w.found
    from retained_identities i full join erased e on e.id = i.person_id cross join deleted d
    cross join lateral (values
        (i.person_id is not null or e.keep_until <= d.before is not true,
            case when e.id is null then 'its event' else 'it' end,
            case when e.id is null then 'a UserErasedEvent' else 'a row of retained_identities' end,
            case when e.id is null or i.person_id is null then 'missing' else 'a row of retained_identities' end),
        (i.person_id = e.id, 'the digest of its record', e.digest, encode(i.record_digest, 'hex')),
        (i.person_id = e.id, 'the end of its term', e.keep_until, i.keep_until::text),
        (i.person_id = e.id, 'its beginning', e.created_at::text, i.created_at::text)
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
)
select 'identities_match_events' as invariant, count(*) over () as broken, 'identity of user ' || id as place, what, expected,
    found
from compared order by position, id, what limit 1;
