package schema_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/delfos/delfos/internal/test/pgtest"
	"github.com/delfos/delfos/schema"
)

var scratchName = regexp.MustCompile(`delfos_scratch_\w+`)

func (d database) wantScratchGone(t *testing.T, name string) {
	t.Helper()
	if name == "" {
		t.Fatal("name of the scratch database: got none")
	}
	if got := d.lines(t, "SELECT datname::text FROM pg_database WHERE datname = '"+name+"'"); len(got) > 0 {
		t.Errorf("scratch database %s is still there", name)
	}
}

func TestScratchIsDropped(t *testing.T) {
	t.Parallel()

	t.Run("after success", func(t *testing.T) {
		t.Parallel()
		db := setup(t)
		plan, err := schema.Apply(t.Context(), db.url, schema.New(`DO $$ BEGIN EXECUTE format('CREATE TABLE %I ()', current_database()); END $$`), schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		db.wantScratchGone(t, scratchName.FindString(plan.SQL()))
	})

	t.Run("after failure", func(t *testing.T) {
		t.Parallel()
		db := setup(t)
		_, err := schema.Apply(t.Context(), db.url, schema.New(`DO $$ BEGIN RAISE 'in %', current_database(); END $$`), schema.Options{})
		if err == nil {
			t.Fatal("error: got none")
		}
		db.wantScratchGone(t, scratchName.FindString(err.Error()))
	})

	t.Run("after a cancel", func(t *testing.T) {
		t.Parallel()
		db := setup(t)
		const sleep = "SELECT pg_sleep(3599)"
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error)
		go func() {
			_, err := schema.Apply(ctx, db.url, schema.New(sleep), schema.Options{})
			ended <- err
		}()
		var found []string
		for len(found) == 0 {
			select {
			case err := <-ended:
				t.Fatalf("Apply ended early: %v", err)
			case <-time.After(time.Millisecond):
				found = db.lines(t, "SELECT datname::text FROM pg_stat_activity WHERE query = '"+sleep+"'")
			}
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error: got %v, want the cancel", err)
		}
		db.wantScratchGone(t, found[0])
	})
}

func TestDevURL(t *testing.T) {
	t.Parallel()
	db := setup(t)
	dev := setup(t)
	// Creates a table only where it does not belong.
	wary := schema.New(`DO $$ BEGIN
		IF current_database() LIKE 'delfos_scratch%' THEN RAISE 'not in the database that was named'; END IF;
	END $$; CREATE TABLE a (x integer)`)
	db.apply(t, wary, schema.Options{DevURL: dev.url})
	if got := dev.relations(t, "public"); len(got) > 0 {
		t.Errorf("relations left in the dev database: got %q, want none", got)
	}
	db.apply(t, wary, schema.Options{DevURL: dev.url})

	dev.exec(t, "CREATE TABLE in_use ()")
	_, err := schema.Apply(t.Context(), db.url, wary, schema.Options{DevURL: dev.url})
	if err == nil || !strings.Contains(err.Error(), `(ATLAS_DEV_URL): it must be empty, but its schema public holds table "in_use"`) {
		t.Errorf("error for a dev database in use: got %v", err)
	}
}

func TestDevURLThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	_, err := schema.Apply(t.Context(), setup(t).url, schema.Source, schema.Options{DevURL: "postgres://u@127.0.0.1:1/dev?sslmode=disable"})
	if err == nil || !strings.Contains(err.Error(), "load SQL in 127.0.0.1:1/dev (ATLAS_DEV_URL): connect: ") {
		t.Errorf("error: got %v, want that the dev database can't be reached", err)
	}
}

