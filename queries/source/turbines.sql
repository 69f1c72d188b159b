-- name: ListTurbines :many
-- Every turbine by id, for GET /turbines and to resolve selectors. A few
-- thousand rows at most; turbine_pkey gives the order.
SELECT id, name
FROM turbine
ORDER BY id;

-- name: EnsureTurbines :execrows
-- Creates the turbines of the list that are not there yet; turbine_pkey
-- arbitrates.
INSERT INTO turbine (id, name)
SELECT id, 'Turbine ' || id
FROM unnest(sqlc.arg(ids)::integer[]) AS id
ORDER BY id
ON CONFLICT (id) DO NOTHING;

-- name: EnsureStagedTurbines :execrows
-- Creates the turbines that an import names and the source has not seen;
-- turbine_pkey arbitrates.
INSERT INTO turbine (id, name)
SELECT DISTINCT turbine_id, 'Turbine ' || turbine_id
FROM data_stage
ORDER BY turbine_id
ON CONFLICT (id) DO NOTHING;
