-- The source database: one row a turbine and minute, as the farm logs it.
--
-- A CHECK that changes takes a new name: Atlas's command line compares names.

-- A turbine exists because somebody made it: seed, import or "delfos turbine". It logs
-- a sample each sample_interval, a whole number of seconds. No samples are expected
-- before the day commissioned and after the day decommissioned. What is not known is
-- NULL.
CREATE TABLE turbine (
    id integer NOT NULL,
    name text NOT NULL,
    sample_interval interval NOT NULL DEFAULT '1 minute'::interval,
    rated_power double precision,
    cut_in double precision,
    cut_out double precision,
    rotor_diameter double precision,
    hub_height double precision,
    altitude double precision,
    latitude double precision,
    longitude double precision,
    commissioned date,
    decommissioned date,
    CONSTRAINT turbine_pkey PRIMARY KEY (id),
    CONSTRAINT turbine_id_positive CHECK (id > 0),
    CONSTRAINT turbine_name_not_empty CHECK (name <> ''),
    CONSTRAINT turbine_sample_interval_within_day CHECK (sample_interval BETWEEN '1 second' AND '1 day'),
    CONSTRAINT turbine_sample_interval_whole CHECK (date_trunc('second', sample_interval) = sample_interval),
    CONSTRAINT turbine_rated_power_positive CHECK (rated_power > 0 AND rated_power < 'Infinity'::double precision),
    CONSTRAINT turbine_cut_in_positive CHECK (cut_in > 0 AND cut_in < 'Infinity'::double precision),
    CONSTRAINT turbine_cut_out_positive CHECK (cut_out > 0 AND cut_out < 'Infinity'::double precision),
    CONSTRAINT turbine_cut_ordered CHECK (cut_in < cut_out),
    CONSTRAINT turbine_rotor_diameter_positive CHECK (rotor_diameter > 0 AND rotor_diameter < 'Infinity'::double precision),
    CONSTRAINT turbine_hub_height_positive CHECK (hub_height > 0 AND hub_height < 'Infinity'::double precision),
    CONSTRAINT turbine_altitude_on_earth CHECK (altitude BETWEEN -500 AND 9000),
    CONSTRAINT turbine_latitude_on_earth CHECK (latitude BETWEEN -90 AND 90),
    CONSTRAINT turbine_longitude_on_earth CHECK (longitude BETWEEN -180 AND 180),
    CONSTRAINT turbine_days_ordered CHECK (commissioned <= decommissioned),
    CONSTRAINT turbine_days_writable CHECK (commissioned >= '0001-01-01' AND decommissioned <= '9999-12-31')
);
COMMENT ON COLUMN turbine.rated_power IS 'kW';
COMMENT ON COLUMN turbine.cut_in IS 'm/s';
COMMENT ON COLUMN turbine.cut_out IS 'm/s';
COMMENT ON COLUMN turbine.rotor_diameter IS 'm';
COMMENT ON COLUMN turbine.hub_height IS 'm';
COMMENT ON COLUMN turbine.altitude IS 'm';
COMMENT ON COLUMN turbine.latitude IS '°';
COMMENT ON COLUMN turbine.longitude IS '°';

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
-- The samples between two seconds: most sources have none, so that a look at it says
-- whether a range has any.
CREATE INDEX data_fraction_idx ON data (turbine_id, timestamp) WHERE timestamp <> timestamp::timestamptz(0);
COMMENT ON COLUMN data.wind_speed IS 'm/s';
COMMENT ON COLUMN data.power IS 'kW';
COMMENT ON COLUMN data.ambient_temperature IS '°C';

-- Which days' samples each transaction of seed, import and prune has changed, and by how
-- many rows, so that who looks for late data need not read the days that are as they were
-- (queries/source/changes.sql). A transaction's number means nothing to another cluster:
-- system is the one that it is of. A mark goes after a week.
CREATE TABLE data_change (
    system bigint NOT NULL,
    xid bigint NOT NULL,
    day date NOT NULL,
    rows bigint NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT data_change_pkey PRIMARY KEY (system, xid, day)
);
CREATE INDEX data_change_noted_at_idx ON data_change (noted_at);