func TestDevURLFromEnvironment(t *testing.T) {
	db := setup(t)
	dev := pgtest.Empty(t)
	t.Setenv("ATLAS_DEV_URL", dev)
	plan, err := schema.Apply(t.Context(), db.url, schema.New(`DO $$ BEGIN EXECUTE format('CREATE TABLE %I ()', current_database()); END $$`), schema.Options{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(dev)
	if err != nil {
		t.Fatal(err)
	}
	if name := strings.TrimPrefix(parsed.Path, "/"); !strings.Contains(plan.SQL(), name) {
		t.Errorf("plan: got %q, want the name of the dev database, %s", plan.SQL(), name)
	}
}

func TestRoleWithoutCreateDB(t *testing.T) {
	t.Parallel()
	// The role goes after the database in which it owns tables, and before the
	// one from which it is dropped.
	admin := setup(t)
	name := "delfos_" + strings.ToLower(rand.Text())
	admin.exec(t, "CREATE ROLE "+name+" LOGIN PASSWORD 'secret' NOCREATEDB")
	t.Cleanup(func() {
		if _, err := admin.conn.Exec(context.WithoutCancel(t.Context()), "DROP ROLE "+name); err != nil {
			t.Errorf("drop role: %v", err)
		}
	})
	db := setup(t)
	db.exec(t, "GRANT CREATE ON SCHEMA public TO "+name)
	parsed, err := url.Parse(db.url)
	if err != nil {
		t.Fatal(err)
	}
	parsed.User = url.UserPassword(name, "secret")

	_, err = schema.Apply(t.Context(), parsed.String(), schema.Source, schema.Options{})
	if err == nil || !strings.Contains(err.Error(), `give role "`+name+`" the right CREATEDB, or name an empty database in ATLAS_DEV_URL`) {
		t.Fatalf("error: got %v, want the way out", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("error shows the password: %v", err)
	}
	if _, err := schema.Apply(t.Context(), parsed.String(), schema.Source, schema.Options{DevURL: pgtest.Empty(t)}); err != nil {
		t.Errorf("Apply with a dev database: %v", err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	db := setup(t)
	parsed, err := url.Parse(db.url)
	if err != nil {
		t.Fatal(err)
	}
	variant := func(change func(u *url.URL, query url.Values)) string {
		u := *parsed
		query := u.Query()
		change(&u, query)
		u.RawQuery = query.Encode()
		return u.String()
	}

	t.Run("taken", func(t *testing.T) {
		t.Parallel()
		dev := pgtest.Empty(t)
		password, _ := parsed.User.Password()
		keywords := fmt.Sprintf("host=%s port=%s user='%s' password='%s' dbname='%s' sslmode=disable",
			parsed.Hostname(), parsed.Port(), parsed.User.Username(), password, strings.TrimPrefix(parsed.Path, "/"))
		for name, given := range map[string]string{
			"postgresql": variant(func(u *url.URL, _ url.Values) { u.Scheme = "postgresql" }),
			"user in the query": variant(func(u *url.URL, query url.Values) {
				query.Set("user", u.User.Username())
				if password, ok := u.User.Password(); ok {
					query.Set("password", password)
				}
				u.User = nil
			}),
			"keywords":        keywords,
			"bound of a pool": variant(func(_ *url.URL, query url.Values) { query.Set("pool_max_conns", "1") }),
			"search path":     variant(func(_ *url.URL, query url.Values) { query.Set("search_path", "elsewhere") }),
			"runtime parameters": variant(func(_ *url.URL, query url.Values) {
				query.Set("application_name", "delfos test")
				query.Set("statement_timeout", "60000")
			}),
		} {
			if _, err := schema.Apply(t.Context(), given, schema.New("CREATE TABLE a (x integer)"), schema.Options{DevURL: dev}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})

	for name, test := range map[string]struct{ url, want string }{
		"empty":    {"", "database URL: it is empty"},
		"keywords": {"host=127.0.0.1 port=1 user=u password=secret dbname=name sslmode=disable", "apply schema source to 127.0.0.1:1/name: connect: "},
		"http":     {"http://u:secret@localhost", "database URL: its scheme is not postgres"},
		"port":     {"postgres://u:secret@localhost:port/name", "what stands in the place of its port is not one"},
		"nobody":   {"postgres://u:secret@127.0.0.1:1/name?sslmode=disable", "apply schema source to 127.0.0.1:1/name: connect: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Apply(t.Context(), test.url, schema.Source, schema.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error: got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("error shows the password: %v", err)
			}
		})
	}
}
