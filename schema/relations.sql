-- What holds the names of public that a table or an index could have, and, of a
-- table, the columns that every INSERT has to name, as they are NOT NULL and have
-- no default. An extension's own are left out, and so are the parts of what is
-- partitioned.
SELECT
    c.relname,
    CASE c.relkind
        WHEN 'v' THEN 'a view'
        WHEN 'm' THEN 'a materialized view'
        WHEN 'f' THEN 'a foreign table'
        WHEN 'S' THEN 'a sequence'
        WHEN 'i' THEN 'an index on ' || i.indrelid::regclass
        WHEN 'I' THEN 'an index on ' || i.indrelid::regclass
        ELSE 'a table'
    END,
    c.relkind IN ('r', 'p'),
    ARRAY(
        SELECT a.attname::text
        FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND t.typdefault IS NULL
        ORDER BY a.attnum
    )
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')
  AND NOT c.relispartition
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY c.relname
