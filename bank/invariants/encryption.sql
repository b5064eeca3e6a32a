-- name: keys_and_texts()
-- Each key of `encryption_keys` has one owner, and is either usable or destroyed. Each encrypted origin names an existing
-- key: that of its user, or that of its day. A request gets its key before its events have their time, so that the key of
-- the day before is right too. Plain texts are from before migration 0012.
with origins as materialized (
    select min(position) as position, number, owner, min(day) as first, max(day) as last from (
        select position, split_part(coalesce(metadata ->> 'ip_address', metadata ->> 'user_agent'), '.', 2) as number,
            coalesce(metadata ->> 'actor_id', user_id::text) as owner, (created_at at time zone 'UTC')::date as day
        from event_store
        where coalesce(metadata ->> 'ip_address', metadata ->> 'user_agent') like 'enc1.%'
    ) as used group by number, owner
), compared as (
    select position, 'encryption key ' || o.number as place, w.what, w.expected, w.found
    from origins o left join encryption_keys k on k.number::text = o.number
    cross join lateral (values
        (true, 'it', 'a row of encryption_keys', case when k.number is null then 'missing' else 'a row of encryption_keys' end),
        (k.person_id is not null, 'its person', o.owner, k.person_id::text),
        (k.person_id is null and k.number is not null, 'its day', o.last::text,
            case when k.day >= o.last - 1 and k.day <= o.first then o.last::text else coalesce(k.day::text, 'none') end)
    ) as w (applies, what, expected, found)
    where w.applies and w.expected is distinct from w.found
    union all
    select null, 'encryption key ' || number, w.what, w.expected, w.found
    from encryption_keys cross join lateral (values
        ('its owner', 'a person or a day', case when (person_id is null) = (day is null)
            then case when day is null then 'missing' else 'a person and a day' end else 'a person or a day' end),
        ('it', 'usable or destroyed', case when (wrapped is null) = (destroyed_at is null) then
            case when wrapped is null then 'gone without a time' else 'usable and destroyed' end
            else 'usable or destroyed' end)
    ) as w (what, expected, found)
    where w.expected is distinct from w.found
)
select 'keys_of_texts_exist' as invariant, count(*) over () as broken, place, what, expected, found
from compared order by position, place, what limit 1;
