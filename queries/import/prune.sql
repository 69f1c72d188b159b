-- A day's samples are counted and hashed as GET /data/digest does it, and removed by one
-- statement that says the same of what it removes. The ids are those of all turbines:
-- data_pkey serves the range of each.

-- name: SampledDays :many
-- The days from the first sample on, up to before, that have samples.
SELECT d.day::date AS day
FROM (
    SELECT generate_series(
        (SELECT min(first.timestamp) FROM turbine AS t CROSS JOIN LATERAL (
            SELECT s.timestamp
            FROM data AS s
            WHERE s.turbine_id = t.id
            ORDER BY s.turbine_id, s.timestamp
            LIMIT 1
        ) AS first) AT TIME ZONE 'UTC',
        sqlc.arg(before)::date - interval '1 day',
        interval '1 day'
    )::date AS day
) AS d
WHERE EXISTS (
    SELECT 1
    FROM turbine AS t
    JOIN data AS s ON s.turbine_id = t.id
    WHERE s.timestamp >= d.day::timestamp AT TIME ZONE 'UTC'
      AND s.timestamp < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
)
ORDER BY d.day;

-- name: DigestDay :one
-- How many samples [start, stop) has, and their digest.
SELECT
    count(*) AS samples,
    coalesce(bit_xor(hash_record_extended(d, 8816678312871386365)), 0)::bigint AS digest
FROM (
    SELECT *
    FROM data
    WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
      AND timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp < sqlc.arg(stop)::timestamptz
) AS d;

-- name: RemoveDay :one
-- Removes the samples of [start, stop): how many they were, and their digest.
WITH gone AS (
    DELETE FROM data
    WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
      AND timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp < sqlc.arg(stop)::timestamptz
    RETURNING *
)
SELECT
    count(*) AS samples,
    coalesce(bit_xor(hash_record_extended(gone, 8816678312871386365)), 0)::bigint AS digest
FROM gone;

-- name: TurbineIDs :many
-- All turbines, ascending.
SELECT id
FROM turbine
ORDER BY id;
