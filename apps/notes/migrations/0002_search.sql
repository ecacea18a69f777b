-- Full-text search: the title and the tags weigh more than the body.
alter table notes add column search tsvector not null generated always as (
    setweight(to_tsvector('english'::regconfig, title), 'A')
    || setweight(array_to_tsvector(tags), 'A')
    || setweight(to_tsvector('english'::regconfig, body), 'B')
) stored;

create index notes_search on notes using gin (search);
