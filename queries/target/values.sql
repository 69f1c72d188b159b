-- name: UpsertValues :execrows
-- Writes new and changed values; data_pkey arbitrates.
INSERT INTO data (turbine_id, signal_id, timestamp, value)
SELECT
    unnest(sqlc.arg(turbine_ids)::integer[]),
    unnest(sqlc.arg(signal_ids)::integer[]),
    unnest(sqlc.arg(timestamps)::timestamptz[]),
    unnest(sqlc.arg(vals)::double precision[])
ON CONFLICT (turbine_id, signal_id, timestamp) DO UPDATE
SET value = excluded.value;

-- name: DeleteValues :execrows
-- Removes values whose readings are gone; data_pkey finds each.
DELETE FROM data AS d
USING (
    SELECT
        unnest(sqlc.arg(turbine_ids)::integer[]) AS turbine_id,
        unnest(sqlc.arg(signal_ids)::integer[]) AS signal_id,
        unnest(sqlc.arg(timestamps)::timestamptz[]) AS timestamp
) AS gone
WHERE d.turbine_id = gone.turbine_id
  AND d.signal_id = gone.signal_id
  AND d.timestamp = gone.timestamp;

-- name: CountValuesOfOthers :many
-- How many values of [start, stop) each turbine outside the list has: what
-- DeleteValuesOfOthers would remove. data_timestamp_idx serves it.
SELECT turbine_id, count(*) AS count
FROM data
WHERE timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz
  AND turbine_id <> ALL (sqlc.arg(turbine_ids)::integer[])
GROUP BY turbine_id
ORDER BY turbine_id;

-- name: CountValuesOfTurbines :many
-- How many values each of the pairs of a turbine and the start of a day has, pairs
-- without any left out. data_pkey serves a short range for each pair and signal.
SELECT asked.start::timestamptz AS start, count(*) AS count
FROM (
    SELECT
        unnest(sqlc.arg(turbine_ids)::integer[]) AS turbine_id,
        unnest(sqlc.arg(starts)::timestamptz[]) AS start
) AS asked
JOIN data AS d ON d.turbine_id = asked.turbine_id
    AND d.signal_id = ANY (sqlc.arg(signal_ids)::integer[])
    AND d.timestamp >= asked.start
    AND d.timestamp < asked.start + interval '24 hours'
GROUP BY asked.start
ORDER BY asked.start;

-- name: DeleteValuesOfOthers :execrows
-- Removes the values of [start, stop) of turbines that the source no longer
-- has. data_timestamp_idx serves it.
DELETE FROM data
WHERE timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz
  AND turbine_id <> ALL (sqlc.arg(turbine_ids)::integer[]);

-- name: DigestValues :one
-- How many values the day [start, stop) holds, and a digest of them that
-- changes when any does; independent of their order, 0 when there are none. A
-- day that holds none takes the direct COPY, which computes the same on its way:
-- the seed is that of hash partitions. data_timestamp_idx serves it.
SELECT
    count(*) AS rows,
    coalesce(bit_xor(hash_record_extended(row(turbine_id, signal_id, timestamp, value), 8816678312871386365)), 0)::bigint AS digest
FROM data
WHERE timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp < sqlc.arg(stop)::timestamptz;

-- name: IsLogged :one
-- Reports whether one of the turbines has a value of the signal, of whatever day.
-- data_pkey serves it, a probe for each turbine up to the first that has one. LIMIT is for
-- a cluster, which would bring all of them to the coordinator.
SELECT EXISTS (
    SELECT 1
    FROM data
    WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
      AND signal_id = sqlc.arg(signal_id)::integer
    LIMIT 1
);
