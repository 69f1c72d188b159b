package schema

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ariga.io/atlas/sql/schema"
	"github.com/jackc/pgx/v5/pgconn"
)

// relation is a thing in public that has the name of a table or an index of ours,
// or could have.
type relation struct {
	name    string
	kind    string // "a table", "an index on data"
	isTable bool
	// filled are the columns that every INSERT has to name, as they are NOT NULL
	// and have no default.
	filled []string
}

//go:embed relations.sql
var relationsSQL string

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

// taken says which names of ours belong to something else.
func taken(found []relation, desired *schema.Schema) error {
	needed := map[string]string{}
	for _, table := range desired.Tables {
		needed[table.Name] = "a table"
		for _, index := range table.Indexes {
			needed[index.Name] = "an index on " + table.Name
		}
	}
	var faults []error
	for _, r := range found {
		if need, ours := needed[r.name]; ours && r.kind != need {
			faults = append(faults, fmt.Errorf("%s is %s, and this version needs %s of that name: rename what has it, or drop it", r.name, r.kind, need))
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
