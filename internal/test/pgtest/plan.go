package pgtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Plan is how PostgreSQL runs a statement with arguments, written as SQL: a line a
// node, indented by depth, and for an index its name and the columns that are
// searched by it. It leaves out what differs between versions of PostgreSQL and
// between ways to read the same index. Where the plan for any arguments is another
// one than for these, both are returned.
func Plan(tb testing.TB, db *pgxpool.Pool, sql, args string) string {
	tb.Helper()
	conn, err := db.Acquire(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Release()
	plans := map[string]string{}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		for _, statement := range []string{"SET plan_cache_mode = " + mode, "DEALLOCATE ALL", "PREPARE read AS " + sql} {
			if _, err := conn.Exec(tb.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
				tb.Fatalf("%s: %v", statement, err)
			}
		}
		plans[mode] = explain(tb, conn.Conn(), "EXECUTE read "+args)
	}
	custom, generic := plans["force_custom_plan"], plans["force_generic_plan"]
	if custom == generic {
		return custom
	}
	return "for these arguments:\n" + custom + "for any:\n" + generic
}

func explain(tb testing.TB, conn *pgx.Conn, statement string) string {
	tb.Helper()
	var text string
	err := conn.QueryRow(tb.Context(), "EXPLAIN (FORMAT JSON) "+statement, pgx.QueryExecModeSimpleProtocol).Scan(&text)
	if err != nil {
		tb.Fatalf("explain %s: %v", statement, err)
	}
	var plans []struct {
		Plan node `json:"Plan"`
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		tb.Fatalf("explain %s: %v", statement, err)
	}
	var out strings.Builder
	plans[0].Plan.write(&out, 0)
	return out.String()
}

// node is one of EXPLAIN's.
type node struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Search   string `json:"Index Cond"`
	Plans    []node `json:"Plans"`
}

func (n node) write(out *strings.Builder, depth int) {
	indent := strings.Repeat("  ", depth)
	switch {
	case n.Index != "":
		var columns []string // none if the whole index is read
		for _, m := range regexp.MustCompile(`\("?(\w+)"? [<>=]+ `).FindAllStringSubmatch(n.Search, -1) {
			if len(columns) == 0 || columns[len(columns)-1] != m[1] {
				columns = append(columns, m[1])
			}
		}
		fmt.Fprintf(out, "%sindex %s by (%s)\n", indent, n.Index, strings.Join(columns, ", "))
		return
	case n.Type == "Bitmap Heap Scan": // reads what the index below has found
	case n.Relation != "":
		fmt.Fprintf(out, "%s%s on %s\n", indent, n.Type, n.Relation)
		depth++
	default:
		fmt.Fprintf(out, "%s%s\n", indent, n.Type)
		depth++
	}
	for _, below := range n.Plans {
		below.write(out, depth)
	}
}
