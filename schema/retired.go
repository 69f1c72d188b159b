package schema

import (
	"fmt"

	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
)

// What a former version of a schema had and this one does not: all that Apply
// ever drops. What leaves source.sql or target.sql is entered here, as dropName
// puts it: "table a", "column a.x", "index i on a", "check c on a", "foreign key
// f on a", "constraint u on a", "type t".
//
//nolint:gochecknoglobals // As Source.
var (
	sourceRetired []string
	targetRetired = []string{
		// What they said is in the columns' types now.
		"check run_trigger_known on run", "check run_scope_known on run", "check partition_outcome_known on partition",
		"check run_partition_outcome_known on run_partition", "check attempt_outcome_known on attempt",
		"check event_kind_known on event", "check run_log_level_known on run_log",
		"check check_rule_severity_known on check_rule", "check check_result_status_known on check_result",
		// It has another name, as its expression differs.
		"check partition_error_told on partition",
	}
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
