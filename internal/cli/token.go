package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/server/auth"
)

func newToken(r *runner) *cobra.Command {
	return group(&cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke the tokens that clients ask with",
		Long: `Token keeps the file that AUTH_TOKENS_FILE names. Servers that are told of it ask each
client for one of its tokens, and take notice when it changes. The file has no token,
only what a token can be told by.

A scope is what a token's owner may do: read is everything that changes nothing;
operate is also to start, cancel and retry runs, and to pause the schedule; admin is
also to forget days and to see the queue's own pages.`,
		Example: `  delfos token create --name grafana --scope read
  delfos token list`,
	}, newTokenCreate(r), newTokenList(r), newTokenRevoke(r))
}

func newTokenCreate(r *runner) *cobra.Command {
	var t auth.Token
	var expires time.Duration
	scope := ""
	var scopes []string
	for _, s := range auth.Scopes() {
		scopes = append(scopes, string(s))
	}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a token and print it, this once",
		Long: `Create prints a new token, and nothing else, on standard output. It is not kept
anywhere: who loses it revokes it and creates another. The file is made with mode 0600
if it is not there yet; servers have to be able to read it.`,
		Example: `  AUTH_TOKENS_FILE=tokens.json delfos token create --name etl --scope read > etl.token
  delfos token create --name ana --scope operate --expires 90d`,
	}
	cmd.Flags().StringVar(&t.Name, "name", "", "what the log calls who has the token")
	choiceFlag(cmd, &scope, "scope", "what the token is good for", scopes...)
	cmd.Flags().Var(&flagValue{kind: "TIME", set: func(text string) (err error) {
		expires, err = parseLifetime(text)
		return err
	}}, "expires", "how long the token is good for, such as 90d or 12h; without it for ever")
	for _, name := range []string{"name", "scope"} {
		_ = cmd.MarkFlagRequired(name) // it is there
	}
	return aboutTokens(r, cmd, func(ctx context.Context, path string, _ []string) error {
		if err := auth.CheckName(t.Name); err != nil {
			return usagef(cmd, "--name: %w", err)
		}
		t.Scope, t.Created = auth.Scope(scope), time.Now().UTC().Truncate(time.Second)
		if expires > 0 {
			t.Expires = new(t.Created.Add(expires))
		}
		token, err := auth.Create(ctx, path, t)
		if err != nil {
			return err
		}
		return r.print("%s", token)
	})
}

func newTokenList(r *runner) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tokens",
		Long:    "List shows the name, the scope and the lifetime of each token. The tokens themselves are not kept.",
		Example: "  delfos token list",
	}
	return aboutTokens(r, cmd, func(_ context.Context, path string, _ []string) error {
		all, err := auth.Tokens(path)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return r.print("no tokens: nobody can ask by one")
		}
		return r.printTable(func(w io.Writer) {
			fmt.Fprintln(w, "NAME\tSCOPE\tCREATED\tEXPIRES")
			for _, t := range all {
				until := "never"
				if t.Expires != nil {
					until = t.Expires.UTC().Format(time.RFC3339)
					if !time.Now().Before(*t.Expires) {
						until += " (expired)"
					}
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Name, t.Scope, t.Created.UTC().Format(time.RFC3339), until)
			}
		})
	})
}

func newTokenRevoke(r *runner) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke NAME",
		Short:   "Revoke a token",
		Long:    "Revoke removes a token: from then on it is refused, also to browsers that have signed in by it.",
		Example: "  delfos token revoke grafana",
		Args:    exactly("NAME"),
	}
	return aboutTokens(r, cmd, func(ctx context.Context, path string, args []string) error {
		if err := auth.Revoke(ctx, path, args[0]); err != nil {
			return err
		}
		return r.print("%s is revoked", args[0])
	})
}

func aboutTokens(r *runner, cmd *cobra.Command, run func(ctx context.Context, path string, args []string) error) *cobra.Command {
	return configure(r, cmd, func(ctx context.Context, c config.Token, args []string) error {
		if c.AuthTokensFile == "" {
			return usagef(cmd, "AUTH_TOKENS_FILE is not set: want the file that keeps the tokens, such as /etc/delfos/tokens")
		}
		return run(ctx, c.AuthTokensFile, args)
	})
}

func parseLifetime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(min(n, maxDays+1)) * 24 * time.Hour
	}
	if err != nil || d <= 0 || d > maxDays*24*time.Hour {
		return 0, errors.New("want days such as 90d, or hours such as 12h")
	}
	return d, nil
}
