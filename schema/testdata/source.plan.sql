CREATE TABLE "public"."turbine" (
  "id" integer NOT NULL,
  "name" text NOT NULL,
  PRIMARY KEY ("id"),
  CONSTRAINT "turbine_id_positive" CHECK (id > 0),
  CONSTRAINT "turbine_name_not_empty" CHECK (name <> ''::text)
);
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
COMMENT ON COLUMN "public"."data"."wind_speed" IS 'm/s';
COMMENT ON COLUMN "public"."data"."power" IS 'kW';
COMMENT ON COLUMN "public"."data"."ambient_temperature" IS '°C';
