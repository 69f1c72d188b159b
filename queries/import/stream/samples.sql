-- name: CopySamples :copyfrom
-- @copy
-- Loads samples where there are none.
INSERT INTO data (turbine_id, timestamp, wind_speed, power, ambient_temperature)
VALUES ($1, $2, $3, $4, $5);

-- name: StageSamples :copyfrom
-- @copy
-- Stages samples that come from no file.
INSERT INTO data_stage (turbine_id, timestamp, wind_speed, power, ambient_temperature)
VALUES ($1, $2, $3, $4, $5);

-- name: StageLines :copyfrom
-- @copy
-- Stages the lines of files.
INSERT INTO data_stage (turbine_id, timestamp, wind_speed, power, ambient_temperature, file, line)
VALUES ($1, $2, $3, $4, $5, $6, $7);
