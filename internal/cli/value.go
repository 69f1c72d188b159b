package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/delfos/delfos/internal/dates"
)

// dateLayout is how days are written: YYYY-MM-DD.
const dateLayout = time.DateOnly

// parseDay reads a day; the error says what is allowed.
func parseDay(s string) (time.Time, error) {
	day, err := time.Parse(dateLayout, s)
	if err != nil || day.Year() < 1 {
		return time.Time{}, errors.New("want a day such as 2025-01-31")
	}
	return day, nil
}

// A dayFlag is a day in UTC, nil while none is given.
type dayFlag struct{ day *time.Time }

// String implements pflag.Value.
func (f *dayFlag) String() string {
	if f.day == nil {
		return ""
	}
	return f.day.Format(dateLayout)
}

// Set implements pflag.Value.
func (f *dayFlag) Set(s string) error {
	day, err := parseDay(s)
	if err == nil {
		f.day = &day
	}
	return err
}

// Type implements pflag.Value.
func (f *dayFlag) Type() string { return "DATE" }

// allowDates adds the flag without which believable refuses.
func allowDates(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("allow-dates", false, "take days before 1980-01-01 or after tomorrow (UTC) too")
}

// believable refuses a day that is more often mistyped than meant; what is how
// the day was given, and no day is fine.
func believable(cmd *cobra.Command, what string, day *time.Time, allowed bool) error {
	now := time.Now()
	if day == nil || allowed || dates.Believable(*day, now) {
		return nil
	}
	return usagef(cmd, "%s is %q: want a day %s, or --allow-dates", what, day.Format(dateLayout), dates.Believed(now))
}

// A countFlag is a whole number from 1 to most.
type countFlag struct{ n, most int }

// String implements pflag.Value.
func (f *countFlag) String() string { return strconv.Itoa(f.n) }

// Set implements pflag.Value.
func (f *countFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > f.most {
		return fmt.Errorf("want a whole number from 1 to %d", f.most)
	}
	f.n = n
	return nil
}

// Type implements pflag.Value.
func (f *countFlag) Type() string { return "N" }

// A choiceFlag is one of a few words.
type choiceFlag struct {
	value   string
	allowed []string
}

// String implements pflag.Value.
func (f *choiceFlag) String() string { return f.value }

// Set implements pflag.Value.
func (f *choiceFlag) Set(s string) error {
	if !slices.Contains(f.allowed, s) {
		return fmt.Errorf("want %s", strings.Join(f.allowed, " or "))
	}
	f.value = s
	return nil
}

// Type implements pflag.Value.
func (f *choiceFlag) Type() string { return strings.Join(f.allowed, "|") }
