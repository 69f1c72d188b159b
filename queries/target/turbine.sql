-- name: TurbinesDiffer :one
-- Reports whether one of the source's turbines, given as the source API lists them, is
-- new or has changed. It reads all of turbine, which has a row a turbine.
SELECT EXISTS (
    SELECT (jsonb_populate_recordset(NULL::turbine, sqlc.arg(turbines)::text::jsonb)).*
    EXCEPT
    SELECT *
    FROM turbine
);

-- name: FollowTurbines :execrows
-- Writes the source's turbines that are new or have changed, given as the source API
-- lists them. Rows that are the same are left out before the upsert, which would lock
-- them. turbine_pkey arbitrates.
INSERT INTO turbine
SELECT (jsonb_populate_recordset(NULL::turbine, sqlc.arg(turbines)::text::jsonb)).*
EXCEPT
SELECT *
FROM turbine
ORDER BY id
ON CONFLICT (id) DO UPDATE
SET name = excluded.name,
    sample_interval = excluded.sample_interval,
    rated_power = excluded.rated_power,
    cut_in = excluded.cut_in,
    cut_out = excluded.cut_out,
    rotor_diameter = excluded.rotor_diameter,
    hub_height = excluded.hub_height,
    altitude = excluded.altitude,
    latitude = excluded.latitude,
    longitude = excluded.longitude,
    commissioned = excluded.commissioned,
    decommissioned = excluded.decommissioned;

-- name: ListTurbines :many
-- Every turbine by id, for GET /turbines. turbine_pkey gives the order.
SELECT *
FROM turbine
ORDER BY id;

-- name: ListTurbineSpans :many
-- Every turbine by id with its first and last window from start to stop, both
-- inclusive, for GET /turbines?span. turbine_pkey gives the order, data_pkey each end
-- by a probe a signal.
SELECT
    sqlc.embed(t),
    (span.first IS NOT NULL)::boolean AS loaded,
    coalesce(span.first, 'epoch')::timestamptz AS first,
    coalesce(span.last, 'epoch')::timestamptz AS last
FROM turbine AS t
CROSS JOIN LATERAL (
    SELECT min(ends.first) AS first, max(ends.last) AS last
    FROM signal AS s
    CROSS JOIN LATERAL (
        SELECT min(d.timestamp) AS first, max(d.timestamp) AS last
        FROM data AS d
        WHERE d.turbine_id = t.id
          AND d.signal_id = s.id
          AND d.timestamp >= sqlc.arg(start)::timestamptz
          AND d.timestamp <= sqlc.arg(stop)::timestamptz
    ) AS ends
) AS span
ORDER BY t.id;

-- name: ReadTurbineDigests :many
-- The turbines of a running day that need not be read again while their digest stays
-- the same. turbine_digest_pkey serves it.
SELECT *
FROM turbine_digest
WHERE day = sqlc.arg(day)
ORDER BY turbine_id;

-- name: ReplaceTurbineDigests :exec
-- Puts the turbines of a running day in the place of its last load's, and removes
-- those of days before. turbine_digest_pkey serves it.
WITH gone AS (
    DELETE FROM turbine_digest
    WHERE day <= sqlc.arg(day)::date
      AND (day < sqlc.arg(day)::date OR turbine_id <> ALL (sqlc.arg(turbine_ids)::integer[]))
)
INSERT INTO turbine_digest AS t (day, turbine_id, samples, windows, source_digest)
SELECT
    sqlc.arg(day)::date,
    unnest(sqlc.arg(turbine_ids)::integer[]),
    unnest(sqlc.arg(samples)::bigint[]),
    unnest(sqlc.arg(windows)::bigint[]),
    unnest(sqlc.arg(source_digests)::bigint[])
ON CONFLICT (day, turbine_id) DO UPDATE
SET samples = excluded.samples,
    windows = excluded.windows,
    source_digest = excluded.source_digest;
