-- name: HasFractions :one
-- Reports whether any timestamp of a range has a fraction of a second, whatever page
-- of it is asked for: then all of the answer are written with one. data_fraction_idx
-- serves it.
SELECT EXISTS (
    SELECT 1
    FROM data
    WHERE turbine_id = ANY (sqlc.arg(turbine_ids)::integer[])
      AND timestamp >= sqlc.arg(start)::timestamptz
      AND timestamp <= sqlc.arg(stop)::timestamptz
      AND timestamp <> timestamp::timestamptz(0)
    LIMIT 1 -- for a cluster, which would bring all of them to the coordinator
);

-- name: TagSamples :one
-- What entity tags are made of: how many rows ReadSamples gives, and the xor of
-- their hashes, which internal/pgrow computes of rows that are read out. The
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
