-- name: ListSignals :many
-- The reference rows that map a signal's name to its id. Some fifteen rows.
SELECT id, name
FROM signal
ORDER BY id;

-- name: EnsureSignals :execrows
-- Writes the signals that are missing, or whose name has changed; signal_pkey
-- arbitrates.
INSERT INTO signal AS s (id, name)
SELECT
    unnest(sqlc.arg(ids)::integer[]),
    unnest(sqlc.arg(names)::text[])
ON CONFLICT (id) DO UPDATE
SET name = excluded.name
WHERE s.name <> excluded.name;

-- name: LockSignals :many
-- Holds the signals in place for the load's transaction, in the stead of a
-- foreign key: a row of data can't refer to a signal that is not there.
-- signal_pkey serves it.
SELECT id, name
FROM signal
ORDER BY id
FOR KEY SHARE;
