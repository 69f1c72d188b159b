package apitest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
)

// Log collects what a server logs. Its zero value is ready.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// Logger writes every level into the log.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Count is how often a text stands in the log so far.
func (l *Log) Count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// Line is a line of a log.
type Line map[string]any

// Text is an attribute that is text, else "".
func (l Line) Text(name string) string {
	s, _ := l[name].(string)
	return s
}

// Requests returns the lines of requests so far.
func (l *Log) Requests() []Line { return l.Lines("request") }

// Lines returns the lines with a message so far.
func (l *Log) Lines(message string) []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []Line
	for text := range strings.Lines(l.buf.String()) {
		var line Line
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}
