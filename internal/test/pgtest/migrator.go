package pgtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/peterldowns/pgtestdb"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/schema"
)

// firstTurbine makes the turbine that samples of a test belong to.
const firstTurbine = "INSERT INTO turbine (id, name) VALUES (1, 'Turbine 1')"

// migrator makes a template database by schema.Apply, schema.ApplyRiver for the target,
// and schema.ApplyRoles, the same way as any other database of ours; it adds turbine 1
// to the source.
type migrator struct{ schema schema.Schema }

// Hash covers what Migrate writes, so that a change makes a new template on a
// server that outlives the test.
func (m migrator) Hash() (string, error) {
	river, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: schema.RiverName})
	if err != nil {
		return "", err
	}
	parts := []string{m.schema.Name, m.schema.SQL, schema.RolesSQL(), firstTurbine, strings.Join(signal.Names(), ",")}
	for _, migration := range river.AllVersions() {
		parts = append(parts, migration.SQLUp)
	}
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (m migrator) Migrate(ctx context.Context, db *sql.DB, template pgtestdb.Config) error {
	if _, err := schema.Apply(ctx, template.URL(), m.schema, schema.Options{}); err != nil {
		return err
	}
	if m.schema.Name == schema.Source.Name {
		if _, err := db.ExecContext(ctx, firstTurbine); err != nil {
			return err
		}
	} else if _, err := schema.ApplyRiver(ctx, template.URL(), schema.Options{}); err != nil {
		return err
	}
	passwords := map[string]string{}
	for _, r := range schema.Roles() {
		if r.Login {
			passwords[r.Name] = passwordOf(r.Name)
		}
	}
	_, err := schema.ApplyRoles(ctx, template.URL(), m.schema, schema.Options{Passwords: passwords})
	return err
}

// passwordOf is what one of Delfos's roles logs in with at a test server.
func passwordOf(role string) string { return role + " in tests" }
