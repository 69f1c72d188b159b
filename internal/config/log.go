package config

import (
	"io"
	"log/slog"
	"slices"
	"strings"
)

// Log says how much is logged, and how.
type Log struct {
	LogLevel string `env:"LOG_LEVEL" envDefault:"info" help:"least level that is logged: debug, info, warn or error" kind:"LEVEL"`

	LogFormat string `env:"LOG_FORMAT" help:"format of the log: text or json; without it text on a terminal, else json" kind:"FORMAT"`
}

// LogLevels are what LOG_LEVEL may be.
func LogLevels() []string { return []string{"debug", "info", "warn", "error"} }

// LogFormats are what LOG_FORMAT may be.
func LogFormats() []string { return []string{"text", "json"} }

func (c Log) faults() []Fault {
	var f []Fault
	if !slices.Contains(LogLevels(), strings.ToLower(c.LogLevel)) {
		f = append(f, Fault{Variable: "LOG_LEVEL", Value: c.LogLevel, Want: "one of " + strings.Join(LogLevels(), ", ")})
	}
	if c.LogFormat != "" && !slices.Contains(LogFormats(), strings.ToLower(c.LogFormat)) {
		f = append(f, Fault{Variable: "LOG_FORMAT", Value: c.LogFormat, Want: "one of " + strings.Join(LogFormats(), ", ")})
	}
	return f
}

// Logger returns a logger onto w, which may be a terminal. Call it on a
// configuration that is valid.
func (c Log) Logger(w io.Writer, terminal bool) *slog.Logger {
	var level slog.Level
	// Validate has let through none but the four names.
	_ = level.UnmarshalText([]byte(c.LogLevel))
	options := &slog.HandlerOptions{Level: level}
	if format := strings.ToLower(c.LogFormat); format == "text" || format == "" && terminal {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
