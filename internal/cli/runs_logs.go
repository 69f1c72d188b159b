package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/gen/targetapi"
	"github.com/delfos/delfos/gen/targetclient"
	"github.com/delfos/delfos/internal/apiclient"
)

// logPage is how many entries one request asks for.
const logPage = int32(1000)

func newRunsLogs(r *runner) *cobra.Command {
	var id int64
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "Print the log of a run",
		Long: `Logs prints what the workers had to say of a run, the oldest first. With --follow it
goes on until the run has ended. With --output json each entry is a JSON object on a
line of its own.`,
		Example: `  delfos runs logs 7
  delfos runs logs 7 -f --output json`,
		Args: parsed("ID", &id, parseRunID),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run has ended")
	return asking(r, cmd, func(ctx context.Context, api *targetclient.Client, output string) error {
		after := int64(0)
		if !follow {
			return r.printLog(ctx, api, id, &after, output)
		}
		// What is logged before the run's end is read after its state.
		_, err := apiclient.Follow(ctx, r.log, api, id, func(targetapi.Run) error { return r.printLog(ctx, api, id, &after, output) })
		if err != nil {
			return fmt.Errorf("follow run %d: %w", id, err)
		}
		return nil
	})
}

// printLog prints the entries after the one with the given id, which it moves
// on.
func (r *runner) printLog(ctx context.Context, api *targetclient.Client, id int64, after *int64, output string) error {
	limit := logPage
	for {
		a, err := apiclient.Ask[struct {
			Entries []json.RawMessage `json:"entries"`
		}](func() (*http.Response, error) {
			return api.GetRunLog(ctx, id, &targetapi.GetRunLogParams{After: after, Limit: &limit})
		})
		if err != nil {
			return err
		}
		for _, text := range a.Value.Entries {
			var e targetapi.LogEntry
			if err := json.Unmarshal(text, &e); err != nil {
				return fmt.Errorf("read the log of run %d: %w", id, err)
			}
			if output == asJSON {
				err = r.printJSON(text)
			} else {
				err = r.print("%s", logLine(e))
			}
			if err != nil {
				return err
			}
			*after = e.Id
		}
		if len(a.Value.Entries) < int(limit) {
			return nil
		}
	}
}

// logLine is an entry for people to read.
func logLine(e targetapi.LogEntry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-5s", e.At.UTC().Format("2006-01-02T15:04:05.000Z"), strings.ToUpper(string(e.Level)))
	if e.Day != nil {
		b.WriteString("  " + e.Day.String())
	}
	b.WriteString("  " + quoted(e.Message, false))
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		if name == "day" && e.Day != nil {
			continue // it stands there already
		}
		if text, ok := e.Attributes[name].(string); ok {
			fmt.Fprintf(&b, " %s=%s", name, quoted(text, true))
			continue
		}
		text, err := json.Marshal(e.Attributes[name])
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&b, " %s=%s", name, text)
	}
	return b.String()
}

// quoted quotes text that would not stay in its line, nor, as a value, in its
// place.
func quoted(text string, value bool) string {
	odd := strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) })
	if odd || value && (text == "" || strings.ContainsAny(text, ` "=`)) {
		return strconv.Quote(text)
	}
	return text
}
