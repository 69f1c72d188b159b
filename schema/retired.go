package schema

import (
	"fmt"

	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
)

// What a former version of a schema had and this one does not: all that Apply
// ever drops. What leaves source.sql or target.sql is entered here, as dropName
// puts it: "table a", "column a.x", "index i on a", "check c on a", "foreign key
// f on a", "constraint u on a". No version has given up anything yet.
//
//nolint:gochecknoglobals // As Source.
var (
	sourceRetired []string
	targetRetired []string
)

// dropName says what change would take from a table, as in "column data.power";
// "" when it takes nothing. losesRows is whether values go with it.
func dropName(table string, change schema.Change) (name string, losesRows bool) {
	switch change := change.(type) {
	case *schema.DropColumn:
		return "column " + table + "." + change.C.Name, true
	case *schema.DropIndex:
		kind := "index"
		for _, attr := range change.I.Attrs {
			if _, ok := attr.(*postgres.Constraint); ok {
				kind = "constraint"
			}
		}
		return fmt.Sprintf("%s %s on %s", kind, change.I.Name, table), false
	case *schema.DropForeignKey:
		return fmt.Sprintf("foreign key %s on %s", change.F.Symbol, table), false
	case *schema.DropCheck:
		return fmt.Sprintf("check %s on %s", change.C.Name, table), false
	default:
		return "", false
	}
}
