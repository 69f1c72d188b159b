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

	"github.com/delfos/delfos/gen/importdb"
	"github.com/delfos/delfos/internal/signal"
	"github.com/delfos/delfos/schema"
)

// migrator makes a template database by schema.Apply and, of the target,
// schema.ApplyRiver, the same way as any other database of ours.
type migrator struct{ schema schema.Schema }

// Hash covers what Apply writes, so that a change makes a new template on a
// server that outlives the test.
func (m migrator) Hash() (string, error) {
	river, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: schema.RiverName})
	if err != nil {
		return "", err
	}
	parts := []string{m.schema.Name, m.schema.SQL, importdb.EnsureTurbines, strings.Join(signal.Names(), ",")}
	for _, migration := range river.AllVersions() {
		parts = append(parts, migration.SQLUp)
	}
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (m migrator) Migrate(ctx context.Context, _ *sql.DB, template pgtestdb.Config) error {
	if _, err := schema.Apply(ctx, template.URL(), m.schema, schema.Options{}); err != nil || m.schema.Name != schema.Target.Name {
		return err
	}
	_, err := schema.ApplyRiver(ctx, template.URL(), schema.Options{})
	return err
}
