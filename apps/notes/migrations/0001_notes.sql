-- Notes. `version` rises by one with every change and is what an ETag is made of.
create table notes (
    id         bigint generated always as identity primary key,
    title      text        not null check (char_length(title) between 1 and 200),
    body       text        not null default '' check (char_length(body) <= 20000),
    tags       text[]      not null default '{}' check (cardinality(tags) <= 10),
    version    bigint      not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
