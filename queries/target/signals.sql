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

-- name: OpenLoad :one
-- The first statement of a load's transaction. It holds the signals in place
-- until the end, in the stead of a foreign key: a row of data can't refer to a
-- signal that is not there. And it tells, where look asks for that, whether the target
-- holds anything of [start, stop). signal_pkey and data_timestamp_idx serve it.
WITH locked AS (
    SELECT id, name
    FROM signal
    ORDER BY id
    FOR KEY SHARE
),
held AS MATERIALIZED ( -- planned for all rows, or it would go through data_pkey for the first
    SELECT turbine_id
    FROM data
    WHERE timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp < sqlc.arg(stop)::timestamptz
      AND sqlc.arg(look)::boolean
)
SELECT
    ARRAY(SELECT id FROM locked)::integer[] AS ids,
    ARRAY(SELECT name FROM locked)::text[] AS names,
    EXISTS (
        SELECT
        FROM held
    ) AS held;
