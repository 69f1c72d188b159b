-- name: FollowTurbines :execrows
-- Writes the source's turbines that are new or have changed, given as the source API
-- lists them. Rows that are the same are left out before the upsert, which would lock
-- them. turbine_pkey arbitrates.
INSERT INTO turbine
SELECT (jsonb_populate_recordset(NULL::turbine, sqlc.arg(turbines)::jsonb)).*
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
