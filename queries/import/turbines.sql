-- name: EnsureTurbines :exec
-- Creates the turbines of the list that are not there yet; turbine_pkey
-- arbitrates.
INSERT INTO turbine (id, name)
SELECT id, 'Turbine ' || id
FROM unnest(sqlc.arg(ids)::integer[]) AS id
ORDER BY id
ON CONFLICT (id) DO NOTHING;

-- name: SeedTurbines :exec
-- Creates the turbines of a seed that are not there yet, as its weather model knows
-- them; turbine_pkey arbitrates.
INSERT INTO turbine (id, name, rated_power, cut_in, cut_out)
SELECT id, 'Turbine ' || id, sqlc.arg(rated_power)::double precision, sqlc.arg(cut_in)::double precision, sqlc.arg(cut_out)::double precision
FROM unnest(sqlc.arg(ids)::integer[]) AS id
ORDER BY id
ON CONFLICT (id) DO NOTHING;

-- name: EnsureStagedTurbines :execrows
-- Creates the turbines that an import names and the source has not seen;
-- turbine_pkey arbitrates.
INSERT INTO turbine (id, name)
SELECT DISTINCT turbine_id, 'Turbine ' || turbine_id
FROM data_stage
WHERE turbine_id > 0
ORDER BY turbine_id
ON CONFLICT (id) DO NOTHING;

-- name: LockTurbines :exec
-- Keeps others from making and changing turbines until the transaction ends, so that
-- names stay apart. Samples go on.
LOCK TABLE turbine IN SHARE ROW EXCLUSIVE MODE;

-- name: DescribeTurbines :many
-- Every turbine by id, as JSON like that of GET /turbines. turbine_pkey gives the order.
SELECT (to_jsonb(t) || jsonb_build_object('sample_interval', extract(epoch FROM sample_interval)::integer))::jsonb AS turbine
FROM turbine AS t
ORDER BY id;

-- name: ChangeTurbine :exec
-- Changes what the JSON says of a turbine; what it says nothing of stays.
-- turbine_pkey finds it.
INSERT INTO turbine
SELECT (jsonb_populate_record(t, sqlc.arg(attributes)::jsonb)).*
FROM turbine AS t
WHERE id = sqlc.arg(id)::integer
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

-- name: RemoveTurbine :execrows
-- Removes a turbine; data_turbine_id_fkey refuses it while there are samples of it.
DELETE FROM turbine
WHERE id = sqlc.arg(id)::integer;

-- name: ListTurbines :many
-- All turbines, to find them by name.
SELECT *
FROM turbine
ORDER BY id;

-- name: AddNamedTurbines :exec
-- Creates the turbines of the names that nobody has, behind the last id there is.
INSERT INTO turbine (id, name)
SELECT (SELECT coalesce(max(id), 0) FROM turbine) + row_number() OVER (ORDER BY new.place), new.name
FROM unnest(sqlc.arg(names)::text[]) WITH ORDINALITY AS new (name, place)
WHERE new.name NOT IN (SELECT t.name FROM turbine AS t);

-- name: NumberStaged :exec
-- Gives the staged rows of the n-th name of the list, which have the turbine -n, the
-- turbine of that name.
UPDATE data_stage AS s
SET turbine_id = named.id
FROM (
    SELECT new.place, min(t.id)::integer AS id
    FROM unnest(sqlc.arg(names)::text[]) WITH ORDINALITY AS new (name, place)
    JOIN turbine AS t ON t.name = new.name
    GROUP BY new.place
) AS named
WHERE s.turbine_id = -named.place;

-- name: SetIntervalOfStaged :exec
-- Sets the interval of the turbines that have staged rows.
UPDATE turbine
SET sample_interval = sqlc.arg(sample_interval)::interval
WHERE sample_interval <> sqlc.arg(sample_interval)::interval
  AND id IN (SELECT turbine_id FROM data_stage);
