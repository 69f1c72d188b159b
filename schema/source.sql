-- The source database: one row a turbine and minute, as the farm logs it.
--
-- A CHECK that changes takes a new name: Atlas's command line compares names.

CREATE TABLE turbine (
    id integer NOT NULL,
    name text NOT NULL,
    CONSTRAINT turbine_pkey PRIMARY KEY (id),
    CONSTRAINT turbine_id_positive CHECK (id > 0),
    CONSTRAINT turbine_name_not_empty CHECK (name <> '')
);

-- The columns behind the key are the variables: gen/variable lists them in this
-- order, each with its unit, which is the column's comment. A missing reading is
-- NULL. In PostgreSQL's order NaN is above Infinity, so each CHECK refuses NaN
-- and both infinities. There are no other bounds: a turbine at rest consumes, so
-- power may be negative.
CREATE TABLE data (
    turbine_id integer NOT NULL DEFAULT 1,
    timestamp timestamptz NOT NULL,
    wind_speed double precision,
    power double precision,
    ambient_temperature double precision,
    CONSTRAINT data_pkey PRIMARY KEY (turbine_id, timestamp),
    CONSTRAINT data_turbine_id_fkey FOREIGN KEY (turbine_id) REFERENCES turbine (id),
    CONSTRAINT data_timestamp_finite CHECK (isfinite(timestamp)),
    CONSTRAINT data_wind_speed_finite CHECK (wind_speed > '-Infinity'::double precision AND wind_speed < 'Infinity'::double precision),
    CONSTRAINT data_power_finite CHECK (power > '-Infinity'::double precision AND power < 'Infinity'::double precision),
    CONSTRAINT data_ambient_temperature_finite CHECK (ambient_temperature > '-Infinity'::double precision AND ambient_temperature < 'Infinity'::double precision)
);
COMMENT ON COLUMN data.wind_speed IS 'm/s';
COMMENT ON COLUMN data.power IS 'kW';
COMMENT ON COLUMN data.ambient_temperature IS '°C';
