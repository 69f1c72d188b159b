-- Where seed and import copy rows to before they are merged into data.
-- file and line say where a row came from, so that an error can name it.
CREATE TEMPORARY TABLE data_stage (
    turbine_id integer NOT NULL,
    timestamp timestamptz NOT NULL,
    wind_speed double precision,
    power double precision,
    ambient_temperature double precision,
    file integer NOT NULL,
    line bigint NOT NULL
) ON COMMIT DROP;
