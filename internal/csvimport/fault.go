package csvimport

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
)

// An Error is a fault in a file: where it is and what would be right. Line
// counts from 1, the header; it is 0 when the file could not be read. Column
// is empty where no one column is at fault.
type Error struct {
	File   string
	Line   int
	Column string
	Reason string
	// Cause is what reading the file failed with, else nil.
	Cause error
}

// Error returns the fault in one line.
func (e *Error) Error() string {
	s := e.File + ": "
	if e.Line > 0 {
		s += fmt.Sprintf("line %d: ", e.Line)
	}
	if e.Column != "" {
		s += e.Column + ": "
	}
	return s + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// fileFault is the error of a file that could not be opened or read.
func fileFault(name string, err error) *Error {
	reason := err.Error()
	// A PathError would say the name again.
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		reason = pathErr.Op + ": " + pathErr.Err.Error()
	}
	return &Error{File: name, Reason: reason, Cause: err}
}

// maxShown is how many bytes of a bad value an error repeats.
const maxShown = 60

// quote returns a bad value as one readable line.
func quote(value string) string {
	if len(value) > maxShown {
		return strconv.Quote(value[:maxShown]) + "…"
	}
	return strconv.Quote(value)
}
