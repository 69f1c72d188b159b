-- The queries by which the source API of 0.1.0 read, as its generated code had them.

-- name: ReadSamples
SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature
FROM data
WHERE turbine_id = ANY ($1::integer[])
  AND timestamp >= $2::timestamptz
  AND timestamp <= $3::timestamptz
ORDER BY turbine_id, timestamp;

-- name: ReadSamplePage
SELECT turbine_id, timestamp, wind_speed, power, ambient_temperature
FROM data
WHERE turbine_id = ANY ($1::integer[])
  AND timestamp >= $2::timestamptz
  AND timestamp <= $3::timestamptz
ORDER BY turbine_id, timestamp
LIMIT $4::integer;

-- name: TagSamples
SELECT
    count(*) AS rows,
    coalesce(bit_xor(hash_record_extended(row(turbine_id, timestamp, wind_speed, power, ambient_temperature), 8816678312871386365)), 0)::bigint AS hash,
    (CASE WHEN pg_is_in_recovery() THEN '' ELSE pg_current_snapshot()::text END)::text AS snapshot
FROM data
WHERE turbine_id = ANY ($1::integer[])
  AND timestamp >= $2::timestamptz
  AND timestamp <= $3::timestamptz;

-- name: TagSamplePage
WITH page AS (
    SELECT turbine_id, timestamp, hash, row_number() OVER (ORDER BY turbine_id, timestamp) AS nth
    FROM (
        SELECT
            turbine_id, timestamp,
            hash_record_extended(row(turbine_id, timestamp, wind_speed, power, ambient_temperature), 8816678312871386365) AS hash
        FROM data
        WHERE turbine_id = ANY ($3::integer[])
          AND timestamp >= $2::timestamptz
          AND timestamp <= $4::timestamptz
        ORDER BY turbine_id, timestamp
        LIMIT $1::integer + 1
    ) AS hashed
)
SELECT
    count(*) AS rows,
    coalesce(bit_xor(hash) FILTER (WHERE nth <= $1::integer), 0)::bigint AS hash,
    coalesce(max(turbine_id) FILTER (WHERE nth = $1::integer), 0)::integer AS last_turbine_id,
    coalesce(max(timestamp) FILTER (WHERE nth = $1::integer), $2::timestamptz)::timestamptz AS last,
    (CASE WHEN pg_is_in_recovery() THEN '' ELSE pg_current_snapshot()::text END)::text AS snapshot
FROM page;

-- name: DigestSamples
WITH line AS MATERIALIZED (
    SELECT
        date_bin('1 day'::interval, timestamp, '0001-01-01Z'::timestamptz)::timestamptz AS midnight,
        turbine_id,
        count(*) AS samples,
        min(timestamp)::timestamptz AS first,
        max(timestamp)::timestamptz AS last,
        coalesce(bit_xor(hash_record_extended(row(turbine_id, timestamp, wind_speed, power, ambient_temperature), 8816678312871386365)), 0)::bigint AS digest
    FROM data
    WHERE turbine_id = ANY ($1::integer[])
      AND timestamp >= $2::timestamptz
      AND timestamp <= $3::timestamptz
    GROUP BY 1, 2
)
SELECT midnight, turbine_id, samples, first, last, digest
FROM line
ORDER BY midnight, turbine_id;

-- name: ListTurbines
SELECT id, name
FROM turbine
ORDER BY id;

-- name: ListTurbineSpans
SELECT
    t.id,
    t.name,
    (first.timestamp IS NOT NULL)::boolean AS sampled,
    coalesce(first.timestamp, 'epoch')::timestamptz AS first,
    coalesce(last.timestamp, 'epoch')::timestamptz AS last
FROM turbine AS t
LEFT JOIN LATERAL (
    SELECT d.timestamp
    FROM data AS d
    WHERE d.turbine_id = t.id
    ORDER BY d.timestamp
    LIMIT 1
) AS first ON true
LEFT JOIN LATERAL (
    SELECT d.timestamp
    FROM data AS d
    WHERE d.turbine_id = t.id
    ORDER BY d.timestamp DESC
    LIMIT 1
) AS last ON true
ORDER BY t.id;
