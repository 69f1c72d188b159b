package schema

import (
	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
)

// toEnums gives columns that become enumerations what PostgreSQL needs for it and
// Atlas leaves out: how to convert a value, and the end of a default of the former
// type before.
func toEnums(changes []schema.Change) []schema.Change {
	var out []schema.Change
	for _, change := range changes {
		table, ok := change.(*schema.ModifyTable)
		if !ok {
			out = append(out, change)
			continue
		}
		defaults := &schema.ModifyTable{T: table.T}
		for _, part := range table.Changes {
			column, ok := part.(*schema.ModifyColumn)
			if !ok || !becomesEnum(column) {
				continue
			}
			quoted := `"` + column.To.Name + `"`
			column.Extra = append(column.Extra, &postgres.ConvertUsing{X: quoted + "::text::" + `"` + column.To.Type.Raw + `"`})
			if column.From.Default != nil {
				bare := *column.From
				bare.Default = nil
				defaults.Changes = append(defaults.Changes, &schema.ModifyColumn{From: column.From, To: &bare, Change: schema.ChangeDefault})
				column.From = &bare
				column.Change |= schema.ChangeDefault
			}
		}
		if len(defaults.Changes) > 0 {
			out = append(out, defaults)
		}
		out = append(out, table)
	}
	return out
}

func becomesEnum(column *schema.ModifyColumn) bool {
	_, was := column.From.Type.Type.(*schema.EnumType)
	_, is := column.To.Type.Type.(*schema.EnumType)
	return is && !was
}
