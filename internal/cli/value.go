package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
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

// A dayFlag is a day in UTC; the zero time is no day.
type dayFlag struct{ time.Time }

// String implements pflag.Value.
func (f *dayFlag) String() string {
	if f.IsZero() {
		return ""
	}
	return f.Format(dateLayout)
}

// Set implements pflag.Value.
func (f *dayFlag) Set(s string) (err error) {
	f.Time, err = parseDay(s)
	return err
}

// Type implements pflag.Value.
func (f *dayFlag) Type() string { return "DATE" }

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
