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
