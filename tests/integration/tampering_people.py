"""Changes of users, sessions and keys, each with the invariants that it breaks."""

from tests.integration.tampering import ANA, NOBODY, Tampering

PEOPLE_TAMPERINGS = [
    Tampering(
        "an administrator put in",
        [
            "insert into users (id, email, email_digest, full_name, password_hash, role, created_at, updated_at)"
            " values (uuidv7(), 'enc1.0.-', sha256('eve'), 'enc1.0.-', '-', 'ADMIN', now(), now())",
        ],
        {"users_match_events"},
        "users_match_events",
        "user …: its event should be a UserRegisteredEvent, and is missing.",
    ),
    Tampering(
        "a role",
        [
            "update users set role = 'ADMIN' where role = 'OPERATOR'",
        ],
        {"users_match_events"},
        "users_match_events",
        "user …: its role should be OPERATOR, and is ADMIN.",
    ),
    Tampering(
        "a limit for step-up",
        [
            "update users set step_up_above_minor = 999999999 where step_up_above_minor is not null",
        ],
        {"users_match_events"},
        "users_match_events",
        "user …: its limit for step-up should be 2000, and is 999999999.",
    ),
    Tampering(
        "an address",
        [
            "update users set email = 'enc1.0.-' where role = 'OPERATOR'",
        ],
        {"users_match_events"},
        "users_match_events",
        "user …: the digest of address, name, CPF, phone and password should be …, and is ….",
    ),
    Tampering(
        "the address that a user is found by",
        [
            "update users set email_digest = sha256('eve') where role = 'OPERATOR'",
        ],
        {"users_match_events"},
        "users_match_events",
        "user …: the digest of address, name, CPF, phone and password should be …, and is ….",
    ),
    Tampering(
        "a password together with its salt",
        [
            "update users set password_hash = '$argon2id$…', salt = uuid_send(uuidv7()) where role = 'OPERATOR'",
        ],
        {"users_match_events"},
        "users_match_events",
        "user …: the digest of address, name, CPF, phone and password should be …, and is ….",
    ),
    Tampering(
        "the end of a session taken back",
        [
            "update sessions set closed_at = null where closed_at is not null",
        ],
        {"sessions_match_events"},
        "sessions_match_events",
        "session …: its end should be 20…, and is none (and … more).",
    ),
    Tampering(
        "a refresh token put in",
        [
            "insert into refresh_tokens select sha256('eve'), session_id, issued_at, expires_at from refresh_tokens"
            " limit 1",
        ],
        {"sessions_match_events"},
        "sessions_match_events",
        "refresh token …: its event should be a UserLoggedInEvent or SessionRefreshedEvent, and is missing.",
    ),
    Tampering(
        "a second factor taken out",
        [
            "delete from second_factors",
        ],
        {"second_factors_match_events"},
        "second_factors_match_events",
        "second factor of user …: the digest of its state should be …, and is none.",
    ),
    Tampering(
        "a code that may be used again",
        [
            "update second_factors set last_counter = last_counter - 1",
        ],
        {"second_factors_match_events"},
        "second_factors_match_events",
        "second factor of user …: the digest of its state should be …, and is ….",
    ),
    Tampering(
        "a longer life of an old signing key",
        [
            "update signing_keys set older_until = older_until + interval '1 year'",
        ],
        {"signing_keys_match_events"},
        "signing_keys_match_events",
        "signing key …: the end of older keys should be 20…, and is 20… (and … more).",
    ),
    Tampering(
        "a word of a template",
        [
            "update notification_templates set html = replace(html, 'Hello', 'Click here')",
        ],
        {"templates_match_events"},
        "templates_match_events",
        "template version 1 of welcome in en: the digest of its text should be …, and is ….",
    ),
    Tampering(
        "an encryption key taken out",
        [
            f"delete from encryption_keys where person_id = (select user_id from accounts where id = {ANA})",
        ],
        {"keys_of_texts_exist"},
        "keys_of_texts_exist",
        "encryption key …: it should be a row of encryption_keys, and is missing.",
    ),
    Tampering(
        "an encryption key given to somebody else",
        [
            f"update encryption_keys set person_id = '{NOBODY}' where person_id ="
            f" (select user_id from accounts where id = {ANA})",
        ],
        {"keys_of_texts_exist"},
        "keys_of_texts_exist",
        f"encryption key …: its person should be …, and is {NOBODY}.",
    ),
    Tampering(
        "a retained identity taken out",
        ["delete from retained_identities"],
        {"identities_match_events"},
        "identities_match_events",
        "identity of user …: it should be a row of retained_identities, and is missing.",
    ),
    Tampering(
        "a new device of somebody else",
        [f"update security_observations set user_id = '{NOBODY}' where kind = 'NEW_DEVICE'"],
        {"observations_match_events"},
        "observations_match_events",
        f"observation …: its user should be …, and is {NOBODY} (and … more).",
    ),
]
