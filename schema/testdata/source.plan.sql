CREATE TABLE "public"."data_change" (
  "system" bigint NOT NULL,
  "xid" bigint NOT NULL,
  "day" date NOT NULL,
  "rows" bigint NOT NULL,
  "noted_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY ("system", "xid", "day")
);
CREATE INDEX "data_change_noted_at_idx" ON "public"."data_change" ("noted_at");
CREATE TABLE "public"."turbine" (
  "id" integer NOT NULL,
  "name" text NOT NULL,
  "sample_interval" interval NOT NULL DEFAULT '00:01:00'::interval,
  "rated_power" double precision NULL,
  "cut_in" double precision NULL,
  "cut_out" double precision NULL,
  "rotor_diameter" double precision NULL,
  "hub_height" double precision NULL,
  "altitude" double precision NULL,
  "latitude" double precision NULL,
  "longitude" double precision NULL,
  "commissioned" date NULL,
  "decommissioned" date NULL,
  PRIMARY KEY ("id"),
  CONSTRAINT "turbine_altitude_on_earth" CHECK ((altitude >= ('-500'::integer)::double precision) AND (altitude <= (9000)::double precision)),
  CONSTRAINT "turbine_cut_in_positive" CHECK ((cut_in > (0)::double precision) AND (cut_in < 'Infinity'::double precision)),
  CONSTRAINT "turbine_cut_ordered" CHECK (cut_in < cut_out),
  CONSTRAINT "turbine_cut_out_positive" CHECK ((cut_out > (0)::double precision) AND (cut_out < 'Infinity'::double precision)),
  CONSTRAINT "turbine_days_ordered" CHECK (commissioned <= decommissioned),
  CONSTRAINT "turbine_days_writable" CHECK ((commissioned >= '0001-01-01'::date) AND (decommissioned <= '9999-12-31'::date)),
  CONSTRAINT "turbine_hub_height_positive" CHECK ((hub_height > (0)::double precision) AND (hub_height < 'Infinity'::double precision)),
  CONSTRAINT "turbine_id_positive" CHECK (id > 0),
  CONSTRAINT "turbine_latitude_on_earth" CHECK ((latitude >= ('-90'::integer)::double precision) AND (latitude <= (90)::double precision)),
  CONSTRAINT "turbine_longitude_on_earth" CHECK ((longitude >= ('-180'::integer)::double precision) AND (longitude <= (180)::double precision)),
  CONSTRAINT "turbine_name_not_empty" CHECK (name <> ''::text),
  CONSTRAINT "turbine_rated_power_positive" CHECK ((rated_power > (0)::double precision) AND (rated_power < 'Infinity'::double precision)),
  CONSTRAINT "turbine_rotor_diameter_positive" CHECK ((rotor_diameter > (0)::double precision) AND (rotor_diameter < 'Infinity'::double precision)),
  CONSTRAINT "turbine_sample_interval_whole" CHECK (date_trunc('second'::text, sample_interval) = sample_interval),
  CONSTRAINT "turbine_sample_interval_within_day" CHECK ((sample_interval >= '00:00:01'::interval) AND (sample_interval <= '1 day'::interval))
);
COMMENT ON COLUMN "public"."turbine"."rated_power" IS 'kW';
COMMENT ON COLUMN "public"."turbine"."cut_in" IS 'm/s';
COMMENT ON COLUMN "public"."turbine"."cut_out" IS 'm/s';
COMMENT ON COLUMN "public"."turbine"."rotor_diameter" IS 'm';
COMMENT ON COLUMN "public"."turbine"."hub_height" IS 'm';
COMMENT ON COLUMN "public"."turbine"."altitude" IS 'm';
COMMENT ON COLUMN "public"."turbine"."latitude" IS '°';
COMMENT ON COLUMN "public"."turbine"."longitude" IS '°';
CREATE TABLE "public"."data" (
  "turbine_id" integer NOT NULL DEFAULT 1,
  "timestamp" timestamptz NOT NULL,
  "wind_speed" double precision NULL,
  "power" double precision NULL,
  "ambient_temperature" double precision NULL,
  PRIMARY KEY ("turbine_id", "timestamp"),
  CONSTRAINT "data_turbine_id_fkey" FOREIGN KEY ("turbine_id") REFERENCES "public"."turbine" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "data_ambient_temperature_finite" CHECK ((ambient_temperature > '-Infinity'::double precision) AND (ambient_temperature < 'Infinity'::double precision)),
  CONSTRAINT "data_power_finite" CHECK ((power > '-Infinity'::double precision) AND (power < 'Infinity'::double precision)),
  CONSTRAINT "data_timestamp_finite" CHECK (isfinite("timestamp")),
  CONSTRAINT "data_wind_speed_finite" CHECK ((wind_speed > '-Infinity'::double precision) AND (wind_speed < 'Infinity'::double precision))
);
CREATE INDEX "data_fraction_idx" ON "public"."data" ("turbine_id", "timestamp") WHERE ("timestamp" <> ("timestamp")::timestamp(0) with time zone);
COMMENT ON COLUMN "public"."data"."wind_speed" IS 'm/s';
COMMENT ON COLUMN "public"."data"."power" IS 'kW';
COMMENT ON COLUMN "public"."data"."ambient_temperature" IS '°C';
