-- name: ReadSamples :many
-- The rows of GET /data in their order, read row by row off the wire by
-- internal/pgstream. The ids are a sorted array: data_pkey serves each
-- turbine's range in turn and gives the order, so nothing is sorted.
SELECT *
FROM data
WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
  AND timestamp >= sqlc.arg(start)::timestamptz
  AND timestamp <= sqlc.arg(stop)::timestamptz
ORDER BY turbine_id, timestamp;

-- name: ReadSamplePage :many
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

-- name: TagSamples :one
-- What entity tags are made of: how many rows ReadSamples gives, and the xor of
-- their hashes, which internal/pghash computes of rows that are read out. The
-- seed is that of hash partitions; with 0 a reading of 0 would hash as a NULL.
-- sqlc writes out the columns of d: columns that somebody added do not count.
-- data_pkey serves each turbine's range.
SELECT
    count(*) AS rows,
    coalesce(bit_xor(hash_record_extended(d, 8816678312871386365)), 0)::bigint AS hash
FROM (
    SELECT *
    FROM data
    WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
      AND timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp <= sqlc.arg(stop)::timestamptz
) AS d;

-- name: TagSamplePage :one
-- The same of the first lim rows; rows is one more when others follow, and
-- last_turbine_id and last are the key of row lim, if there is one. data_pkey
-- serves each turbine's range and gives the order.
WITH page AS (
    SELECT turbine_id, timestamp, hash, row_number() OVER (ORDER BY turbine_id, timestamp) AS nth
    FROM (
        SELECT turbine_id, timestamp, hash_record_extended(d, 8816678312871386365) AS hash
        FROM (
            SELECT *
            FROM data
            WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
              AND timestamp >= sqlc.arg(start)::timestamptz
              AND timestamp <= sqlc.arg(stop)::timestamptz
            ORDER BY turbine_id, timestamp
            LIMIT sqlc.arg(lim)::integer + 1
        ) AS d
    ) AS hashed
)
SELECT
    count(*) AS rows,
    coalesce(bit_xor(hash) FILTER (WHERE nth <= sqlc.arg(lim)::integer), 0)::bigint AS hash,
    coalesce(max(turbine_id) FILTER (WHERE nth = sqlc.arg(lim)::integer), 0)::integer AS last_turbine_id,
    coalesce(max(timestamp) FILTER (WHERE nth = sqlc.arg(lim)::integer), sqlc.arg(start)::timestamptz)::timestamptz AS last
FROM page;

-- name: DigestSamples :many
-- A digest of each day and turbine's samples in [start, stop], for
-- GET /data/digest and the ETL: it changes when any reading does, and does not
-- depend on the order. The hash is that of TagSamples. data_pkey serves each
-- turbine's range. The lines are made before they are sorted: left to itself,
-- the planner sorts the samples, of which it expects a line each.
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
