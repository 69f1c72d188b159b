CREATE TABLE "public"."data" (
  "turbine_id" integer NOT NULL DEFAULT 1,
  "signal_id" integer NOT NULL,
  "timestamp" timestamptz NOT NULL,
  "value" double precision NOT NULL,
  PRIMARY KEY ("turbine_id", "signal_id", "timestamp"),
  CONSTRAINT "data_value_finite" CHECK ((value > '-Infinity'::double precision) AND (value < 'Infinity'::double precision))
);
CREATE INDEX "data_timestamp_idx" ON "public"."data" USING brin ("timestamp") WITH (pages_per_range = 16);
CREATE TABLE "public"."run" (
  "id" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  "trigger" text NOT NULL,
  "first_day" date NOT NULL,
  "last_day" date NOT NULL,
  "turbines" text NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY ("id"),
  CONSTRAINT "run_days_ordered" CHECK (first_day <= last_day),
  CONSTRAINT "run_trigger_known" CHECK (trigger = ANY (ARRAY['command'::text, 'backfill'::text, 'schedule'::text, 'sweep'::text]))
);
CREATE TABLE "public"."signal" (
  "id" integer NOT NULL,
  "name" text NOT NULL,
  PRIMARY KEY ("id"),
  CONSTRAINT "signal_name_not_empty" CHECK (name <> ''::text)
);
CREATE UNIQUE INDEX "signal_name_key" ON "public"."signal" ("name");
CREATE TABLE "public"."partition" (
  "day" date NOT NULL,
  "token" bigint NOT NULL DEFAULT 0,
  "claim_run_id" bigint NULL,
  "claim_pid" integer NULL,
  "claim_backend_start" timestamptz NULL,
  "lease_until" timestamptz NULL,
  "run_id" bigint NULL,
  "outcome" text NULL,
  "attempt" integer NOT NULL DEFAULT 0,
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
  "loaded_at" timestamptz NULL,
  "source_digest" bigint NULL,
  "source_digest_seen" bigint NULL,
  "target_digest" bigint NULL,
  PRIMARY KEY ("day"),
  CONSTRAINT "partition_claim_run_id_fkey" FOREIGN KEY ("claim_run_id") REFERENCES "public"."run" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "partition_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."run" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "partition_claim_whole" CHECK (num_nulls(claim_run_id, claim_pid, claim_backend_start, lease_until) = ANY (ARRAY[0, 4])),
  CONSTRAINT "partition_error_told" CHECK ((outcome <> 'failed'::text) OR (error <> ''::text)),
  CONSTRAINT "partition_outcome_known" CHECK (outcome = ANY (ARRAY['done'::text, 'empty'::text, 'failed'::text, 'cancelled'::text]))
);
CREATE TABLE "public"."attempt" (
  "day" date NOT NULL,
  "token" bigint NOT NULL,
  "run_id" bigint NOT NULL,
  "started_at" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "finished_at" timestamptz NULL,
  "outcome" text NULL,
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
  CONSTRAINT "attempt_finished_whole" CHECK ((outcome IS NULL) = (finished_at IS NULL)),
  CONSTRAINT "attempt_outcome_known" CHECK (outcome = ANY (ARRAY['done'::text, 'empty'::text, 'failed'::text, 'cancelled'::text]))
);
CREATE TABLE "public"."run_partition" (
  "run_id" bigint NOT NULL,
  "day" date NOT NULL,
  "token" bigint NULL,
  "outcome" text NULL,
  "finished_at" timestamptz NULL,
  PRIMARY KEY ("run_id", "day"),
  CONSTRAINT "run_partition_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."run" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "run_partition_outcome_known" CHECK (outcome = ANY (ARRAY['done'::text, 'empty'::text, 'failed'::text, 'cancelled'::text]))
);
