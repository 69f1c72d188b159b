package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ariga.io/atlas/sql/schema"
	"github.com/jackc/pgx/v5/pgconn"
)

// relation is a thing in public that has the name of a table, or could have.
type relation struct {
	name, kind string
	isTable    bool
	// filled are the columns that every INSERT has to name, as they are NOT NULL
	// and have no default.
	filled []string
}

// relations reads what holds the names of public that a table could have. An
// extension's own are left out, and so are the parts of a partitioned table.
const relationsSQL = `
SELECT
    c.relname,
    CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' ELSE 'table' END,
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
WHERE c.relnamespace = 'public'::regnamespace
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND NOT c.relispartition
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY c.relname`

func (s *session) relations(ctx context.Context) ([]relation, error) {
	var found []relation
	err := s.raw(func(conn querier) error {
		rows, err := conn.Query(ctx, relationsSQL)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r relation
			if err := rows.Scan(&r.name, &r.kind, &r.isTable, &r.filled); err != nil {
				return err
			}
			found = append(found, r)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list tables of public: %w", err)
	}
	return found, nil
}

// notTables says which names of ours belong to something that is not a table.
func notTables(found []relation, desired *schema.Schema) error {
	var faults []error
	for _, r := range found {
		if _, ours := desired.Table(r.name); ours && !r.isTable {
			faults = append(faults, fmt.Errorf("%s is a %s, and this version needs a table of that name: rename the %s, or drop it", r.name, r.kind, r.kind))
		}
	}
	return refusal(faults)
}

// unfilled says which columns of our tables this version does not know and yet
// would have to fill; going are the columns that the plan drops.
func (s Schema) unfilled(found []relation, desired *schema.Schema, going []string) error {
	var faults []error
	for _, r := range found {
		table, ours := desired.Table(r.name)
		if !ours {
			continue
		}
		for _, column := range r.filled {
			name := "column " + r.name + "." + column
			if _, known := table.Column(column); known || slices.Contains(going, name) {
				continue
			}
			wayOut := "give it a default, or drop the NOT NULL"
			if slices.Contains(s.retired, name) {
				wayOut += ", or have it dropped by --allow-destructive"
			}
			faults = append(faults, fmt.Errorf("%s is NOT NULL without a default, and this version can't fill what it does not know: %s", name, wayOut))
		}
	}
	return refusal(faults)
}

func refusal(faults []error) error {
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("nothing was changed: %w", errors.Join(faults...))
}

// inFull adds to PostgreSQL's message what it says beside it, such as which view
// depends on a column.
func inFull(err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	text := []string{}
	for _, part := range []string{refused.Detail, refused.Hint} {
		if part != "" {
			text = append(text, strings.ReplaceAll(part, "\n", "; "))
		}
	}
	if len(text) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", err, strings.Join(text, " "))
}
