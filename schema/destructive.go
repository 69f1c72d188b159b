package schema

import (
	"fmt"
	"strings"

	"ariga.io/atlas/sql/schema"
)

// DestructiveError is a plan that was not applied because it would drop tables
// or columns. A change of a column's type does not count.
type DestructiveError struct {
	// Schema is the name of the schema that was to be applied.
	Schema string
	// Drops lists what would go, as "table data" or "column data.power", in
	// the order of the plan.
	Drops []string
}

func (e *DestructiveError) Error() string {
	return fmt.Sprintf("the plan would drop %s; nothing was changed (--allow-destructive applies it)", strings.Join(e.Drops, ", "))
}

// drops lists the tables and columns that changes would drop.
func drops(changes []schema.Change) []string {
	var list []string
	for _, change := range changes {
		switch change := change.(type) {
		case *schema.DropTable:
			list = append(list, "table "+change.T.Name)
		case *schema.ModifyTable:
			for _, part := range change.Changes {
				if column, ok := part.(*schema.DropColumn); ok {
					list = append(list, "column "+change.T.Name+"."+column.C.Name)
				}
			}
		}
	}
	return list
}
