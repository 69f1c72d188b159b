-- Where seed and import copy rows to before they are merged into data.
-- file and line say where a row came from, so that an error can name it.
CREATE TEMPORARY TABLE data_stage (
    LIKE data,
    file integer NOT NULL,
    line bigint NOT NULL
) ON COMMIT DROP;
