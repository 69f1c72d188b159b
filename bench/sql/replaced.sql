-- The target of the replaced system, for a fleet: a row a turbine, signal and
-- window, whose signal is checked by a foreign key, row by row.
CREATE SCHEMA replaced;
CREATE TABLE replaced.signal (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE
);
CREATE TABLE replaced.data (
    turbine_id integer NOT NULL,
    signal_id integer NOT NULL REFERENCES replaced.signal (id),
    timestamp timestamptz NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (turbine_id, signal_id, timestamp)
);
INSERT INTO replaced.signal (id, name)
SELECT (v - 1) * 5 + s, variable || '_' || statistic
FROM unnest(ARRAY['wind_speed', 'power', 'ambient_temperature']) WITH ORDINALITY AS variables (variable, v)
CROSS JOIN unnest(ARRAY['mean', 'min', 'max', 'std', 'count']) WITH ORDINALITY AS statistics (statistic, s);
