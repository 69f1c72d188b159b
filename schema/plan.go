package schema

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
	"github.com/jackc/pgx/v5"
)

// What a former version of a schema had and this version does not have: nothing
// else is ever dropped by Apply. What leaves source.sql or target.sql is entered
// here, as dropName writes it: "table a", "column a.x", "index i on a", "check c
// on a", "foreign key f on a", "constraint u on a", "type t".
//
//nolint:gochecknoglobals // As Source.
var (
	sourceRetired []string
	targetRetired = []string{
		// The columns' types say now what these said.
		"check run_trigger_known on run", "check run_scope_known on run", "check partition_outcome_known on partition",
		"check run_partition_outcome_known on run_partition", "check attempt_outcome_known on attempt",
		"check event_kind_known on event", "check run_log_level_known on run_log",
		"check check_rule_severity_known on check_rule", "check check_result_status_known on check_result",
		// Its expression differs now, so it has another name.
		"check partition_error_told on partition",
	}
)

type steps struct {
	changes []*migrate.Change
	added   []string // new columns of existing tables, as "table.column"
}

var altered = regexp.MustCompile(`^(?:ALTER|DROP) TABLE ("\w+"\."\w+")`)

// apart says which changes keep nobody from reading, because they are of tables that no other change
// alters, and which tables the others alter.
func (s steps) apart() (before, after []*migrate.Change, tables []string) {
	for _, change := range s.changes {
		if m := altered.FindStringSubmatch(change.Cmd); m != nil && !slices.Contains(tables, m[1]) {
			tables = append(tables, m[1])
		}
	}
	for _, change := range s.changes {
		m := indexed.FindStringSubmatch(change.Cmd)
		if m != nil && !slices.Contains(tables, m[1]) && !s.creates(m[1]) {
			before = append(before, change)
		} else {
			after = append(after, change)
		}
	}
	return before, after, tables
}

// indexed matches an index, and its table.
var indexed = regexp.MustCompile(`^CREATE (?:UNIQUE )?INDEX .*? ON ("\w+"\."\w+")`)

func (s steps) creates(table string) bool {
	return slices.ContainsFunc(s.changes, func(c *migrate.Change) bool { return strings.HasPrefix(c.Cmd, "CREATE TABLE "+table+" ") })
}

func (s Schema) plan(ctx context.Context, db *session, desired *schema.Schema, destructive bool) (Plan, steps, error) {
	found, err := collect(ctx, db, pgx.RowToStructByPos[relation], relationsSQL)
	if err != nil {
		return Plan{}, steps{}, fmt.Errorf("list tables of public: %w", err)
	}
	if err := checkNames(found, desired); err != nil {
		return Plan{}, steps{}, err
	}
	current, err := db.inspect(ctx, s.tables(desired)...)
	if err != nil {
		return Plan{}, steps{}, err
	}
	attributes := adopt(current, desired)
	// Both sides were read back from a server, so Atlas may compare a CHECK as text.
	changes, err := db.driver.SchemaDiff(current, desired, schema.DiffNormalized())
	if err != nil {
		return Plan{}, steps{}, fmt.Errorf("compare schemas: %w", err)
	}
	chosen := s.choose(changes, destructive)
	if err := s.checkColumns(found, desired, chosen.dropped); err != nil {
		return Plan{}, steps{}, err
	}
	planned, err := db.driver.PlanChanges(ctx, "apply", apart(toEnums(chosen.changes)), func(o *migrate.PlanOptions) {
		o.Indent = "  "
	})
	if err != nil {
		return Plan{}, steps{}, fmt.Errorf("plan changes: %w", err)
	}
	plan := Plan{Retired: chosen.held, Foreign: slices.Concat(s.foreignTables(found, desired), chosen.foreign, attributes)}
	for _, change := range planned.Changes {
		plan.Statements = append(plan.Statements, strings.TrimRight(change.Cmd, " \n;")+";")
	}
	return plan, steps{planned.Changes, chosen.added()}, nil
}

// tables names the tables that this version of the schema has, or a former one had.
func (s Schema) tables(desired *schema.Schema) []string {
	var names []string
	for _, table := range desired.Tables {
		names = append(names, table.Name)
	}
	for _, retired := range s.retired {
		if name, ok := strings.CutPrefix(retired, "table "); ok {
			names = append(names, name)
		}
	}
	return names
}

