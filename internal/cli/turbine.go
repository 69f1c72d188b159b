package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/attribute"
	"github.com/delfos/delfos/internal/config"
	"github.com/delfos/delfos/internal/turbine"
)

func newTurbine(r *runner) *cobra.Command {
	return group(&cobra.Command{
		Use:   "turbine",
		Short: "List, make, change and remove the turbines of the source",
		Long: `Turbine holds the commands for the turbines of the source database: their names, their
sampling intervals, and what else is known of them. The ETL brings it to the target.`,
		Example: `  delfos turbine list
  delfos turbine set 1 --sample-interval 10m --rated-power 2050`,
	}, newTurbineList(r), newTurbineSet(r), newTurbineImport(r), newTurbineRemove(r))
}

func newTurbineList(r *runner) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the turbines and what is known of them",
		Long: `List prints the turbines of the source database by id. The text has the columns of which
something is known; JSON has all of them, as GET /turbines.`,
		Example: `  delfos turbine list
  delfos turbine list --output json`,
	}
	output := outputFlag(cmd, "how the turbines are printed")
	return configure(r, cmd, func(ctx context.Context, c config.Source, _ []string) error {
		var turbines []turbine.Turbine
		err := onSource(ctx, c, func(pool *pgxpool.Pool) (err error) {
			turbines, err = turbine.List(ctx, pool)
			return err
		})
		switch {
		case err != nil:
			return err
		case *output == asJSON:
			return r.printJSON(turbines)
		case len(turbines) == 0:
			return r.print("no turbines: `delfos turbine set ID` makes one, and so do seed and import")
		}
		columns := slices.DeleteFunc(slices.Clone(attribute.Columns[:]), func(c attribute.Column) bool {
			return !slices.ContainsFunc(turbines, func(t turbine.Turbine) bool { return t.Text(c) != "" })
		})
		return r.printTable(func(w io.Writer) {
			row := make([]string, len(columns))
			for i, c := range columns {
				c.Name = strings.ToUpper(c.Name)
				row[i] = heading(c)
			}
			fmt.Fprintln(w, strings.Join(row, "\t"))
			for _, t := range turbines {
				for i, c := range columns {
					row[i] = quoted(cmp.Or(t.Text(c), "-"), false)
				}
				fmt.Fprintln(w, strings.Join(row, "\t"))
			}
		})
	})
}

func heading(c attribute.Column) string {
	name := strings.ReplaceAll(c.Name, "_", " ")
	if c.Unit != "" {
		name += " (" + c.Unit + ")"
	}
	return name
}

func newTurbineSet(r *runner) *cobra.Command {
	var id int32
	cmd := &cobra.Command{
		Use:   "set ID",
		Short: "Make a turbine, or change what is known of it",
		Long: `Set makes the turbine ID in the source database if there is none, and changes what the
flags say of it; an empty value makes it unknown, as in --altitude ''. No two turbines
get the same name.

No samples are expected before the day commissioned and after the day decommissioned. The
sample interval is the time from one sample to the next, as 10m or in seconds.`,
		Example: `  delfos turbine set 1 --sample-interval 10m
  delfos turbine set 7 --name R80711 --rated-power 2050 --commissioned 2009-03-01 --altitude ''`,
		Args: parsed("ID", &id, turbine.ParseID),
	}
	output := outputFlag(cmd, "how the change is printed")
	flag := func(column string) string { return strings.ReplaceAll(column, "_", "-") }
	for _, c := range turbine.Attributes() {
		kind := map[string]string{"text": "TEXT", "interval": "DURATION", "date": "DATE", "float8": "NUMBER"}[c.Type]
		cmd.Flags().Var(&flagValue{kind: kind}, flag(c.Name), heading(c))
	}
	return configure(r, cmd, func(ctx context.Context, c config.Source, _ []string) error {
		texts := map[string]string{}
		for _, c := range turbine.Attributes() {
			if f := cmd.Flags().Lookup(flag(c.Name)); f.Changed {
				texts[c.Name] = f.Value.String()
			}
		}
		row, err := turbine.NewRow(id, texts, func(column string) string { return "--" + flag(column) })
		if err == nil {
			err = r.writeTurbines(ctx, c, []turbine.Row{row}, *output)
		}
		if _, ok := errors.AsType[turbine.Error](err); ok {
			return usagef(cmd, "%w", err)
		}
		return err
	})
}

func newTurbineImport(r *runner) *cobra.Command {
	names := turbine.Names()
	cmd := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Make and change turbines as a file says",
		Long: `Import reads a CSV file, a turbine a line, and does with each what 'delfos turbine set'
does, all or none; - is standard input. The header names id and, in any order, any of
` + strings.Join(names[:8], ", ") + `,
` + strings.Join(names[8:], ", ") + `.
What has no column stays as it is; an empty field makes it unknown.`,
		Example: `  delfos turbine import turbines.csv
  delfos turbine import - --output json < turbines.csv`,
		Args: exactly("FILE.csv"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return []cobra.Completion{"csv"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	output := outputFlag(cmd, "how the changes are printed")
	return configure(r, cmd, func(ctx context.Context, c config.Source, args []string) error {
		name, open := args[0], func() (io.ReadCloser, error) { return os.Open(args[0]) }
		if name == "-" {
			name, open = "standard input", func() (io.ReadCloser, error) { return interruptible(ctx, r.Stdin), nil }
		}
		in, err := open()
		if err != nil {
			return err
		}
		defer in.Close()
		rows, err := turbine.ReadFile(name, in)
		if err != nil {
			return err
		}
		return r.writeTurbines(ctx, c, rows, *output)
	})
}

func (r *runner) writeTurbines(ctx context.Context, c config.Source, rows []turbine.Row, output string) error {
	var changes []turbine.Change
	err := onSource(ctx, c, func(pool *pgxpool.Pool) (err error) {
		changes, err = turbine.Write(ctx, pool, rows)
		return err
	})
	if err != nil {
		return err
	}
	if output == asJSON {
		return r.printJSON(changes)
	}
	var lines []string
	unchanged := 0
	for i, c := range changes {
		if c.Result == turbine.Unchanged {
			unchanged++
			continue
		}
		var told []string
		for _, a := range turbine.Attributes() {
			switch now, was := c.Turbine.Text(a), c.Before.Text(a); {
			case now == was:
			case c.Before == nil:
				told = append(told, a.Name+" "+known(now))
			default:
				told = append(told, a.Name+" "+known(was)+" to "+known(now))
			}
		}
		lines = append(lines, fmt.Sprintf("turbine %d %s: %s", rows[i].ID, c.Result, strings.Join(told, ", ")))
	}
	if unchanged > 0 || lines == nil {
		lines = append(lines, fmt.Sprintf("%d unchanged", unchanged))
	}
	return r.print("%s", strings.Join(lines, "\n"))
}

func known(text string) string {
	if text == "" {
		return "unknown"
	}
	return quoted(text, true)
}

func newTurbineRemove(r *runner) *cobra.Command {
	var id int32
	return configure(r, &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a turbine that has no samples",
		Long: `Remove removes the turbine ID from the source database. It is refused while there are
samples of it. A target that knows the turbine keeps it.`,
		Example: `  delfos turbine remove 1`,
		Args:    parsed("ID", &id, turbine.ParseID),
	}, func(ctx context.Context, c config.Source, _ []string) error {
		if err := onSource(ctx, c, func(pool *pgxpool.Pool) error { return turbine.Remove(ctx, pool, id) }); err != nil {
			return err
		}
		return r.print("turbine %d removed", id)
	})
}
