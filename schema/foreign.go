package schema

import (
	"cmp"
	"reflect"
	"slices"

	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"
)

// sifted are the changes that Apply makes, and what else it found.
type sifted struct {
	changes []schema.Change
	// held are tables and columns of a former version, kept with their rows.
	held []string
	// foreign is what no version of ours made.
	foreign []string
	// dropped is what goes.
	dropped []string
}

// sift leaves out of changes each drop of something that no version of s had,
// and, unless destructive, those that lose rows. What a former version had
// beside rows (an index, a CHECK, a foreign key) goes: this version does without
// it, and a rule of old might refuse what it writes.
func (s Schema) sift(changes []schema.Change, destructive bool) sifted {
	var out sifted
	take := func(name string, losesRows bool) bool {
		switch {
		case !slices.Contains(s.retired, name):
			out.foreign = append(out.foreign, name)
		case losesRows && !destructive:
			out.held = append(out.held, name)
		default:
			out.dropped = append(out.dropped, name)
			return true
		}
		return false
	}
	for _, change := range changes {
		switch change := change.(type) {
		case *schema.ModifySchema:
			// The comment and the owner of public are the database's own affair.
		case *schema.DropTable:
			if take("table "+change.T.Name, true) {
				out.changes = append(out.changes, change)
			}
		case *schema.DropObject:
			if enum, ok := change.O.(*schema.EnumType); !ok || take("type "+enum.T, false) {
				out.changes = append(out.changes, change)
			}
		case *schema.ModifyTable:
			change.Changes = slices.DeleteFunc(change.Changes, func(part schema.Change) bool {
				name, losesRows := dropName(change.T.Name, part)
				return name != "" && !take(name, losesRows)
			})
			if len(change.Changes) > 0 {
				out.changes = append(out.changes, change)
			}
		default:
			out.changes = append(out.changes, change)
		}
	}
	return out
}

// added are the columns that tables get which are there, as "table.column".
func (s sifted) added() (columns []string) {
	for _, change := range s.changes {
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

// adopt takes over into desired what somebody has added to our tables: comments,
// also in the place of ours, and the partitioning of a table. It names them.
func adopt(current, desired *schema.Schema) []string {
	var foreign []string
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

// adoptAttr copies the attribute of type T from now to desired, unless both have
// the same or now has none, and reports whether it did.
func adoptAttr[T schema.Attr](now []schema.Attr, desired *[]schema.Attr) bool {
	is := func(attr schema.Attr) bool { _, ok := attr.(T); return ok }
	i, j := slices.IndexFunc(now, is), slices.IndexFunc(*desired, is)
	if i < 0 || j >= 0 && reflect.DeepEqual(now[i], (*desired)[j]) {
		return false
	}
	if j >= 0 {
		*desired = slices.Delete(*desired, j, j+1)
	}
	*desired = append(*desired, now[i])
	return true
}

// foreignTables names the tables that no version of s had.
func (s Schema) foreignTables(found []relation, desired *schema.Schema) []string {
	var foreign []string
	for _, r := range found {
		_, ours := desired.Table(r.name)
		if name := "table " + r.name; !ours && r.isTable && !slices.Contains(s.retired, name) {
			foreign = append(foreign, name)
		}
	}
	slices.SortFunc(foreign, cmp.Compare[string])
	return foreign
}
