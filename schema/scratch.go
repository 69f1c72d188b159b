package schema

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"ariga.io/atlas/sql/schema"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// scratchTimeout bounds what goes on after the caller has given up.
const scratchTimeout = 30 * time.Second

// load reads the SQL of s as Atlas sees it, by running it in the database at
// devURL or, without one, in a database made for it on the target's server.
func load(ctx context.Context, target *connConfig, s Schema, devURL string) (*schema.Schema, error) {
	if devURL == "" {
		return loadInScratch(ctx, target, s)
	}
	config, err := parseURL(devURL)
	if err != nil {
		return nil, fmt.Errorf("ATLAS_DEV_URL: %w", err)
	}
	desired, err := loadIn(ctx, config, s)
	if err != nil {
		return nil, fmt.Errorf("load SQL in %s (ATLAS_DEV_URL): %w", label(config), err)
	}
	return desired, nil
}

// loadIn leaves nothing behind: the SQL runs in a transaction that is rolled
// back once it has been read.
func loadIn(ctx context.Context, config *connConfig, s Schema) (*schema.Schema, error) {
	db, err := begin(ctx, config, false)
	if err != nil {
		return nil, err
	}
	defer db.rollback()
	before, err := db.inspect(ctx)
	if err != nil {
		return nil, err
	}
	if len(before.Tables) > 0 {
		return nil, fmt.Errorf("it must be empty, but its schema public holds table %q", before.Tables[0].Name)
	}
	err = db.raw(func(conn querier) error {
		_, err := conn.Exec(ctx, s.SQL, pgx.QueryExecModeSimpleProtocol)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("run %s.sql: %w", s.Name, err)
	}
	return db.inspect(ctx)
}

func loadInScratch(ctx context.Context, target *connConfig, s Schema) (desired *schema.Schema, err error) {
	conn, err := pgx.ConnectConfig(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	// Creating and dropping are not cancelled: a CREATE DATABASE that is
	// given up half-way may still succeed, and nobody would drop it.
	steady, cancel := context.WithTimeout(context.WithoutCancel(ctx), scratchTimeout)
	defer cancel()
	defer func() { _ = conn.Close(steady) }()

	name := "delfos_scratch_" + strings.ToLower(rand.Text())
	identifier := pgx.Identifier{name}.Sanitize()
	// Nobody can be connected to template0, so copying it never fails because
	// somebody is.
	if _, err := conn.Exec(steady, "CREATE DATABASE "+identifier+" TEMPLATE template0"); err != nil {
		return nil, fmt.Errorf("create scratch database%s: %w", withoutRight(err, target.User), err)
	}
	defer func() {
		steady, cancel := context.WithTimeout(context.WithoutCancel(ctx), scratchTimeout)
		defer cancel()
		if _, dropErr := conn.Exec(steady, "DROP DATABASE "+identifier+" WITH (FORCE)"); dropErr != nil {
			err = errors.Join(err, fmt.Errorf("drop scratch database %s: %w", name, dropErr))
		}
	}()
	config := target.Copy()
	config.Database = name
	desired, err = loadIn(ctx, config, s)
	if err != nil {
		return nil, fmt.Errorf("load SQL in scratch database: %w", err)
	}
	return desired, nil
}

// withoutRight is the way out when the role may not create databases.
func withoutRight(err error, user string) string {
	const insufficientPrivilege = "42501"
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == insufficientPrivilege {
		return fmt.Sprintf(" (give role %q the right CREATEDB, or name an empty database in ATLAS_DEV_URL)", user)
	}
	return ""
}
