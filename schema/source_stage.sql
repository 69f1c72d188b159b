-- Where seed and import copy rows to before they are merged into data.
-- file and line say where a row came from, so that an error can name it;
-- rows of a seed came from nowhere.
CREATE TEMPORARY TABLE data_stage (
    LIKE data,
    file integer NOT NULL DEFAULT 0,
    line bigint NOT NULL DEFAULT 0
) ON COMMIT DROP;