// relation is a thing in public that has, or could have, the name of a table or index of ours.
type relation struct {
	Name    string
	Kind    string // "a table", "an index on data"
	IsTable bool
	// Required are the columns that every INSERT has to name: NOT NULL without a default.
	Required []string
}

//go:embed relations.sql
var relationsSQL string

func checkNames(found []relation, desired *schema.Schema) error {
	needed := map[string]string{}
	for _, table := range desired.Tables {
		needed[table.Name] = "a table"
		for _, index := range table.Indexes {
			needed[index.Name] = "an index on " + table.Name
		}
	}
	var faults []error
	for _, r := range found {
		if need, ours := needed[r.Name]; ours && r.Kind != need {
			faults = append(faults, fmt.Errorf("%s is %s, and this version needs %s of that name: rename what has it, or drop it", r.Name, r.Kind, need))
		}
	}
	return refusal(faults)
}

// checkColumns refuses a database whose tables have columns that this version does not know and would
// have to fill, apart from those that the plan drops.
func (s Schema) checkColumns(found []relation, desired *schema.Schema, dropped []string) error {
	var faults []error
	for _, r := range found {
		table, ours := desired.Table(r.Name)
		if !ours {
			continue
		}
		for _, column := range r.Required {
			name := "column " + r.Name + "." + column
			if _, known := table.Column(column); known || slices.Contains(dropped, name) {
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

// choice is which of Atlas's changes Apply makes, and what it found beside them.
type choice struct {
	changes []schema.Change
	held    []string // tables and columns of a former version, kept with their rows
	foreign []string // what no version of ours made
	dropped []string
}

// choose leaves out of changes each drop of something that no version of s had and, unless
// destructive, those that lose rows. Other things of a former version (an index, a CHECK, a foreign
// key) are dropped, because they might refuse what this version writes.
func (s Schema) choose(changes []schema.Change, destructive bool) choice {
	var c choice
	drop := func(name string, losesRows bool) bool {
		switch {
		case !slices.Contains(s.retired, name):
			c.foreign = append(c.foreign, name)
		case losesRows && !destructive:
			c.held = append(c.held, name)
		default:
			c.dropped = append(c.dropped, name)
			return true
		}
		return false
	}
	for _, change := range changes {
		wanted := true
		switch change := change.(type) {
		case *schema.ModifySchema: // the database's own comment and owner of public
			wanted = false
		case *schema.DropTable:
			wanted = drop("table "+change.T.Name, true)
		case *schema.DropObject:
			enum, ok := change.O.(*schema.EnumType)
			wanted = !ok || drop("type "+enum.T, false)
		case *schema.ModifyTable:
			change.Changes = slices.DeleteFunc(change.Changes, func(part schema.Change) bool {
				name, losesRows := dropName(change.T.Name, part)
				return name != "" && !drop(name, losesRows)
			})
			wanted = len(change.Changes) > 0
		}
		if wanted {
			c.changes = append(c.changes, change)
		}
	}
	return c
}

// dropName says what a change would drop of a table, as in "column data.power";
// "" when it drops nothing. losesRows reports whether values are lost with it.
func dropName(table string, change schema.Change) (name string, losesRows bool) {
	switch change := change.(type) {
	case *schema.DropColumn:
		return "column " + table + "." + change.C.Name, true
	case *schema.DropIndex:
		kind := "index"
		if slices.ContainsFunc(change.I.Attrs, isA[*postgres.Constraint]) {
			kind = "constraint"
		}
		return kind + " " + change.I.Name + " on " + table, false
	case *schema.DropForeignKey:
		return "foreign key " + change.F.Symbol + " on " + table, false
	case *schema.DropCheck:
		return "check " + change.C.Name + " on " + table, false
	default:
		return "", false
	}
}

// added are the new columns of existing tables.
func (c choice) added() (columns []string) {
	for _, change := range c.changes {
		if table, ok := change.(*schema.ModifyTable); ok {
			for _, part := range table.Changes {
				if column, ok := part.(*schema.AddColumn); ok {
					columns = append(columns, table.T.Name+"."+column.C.Name)
				}
			}
		}
	}
	return columns
}

func (s Schema) foreignTables(found []relation, desired *schema.Schema) []string {
	var foreign []string
	for _, r := range found {
		_, ours := desired.Table(r.Name)
		if name := "table " + r.Name; !ours && r.IsTable && !slices.Contains(s.retired, name) {
			foreign = append(foreign, name)
		}
	}
	slices.Sort(foreign)
	return foreign
}

// adopt copies into desired what somebody has added to our tables, and names it:
// comments, also in the place of ours, and the partitioning of a table.
func adopt(current, desired *schema.Schema) (foreign []string) {
	for _, table := range desired.Tables {
		now, ok := current.Table(table.Name)
		if !ok {
			continue
		}
		if adoptAttr[*schema.Comment](now.Attrs, &table.Attrs) {
			foreign = append(foreign, "comment on table "+table.Name)
		}
		if adoptAttr[*postgres.Partition](now.Attrs, &table.Attrs) {
			foreign = append(foreign, "partitioning of table "+table.Name)
		}
		for _, column := range table.Columns {
			if now, ok := now.Column(column.Name); ok && adoptAttr[*schema.Comment](now.Attrs, &column.Attrs) {
				foreign = append(foreign, "comment on column "+table.Name+"."+column.Name)
			}
		}
		for _, index := range indexes(table) {
			is := func(now *schema.Index) bool { return now.Name == index.Name }
			if i := slices.IndexFunc(indexes(now), is); i >= 0 && adoptAttr[*schema.Comment](indexes(now)[i].Attrs, &index.Attrs) {
				foreign = append(foreign, "comment on index "+index.Name)
			}
		}
	}
	return foreign
}

// indexes are a table's, the one of its primary key among them.
func indexes(table *schema.Table) []*schema.Index {
	if table.PrimaryKey == nil {
		return table.Indexes
	}
	return append(slices.Clone(table.Indexes), table.PrimaryKey)
}

// adoptAttr copies now's attribute of type T, if it differs, and reports whether it did.
func adoptAttr[T schema.Attr](now []schema.Attr, desired *[]schema.Attr) bool {
	i, j := slices.IndexFunc(now, isA[T]), slices.IndexFunc(*desired, isA[T])
	if i < 0 || j >= 0 && reflect.DeepEqual(now[i], (*desired)[j]) {
		return false
	}
	*desired = append(slices.DeleteFunc(*desired, isA[T]), now[i])
	return true
}

func isA[T schema.Attr](attr schema.Attr) bool {
	_, ok := attr.(T)
	return ok
}

// toEnums gives columns that become enumerations what Atlas leaves out: how to convert a value, and
// before that the end of a default of the former type.
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
			column.Extra = append(column.Extra, &postgres.ConvertUsing{X: fmt.Sprintf(`"%s"::text::"%s"`, column.To.Name, column.To.Type.Raw)})
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

// apart makes each part of a table's change a statement of its own: Citus refuses others beside a new
// constraint. What goes comes first, then columns, and last what rests on them.
func apart(changes []schema.Change) []schema.Change {
	var out []schema.Change
	for _, change := range changes {
		table, ok := change.(*schema.ModifyTable)
		if !ok {
			out = append(out, change)
			continue
		}
		var single []schema.Change
		for _, part := range table.Changes {
			if check, ok := part.(*schema.ModifyCheck); ok { // which is both in one
				single = append(single, &schema.DropCheck{C: check.From}, &schema.AddCheck{C: check.To})
			} else {
				single = append(single, part)
			}
		}
		parts := slices.SortedStableFunc(slices.Values(single), func(a, b schema.Change) int { return cmp.Compare(turn(a), turn(b)) })
		for _, part := range parts {
			out = append(out, &schema.ModifyTable{T: table.T, Changes: []schema.Change{part}})
		}
	}
	return out
}

func turn(part schema.Change) int {
	switch part.(type) {
	case *schema.DropCheck, *schema.DropForeignKey, *schema.DropIndex, *schema.DropPrimaryKey:
		return 0
	case *schema.DropColumn:
		return 1
	case *schema.AddColumn, *schema.ModifyColumn:
		return 2
	default:
		return 3
	}
}

func becomesEnum(column *schema.ModifyColumn) bool {
	_, was := column.From.Type.Type.(*schema.EnumType)
	_, is := column.To.Type.Type.(*schema.EnumType)
	return is && !was
}
