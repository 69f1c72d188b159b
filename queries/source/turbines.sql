-- name: ListTurbines :many
-- Every turbine by id, for GET /turbines. A few thousand rows at most; turbine_pkey
-- gives the order.
SELECT *
FROM turbine
ORDER BY id;

-- name: ListTurbineIDs :many
-- The ids of the turbines from low to high, to resolve selectors. turbine_pkey serves it.
SELECT id
FROM turbine
WHERE id BETWEEN sqlc.arg(low) AND sqlc.arg(high)
ORDER BY id;

-- name: FirstTurbine :one
-- The turbine that is meant where none is named, and HasFractions of its range; no row
-- if there is none. Behind a cursor it is the one that was the first when the pages
-- began. turbine_pkey and data_fraction_idx serve it.
WITH first AS (
    SELECT id
    FROM turbine
    WHERE id = coalesce(sqlc.narg(paged)::integer, id)
    ORDER BY id
    LIMIT 1
)
SELECT first.id, EXISTS (
    SELECT 1
    FROM data AS d
    WHERE d.turbine_id = (SELECT f.id FROM first AS f)
      AND d.timestamp >= sqlc.arg(start)::timestamptz
      AND d.timestamp <= sqlc.arg(stop)::timestamptz
      AND d.timestamp <> d.timestamp::timestamptz(0)
    LIMIT 1
) AS fractions
FROM first;

-- name: ListTurbineSpans :many
-- Every turbine by id with its first and last sample from start to stop, both
-- inclusive, for GET /turbines?span. turbine_pkey gives the order, data_pkey each
-- end by a look at its index.
SELECT
    sqlc.embed(t),
    (first.timestamp IS NOT NULL)::boolean AS sampled,
    coalesce(first.timestamp, 'epoch')::timestamptz AS first,
    coalesce(last.timestamp, 'epoch')::timestamptz AS last
FROM turbine AS t
LEFT JOIN LATERAL (
    SELECT d.timestamp
    FROM data AS d
    WHERE d.turbine_id = t.id
      AND d.timestamp >= sqlc.arg(start)::timestamptz
      AND d.timestamp <= sqlc.arg(stop)::timestamptz
    ORDER BY d.timestamp
    LIMIT 1
) AS first ON true
LEFT JOIN LATERAL (
    SELECT d.timestamp
    FROM data AS d
    WHERE d.turbine_id = t.id
      AND d.timestamp >= sqlc.arg(start)::timestamptz
      AND d.timestamp <= sqlc.arg(stop)::timestamptz
    ORDER BY d.timestamp DESC
    LIMIT 1
) AS last ON true
ORDER BY t.id;
