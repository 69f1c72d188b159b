CREATE TABLE "public"."data" (
  "turbine_id" integer NOT NULL DEFAULT 1,
  "signal_id" integer NOT NULL,
  "timestamp" timestamptz NOT NULL,
  "value" double precision NOT NULL,
  PRIMARY KEY ("turbine_id", "signal_id", "timestamp"),
  CONSTRAINT "data_value_finite" CHECK ((value > '-Infinity'::double precision) AND (value < 'Infinity'::double precision))
);
CREATE INDEX "data_timestamp_idx" ON "public"."data" USING brin ("timestamp") WITH (pages_per_range = 16);
CREATE TABLE "public"."schedule" (
  "id" integer NOT NULL,
  "paused" boolean NOT NULL DEFAULT false,
  "checked_at" timestamptz NULL,
  "swept_at" timestamptz NULL,
  "sweep_took" interval NOT NULL DEFAULT '00:00:00'::interval,
  "swept_whole_at" timestamptz NULL,
  "sweep_cursor" text NULL,
  "sweep_again" date[] NULL,
  "suspect_since" timestamptz NULL,
  "suspect_reason" text NULL,
  "today_at" timestamptz NULL,
  "changed_at" timestamptz NULL,
  "changed_by" text NULL,
  PRIMARY KEY ("id"),
  CONSTRAINT "schedule_single" CHECK (id = 1),
  CONSTRAINT "schedule_suspect_whole" CHECK ((suspect_since IS NULL) = (suspect_reason IS NULL))
);
CREATE TYPE "public"."run_state" AS ENUM ('queued', 'running', 'done', 'failed', 'cancelled');
CREATE TYPE "public"."run_trigger" AS ENUM ('command', 'backfill', 'schedule', 'sweep', 'today', 'prune_target', 'prune_source');
CREATE TYPE "public"."outcome" AS ENUM ('done', 'empty', 'failed', 'cancelled', 'pruned');
CREATE TYPE "public"."severity" AS ENUM ('off', 'warn', 'block');
CREATE TYPE "public"."check_status" AS ENUM ('pass', 'warn', 'block');
CREATE TYPE "public"."event_kind" AS ENUM ('partition', 'run', 'schedule');
CREATE TYPE "public"."log_level" AS ENUM ('debug', 'info', 'warn', 'error');
CREATE TYPE "public"."condition_kind" AS ENUM ('day_failed', 'day_late', 'source_suspect');
CREATE TABLE "public"."worker" (
  "id" text NOT NULL,
  "host" text NOT NULL,
  "pid" integer NOT NULL,
  "workers" integer NOT NULL,
  "jobs" bigint[] NOT NULL,
  "started_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "beat_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "lease_until" timestamptz NOT NULL,
  "settings" text NOT NULL DEFAULT '',
  PRIMARY KEY ("id")
);
CREATE TABLE "public"."turbine_digest" (
  "day" date NOT NULL,
  "turbine_id" integer NOT NULL,
  "samples" bigint NOT NULL,
  "windows" bigint NOT NULL,
  "source_digest" bigint NOT NULL,
  PRIMARY KEY ("day", "turbine_id")
);
CREATE TYPE "public"."partition_state" AS ENUM ('missing', 'queued', 'running', 'done', 'stale', 'empty', 'failed', 'cancelled', 'pruned');
CREATE TABLE "public"."check_rule" (
  "check_name" text NOT NULL,
  "variable" text NOT NULL,
  "severity" "public"."severity" NOT NULL,
  "low" double precision NULL,
  "high" double precision NULL,
  PRIMARY KEY ("check_name", "variable")
);
CREATE TYPE "public"."run_scope" AS ENUM ('all', 'missing', 'failed', 'stale');
CREATE TABLE "public"."event" (
  "entry" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  "id" bigint NULL,
  "at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "kind" "public"."event_kind" NOT NULL,
  "day" date NULL,
  "run_id" bigint NULL,
  "state" text NOT NULL,
  "actor" text NULL,
  PRIMARY KEY ("entry")
);
CREATE UNIQUE INDEX "event_id_key" ON "public"."event" ("id");
CREATE INDEX "event_unnumbered_idx" ON "public"."event" ("entry") WHERE (id IS NULL);
CREATE TABLE "public"."flag" (
  "turbine_id" integer NOT NULL,
  "variable" text NOT NULL,
  "timestamp" timestamptz NOT NULL,
  "check_name" text NOT NULL,
  "version" integer NOT NULL,
  "detail" text NOT NULL,
  PRIMARY KEY ("turbine_id", "variable", "timestamp", "check_name")
);
CREATE INDEX "flag_timestamp_idx" ON "public"."flag" ("timestamp");
CREATE TABLE "public"."forgotten" (
  "day" date NOT NULL,
  "token" bigint NOT NULL,
  "at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "actor" text NULL,
  PRIMARY KEY ("day")
);
CREATE TABLE "public"."notice" (
  "id" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  "kind" "public"."condition_kind" NOT NULL,
  "ended" boolean NOT NULL,
  "data" jsonb NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "attempts" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "sent_at" timestamptz NULL,
  PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "notice_created_at_key" ON "public"."notice" ("kind", "ended", "created_at");
CREATE INDEX "notice_unsent_idx" ON "public"."notice" ("id") WHERE (sent_at IS NULL);
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
  PRIMARY KEY ("id")
);
COMMENT ON COLUMN "public"."turbine"."rated_power" IS 'kW';
COMMENT ON COLUMN "public"."turbine"."cut_in" IS 'm/s';
COMMENT ON COLUMN "public"."turbine"."cut_out" IS 'm/s';
COMMENT ON COLUMN "public"."turbine"."rotor_diameter" IS 'm';
COMMENT ON COLUMN "public"."turbine"."hub_height" IS 'm';
COMMENT ON COLUMN "public"."turbine"."altitude" IS 'm';
COMMENT ON COLUMN "public"."turbine"."latitude" IS '°';
COMMENT ON COLUMN "public"."turbine"."longitude" IS '°';
CREATE TABLE "public"."run" (
  "id" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  "trigger" "public"."run_trigger" NOT NULL,
  "first_day" date NOT NULL,
  "last_day" date NOT NULL,
  "turbines" text NULL,
  "scope" "public"."run_scope" NOT NULL DEFAULT 'all',
  "parallel" integer NULL,
  "allow_empty" boolean NOT NULL DEFAULT false,
  "stop_on_failure" boolean NOT NULL DEFAULT false,
  "idempotency_key" text NULL,
  "request" text NULL,
  "actor" text NULL,
  "request_id" text NULL,
  "trace_id" text NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "cancelled_at" timestamptz NULL,
  "cancelled_by" text NULL,
  "retried_at" timestamptz NULL,
  "retried_by" text NULL,
  "closed_at" timestamptz NULL,
  "priority" integer NOT NULL GENERATED ALWAYS AS (
CASE trigger
    WHEN 'schedule'::run_trigger THEN 1
    WHEN 'sweep'::run_trigger THEN 2
    ELSE 3
END) STORED,
  PRIMARY KEY ("id"),
  CONSTRAINT "run_days_ordered" CHECK (first_day <= last_day),
  CONSTRAINT "run_days_writable" CHECK ((first_day >= '0001-01-01'::date) AND (last_day <= '9999-12-31'::date)),
  CONSTRAINT "run_parallel_positive" CHECK (parallel > 0),
  CONSTRAINT "run_request_id_loggable" CHECK (request_id ~ '^[!-~]{1,128}$'::text),
  CONSTRAINT "run_request_kept" CHECK ((idempotency_key IS NULL) = (request IS NULL)),
  CONSTRAINT "run_trace_id_hexadecimal" CHECK (trace_id ~ '^[0-9a-f]{32}$'::text)
);
CREATE UNIQUE INDEX "run_idempotency_key_key" ON "public"."run" ("idempotency_key");
CREATE INDEX "run_unclosed_idx" ON "public"."run" ("id") WHERE (closed_at IS NULL);
CREATE TABLE "public"."signal" (
  "id" integer NOT NULL,
  "name" text NOT NULL,
  PRIMARY KEY ("id"),
  CONSTRAINT "signal_name_not_empty" CHECK (name <> ''::text)
);
CREATE UNIQUE INDEX "signal_name_key" ON "public"."signal" ("name");
CREATE TABLE "public"."condition" (
  "kind" "public"."condition_kind" NOT NULL,
  "day" date NOT NULL,
  "began_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY ("kind", "day")
);
CREATE TABLE "public"."partition" (
  "day" date NOT NULL,
  "token" bigint NOT NULL DEFAULT 0,
  "claim_run_id" bigint NULL,
  "claim_pid" integer NULL,
  "claim_backend_start" timestamptz NULL,
  "lease_until" timestamptz NULL,
  "run_id" bigint NULL,
  "outcome" "public"."outcome" NULL,
  "attempt" integer NOT NULL DEFAULT 0,
  "next_attempt_at" timestamptz NULL,
  "error" text NULL,
  "started_at" timestamptz NULL,
  "finished_at" timestamptz NULL,
  "inserted" bigint NULL,
  "updated" bigint NULL,
  "deleted" bigint NULL,
  "samples" bigint NULL,
  "expected" bigint NULL,
  "windows" bigint NULL,
  "rows" bigint NOT NULL DEFAULT 0,
  "rows_most" bigint NOT NULL DEFAULT 0,
  "loaded_at" timestamptz NULL,
  "source_digest" bigint NULL,
  "source_digest_seen" bigint NULL,
  "looked_at" timestamptz NULL,
  "target_digest" bigint NULL,
  "source_pruned_at" timestamptz NULL,
  PRIMARY KEY ("day"),
  CONSTRAINT "partition_claim_run_id_fkey" FOREIGN KEY ("claim_run_id") REFERENCES "public"."run" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "partition_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."run" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "partition_claim_whole" CHECK (num_nulls(claim_run_id, claim_pid, claim_backend_start, lease_until) = ANY (ARRAY[0, 4])),
  CONSTRAINT "partition_day_writable" CHECK ((day >= '0001-01-01'::date) AND (day <= '9999-12-31'::date)),
  CONSTRAINT "partition_error_given" CHECK ((outcome <> 'failed'::outcome) OR (error <> ''::text))
);
CREATE TABLE "public"."attempt" (
  "day" date NOT NULL,
  "token" bigint NOT NULL,
  "run_id" bigint NOT NULL,
  "actor" text NULL,
  "started_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "finished_at" timestamptz NULL,
  "outcome" "public"."outcome" NULL,
  "error" text NULL,
  "samples" bigint NULL,
  "expected" bigint NULL,
  "inserted" bigint NULL,
  "updated" bigint NULL,
  "deleted" bigint NULL,
  "source_digest_before" bigint NULL,
  "source_digest_after" bigint NULL,
  "target_digest_before" bigint NULL,
  "target_digest_after" bigint NULL,
  PRIMARY KEY ("day", "token"),
  CONSTRAINT "attempt_day_fkey" FOREIGN KEY ("day") REFERENCES "public"."partition" ("day") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "attempt_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."run" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "attempt_finished_whole" CHECK ((outcome IS NULL) = (finished_at IS NULL))
);
CREATE INDEX "attempt_run_id_idx" ON "public"."attempt" ("run_id");
CREATE TABLE "public"."check_result" (
  "day" date NOT NULL,
  "check_name" text NOT NULL,
  "variable" text NOT NULL,
  "version" integer NOT NULL,
  "status" "public"."check_status" NOT NULL,
  "faults" bigint NOT NULL,
  "detail" text NOT NULL,
  "token" bigint NOT NULL,
  "checked_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY ("day", "check_name", "variable"),
  CONSTRAINT "check_result_day_fkey" FOREIGN KEY ("day") REFERENCES "public"."partition" ("day") ON UPDATE NO ACTION ON DELETE NO ACTION
);
CREATE INDEX "check_result_doubt_idx" ON "public"."check_result" ("day") WHERE (status <> 'pass'::check_status);
CREATE TABLE "public"."run_log" (
  "id" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  "run_id" bigint NOT NULL,
  "day" date NULL,
  "at" timestamptz NOT NULL,
  "level" "public"."log_level" NOT NULL,
  "message" text NOT NULL,
  "attributes" jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY ("id"),
  CONSTRAINT "run_log_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."run" ("id") ON UPDATE NO ACTION ON DELETE CASCADE
);
CREATE INDEX "run_log_run_id_idx" ON "public"."run_log" ("run_id", "id");
CREATE TABLE "public"."run_partition" (
  "run_id" bigint NOT NULL,
  "day" date NOT NULL,
  "requested_at" timestamptz NOT NULL DEFAULT now(),
  "token" bigint NULL,
  "outcome" "public"."outcome" NULL,
  "finished_at" timestamptz NULL,
  "queued" boolean NOT NULL DEFAULT true,
  PRIMARY KEY ("run_id", "day"),
  CONSTRAINT "run_partition_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."run" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "run_partition_day_writable" CHECK ((day >= '0001-01-01'::date) AND (day <= '9999-12-31'::date))
);
CREATE INDEX "run_partition_day_idx" ON "public"."run_partition" ("day", "run_id");
CREATE INDEX "run_partition_open_idx" ON "public"."run_partition" ("day") WHERE (outcome IS NULL);
