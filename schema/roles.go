package schema

import (
	"cmp"
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// RolesName is the name by which the roles and their rights are applied.
const RolesName = "roles"

// The roles that programs log in as.
const (
	APIRole    = "delfos_api"    // reads the source
	ImportRole = "delfos_import" // writes the source
	ETLRole    = "delfos_etl"    // writes the target
)

//go:embed roles.sql
var rolesSQL string

//go:embed grants.sql
var grantsSQL string

var (
	createRole = regexp.MustCompile(`(?m)^CREATE ROLE (\w+) (\w+);$`)
	madeHere   = regexp.MustCompile(`(?m)^CREATE (TABLE|TYPE) (\w+)`)
)

// RolesSQL is all that the roles and their rights are made of.
func RolesSQL() string { return rolesSQL + grantsSQL }

// A Role is one of those of Delfos.
type Role struct {
	Name   string
	Create string
	// Login says that a program logs in as this role; the others have members.
	Login bool
}

// Roles lists the roles of roles.sql.
func Roles() (roles []Role) {
	for _, m := range createRole.FindAllStringSubmatch(rolesSQL, -1) {
		roles = append(roles, Role{Name: m[1], Create: m[0], Login: m[2] == "LOGIN"})
	}
	return roles
}

// RoleStatements are what a server's superuser runs, a line each, so that login, who is
// not one, can apply the roles; those that log in get a password.
func RoleStatements(login, password string) (statements []string) {
	for _, role := range Roles() {
		statements = append(statements, role.Create)
		if role.Login {
			statements = append(statements, "ALTER ROLE "+role.Name+" PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"';")
		}
	}
	return append(statements, "GRANT delfos_owner, "+ETLRole+" TO "+pgx.Identifier{login}.Sanitize()+";")
}

// ApplyRoles makes the roles that the server of the database at url lacks, hands what schema s made to
// their owner, gives each role its rights, and returns what it did: one transaction, which waits for
// tables in use as Apply does.
//
// It takes a superuser, or the owner of the database and its tables who may make roles (CREATEROLE).
// An error names the statements that somebody else has to run first. Of opts, what is about planning
// does not count.
func ApplyRoles(ctx context.Context, url string, s Schema, opts Options) (Plan, error) {
	return on(url, "apply roles to the "+s.Name+" database", "apply roles to", func(config *connConfig) (plan Plan, err error) {
		// Roles belong to the server: somebody may make the same ones for another database.
		const tries = 10
		for range tries {
			plan, err = applyRoles(ctx, config, s, opts)
			if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || !slices.Contains([]string{
				pgerrcode.UniqueViolation, pgerrcode.DuplicateObject, pgerrcode.InternalError, // tuple concurrently updated
			}, refused.Code) {
				break
			}
		}
		return plan, err
	})
}

func applyRoles(ctx context.Context, config *connConfig, s Schema, opts Options) (Plan, error) {
	passwords, err := newPasswords(ctx, config, opts.Passwords)
	if err != nil {
		return Plan{}, err
	}
	return within(ctx, config, opts.DryRun, func(db *session) (plan Plan, err error) {
		if plan.Statements, err = s.planRoles(ctx, db); err != nil {
			err = fmt.Errorf("look for what is missing: %w", err)
		} else if !opts.DryRun {
			err = db.whenFree(ctx, changingHands(plan.Statements), opts.Waiting, func(lock func() error) error {
				return runRoles(ctx, db, plan.Statements, passwords, config.User, lock)
			})
		}
		for _, p := range passwords {
			plan.Statements = append(plan.Statements, "-- "+p.role+" gets the password that it was given.")
		}
		return plan, err
	})
}

var tableOwner = regexp.MustCompile(`^ALTER TABLE (\S+) OWNER TO `)

func changingHands(statements []string) (tables []string) {
	for _, statement := range statements {
		if m := tableOwner.FindStringSubmatch(statement); m != nil {
			tables = append(tables, m[1])
		}
	}
	return tables
}

func runRoles(ctx context.Context, db *session, statements []string, passwords []newPassword, login string, lock func() error) error {
	locked := false
	for _, statement := range statements {
		var err error
		if !locked && tableOwner.MatchString(statement) {
			locked, err = true, lock()
		}
		if err == nil {
			err = db.exec(ctx, statement)
		}
		if err != nil {
			return refusedStatement(err, statement, statements, login)
		}
	}
	for _, p := range passwords {
		if err := db.exec(ctx, p.statement); err != nil {
			return fmt.Errorf("give %s its password: %w", p.role, withDetail(err))
		}
	}
	return nil
}

func (s Schema) planRoles(ctx context.Context, db *session) (statements []string, err error) {
	have, err := collect(ctx, db, pgx.RowTo[string], "SELECT rolname::text FROM pg_catalog.pg_roles")
	if err != nil {
		return nil, err
	}
	for _, role := range Roles() {
		if !slices.Contains(have, role.Name) {
			statements = append(statements, role.Create)
		}
	}
	ours := map[string][]string{}
	for _, m := range madeHere.FindAllStringSubmatch(s.SQL, -1) {
		ours[m[1]] = append(ours[m[1]], m[2])
	}
	missing, err := collect(ctx, db, pgx.RowTo[string], grantsSQL, s.Name, ours["TABLE"], ours["TYPE"])
	return append(statements, missing...), err
}

// refusedStatement says who may run a statement that the login may not, and what is left for them.
func refusedStatement(err error, statement string, plan []string, login string) error {
	err = withDetail(err)
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || refused.Code != pgerrcode.InsufficientPrivilege {
		return fmt.Errorf("%s: %w", statement, err)
	}
	wayOut := "let a superuser, or the owner of the database and its tables, run `delfos schema apply " + RolesName + "`"
	if strings.HasPrefix(statement, "CREATE ROLE") || strings.HasPrefix(statement, "GRANT delfos_") {
		var left []string
		for _, s := range plan {
			if createRole.MatchString(s) || strings.HasPrefix(s, "GRANT delfos_") {
				left = append(left, s)
			}
		}
		wayOut = "an administrator of the server runs: " + strings.Join(left, " ") + " Then run this again"
	}
	return fmt.Errorf("nothing was changed: the role %q may not run %s (%w); %s", login, cmp.Or(strings.TrimSuffix(statement, ";"), "it"), err, wayOut)
}

// assumeOwnerSQL lets a transaction work as the owner of the tables where the roles were
// applied to the database and its login is a member. What it makes is then the owner's,
// whose default privileges give the roles their rights.
//
//go:embed assume_owner.sql
var assumeOwnerSQL string

// asOwner are the settings of a session that works as the owner; none where it can't.
func asOwner(ctx context.Context, config *connConfig) (map[string]string, error) {
	db, err := begin(ctx, config, true)
	if err != nil {
		return nil, err
	}
	defer db.rollback()
	var role string
	err = db.tx.QueryRowContext(ctx, assumeOwnerSQL).Scan(&role)
	if errors.Is(err, sql.ErrNoRows) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the owner of the tables: %w", err)
	}
	return map[string]string{"role": role}, nil
}
