-- name: ReadSamples :many
-- @stream hash columns
-- The rows of GET /data in their order. The ids are a sorted array: data_pkey
-- serves each turbine's range in turn and gives the order, so nothing is sorted.
SELECT *
FROM data
WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
  AND timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp <= sqlc.arg(stop)::timestamptz
ORDER BY turbine_id, timestamp;

-- name: ReadSamplePage :many
-- @stream hash columns
-- The first lim rows of ReadSamples, served as it is. The page after a row is
-- its own turbine's rest and then the turbines that follow: two ranges of
-- data_pkey, where a comparison of (turbine_id, timestamp) would read the
-- turbine from its start up to the row each time.
SELECT *
FROM data
WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
  AND timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp <= sqlc.arg(stop)::timestamptz
ORDER BY turbine_id, timestamp
LIMIT sqlc.arg(lim)::integer;

-- name: DigestSamples :many
-- @stream cache_describe
-- A digest of each day and turbine's samples in [start, stop], for
-- GET /data/digest and the ETL: it changes when any reading does, and does not
-- depend on the order. The hash is that of TagSamples. data_pkey serves each
-- turbine's range. The lines are made before they are sorted: left to itself,
-- the planner sorts the samples, of which it expects a line each. It is planned
-- each time for the turbines and the range at hand: the plan for any, which a
-- session comes to by itself, walks a fleet's key with one core.
WITH line AS MATERIALIZED (
    SELECT
        date_bin('1 day'::interval, timestamp, '0001-01-01Z'::timestamptz)::timestamptz AS midnight,
        turbine_id,
        count(*) AS samples,
        min(timestamp)::timestamptz AS first,
        max(timestamp)::timestamptz AS last,
        coalesce(bit_xor(hash_record_extended(d, 8816678312871386365)), 0)::bigint AS digest
    FROM (
        SELECT *
        FROM data
        WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
          AND timestamp >= sqlc.arg(start)::timestamptz
          AND timestamp <= sqlc.arg(stop)::timestamptz
    ) AS d
    GROUP BY 1, 2
)
SELECT midnight, turbine_id, samples, first, last, digest
FROM line
ORDER BY midnight, turbine_id;
