package sampleimport

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
)

const (
	bufferSize = 64 << 10

	// maxRecord bounds a record, in bytes: a quote that is not closed must not read a large file.
	maxRecord = 1 << 20
)

// A recordError is a fault in a record, as far as a table can tell.
type recordError struct {
	line   int64
	column int
	reason string
}

func (e *recordError) Error() string { return e.reason }

// A csvTable reads the records of a text, whose lines are counted as they stand in the file, also
// inside quotes. Blank lines, lines of nothing but delimiters, and comments are left out.
type csvTable struct {
	in        *bufio.Reader
	delimiter byte
	comment   string
	lines     int64 // read so far
	start     int64 // the line on which the record begins
	buf       []byte
	spans     []span
	text      string // the record
	names     []string
	records   [][]string // the first ones, by which the dialect is told
}

type span struct{ from, to int }

func openCSV(in *bufio.Reader, r rules) (*csvTable, error) {
	t := &csvTable{in: in, delimiter: r.delimiter, comment: r.Comment}
	err := t.header(r)
	if isEnd(err) {
		err = &recordError{max(1, t.lines), 0, "the header is missing: " + wanted()}
	}
	return t, err
}

func (t *csvTable) header(r rules) error {
	for range r.HeaderLine - 1 {
		if err := t.skip(); err != nil {
			return err
		}
	}
	if r.HeaderLine > 0 {
		t.comment = "" // the header may look like one
	}
	if err := t.read(); err != nil {
		return err
	}
	// Excel tells the delimiter like this.
	if told, ok := strings.CutPrefix(t.text, "sep="); ok && len(told) == 1 {
		t.delimiter = told[0]
		if err := t.read(); err != nil {
			return err
		}
	}
	t.comment = r.Comment
	for i := range t.spans {
		t.names = append(t.names, strings.TrimSpace(t.field(i)))
	}
	t.names[0] = strings.TrimSpace(strings.TrimPrefix(t.names[0], r.Comment))
	for range r.SkipLines {
		if err := t.skip(); err != nil && !isEnd(err) {
			return err
		}
	}
	return nil
}

func (t *csvTable) columns() []string { return t.names }

func (t *csvTable) place() (int64, string) { return t.start, unitLine }

func (t *csvTable) field(i int) string { return t.text[t.spans[i].from:t.spans[i].to] }

func (t *csvTable) value(i int) value {
	return value{kind: kindText, text: strings.TrimSpace(t.field(i))}
}

// next reads a record. An error of the record comes with the fields before it.
func (t *csvTable) next() error {
	if err := t.read(); err != nil {
		return err
	}
	got, want := len(t.spans), len(t.names)
	if got == want {
		return nil
	}
	column, what := want-1, "something follows the last field"
	if got < want {
		column, what = got, "the field is missing"
	}
	return &recordError{t.start, column, fmt.Sprintf("%s: the header has %d fields, the line %d", what, want, got)}
}

func (t *csvTable) use([]int) error { return nil }

func (t *csvTable) skip() (err error) {
	t.buf, err = t.line(t.buf[:0])
	return err
}

func (t *csvTable) read() (err error) {
	for {
		t.start, t.spans = t.lines+1, t.spans[:0]
		if err := t.skip(); err != nil {
			return err
		}
		if len(bytes.TrimSpace(t.buf)) == 0 || t.comment != "" && bytes.HasPrefix(t.buf, []byte(t.comment)) {
			continue
		}
		if t.delimiter == ' ' {
			t.buf = bytes.TrimRight(t.buf, " ")
		}
		if err := t.split(); err != nil {
			return err
		}
		t.text = string(t.buf)
		for i := range t.spans {
			if strings.TrimSpace(t.field(i)) != "" {
				return nil
			}
		}
	}
}

// split finds the fields of the record in buf. Blanks around a quoted field are no part of it.
func (t *csvTable) split() error {
	for i := 0; ; i++ { // past the delimiter
		for i < len(t.buf) && t.blank(t.buf[i]) {
			i++
		}
		switch n := bytes.IndexByte(t.buf[i:], t.delimiter); {
		case i < len(t.buf) && t.buf[i] == '"':
			var err error
			if i, err = t.quoted(i + 1); err != nil {
				return err
			}
		case n >= 0:
			t.spans = append(t.spans, span{i, i + n})
			i += n
		default:
			t.spans = append(t.spans, span{i, len(t.buf)})
			return nil
		}
		if i == len(t.buf) {
			return nil
		}
	}
}

// blank reports whether b is a blank before or behind a quoted field. Delimiters that are
// spaces come several at a time.
func (t *csvTable) blank(b byte) bool {
	return b == ' ' || b == '\t' && t.delimiter != '\t'
}

// quoted reads the field that is quoted from before i on, and returns where its delimiter is.
func (t *csvTable) quoted(i int) (int, error) {
	from, to := i, i // what was read of the field
	for {
		n := bytes.IndexByte(t.buf[i:], '"')
		if n < 0 { // the field goes on in the next line
			to += copy(t.buf[to:], t.buf[i:])
			t.buf = append(t.buf[:to], '\n')
			to++
			var err error
			if t.buf, err = t.line(t.buf); isEnd(err) {
				return 0, t.badQuote()
			} else if err != nil {
				return 0, err
			}
			i = to
			continue
		}
		to += copy(t.buf[to:], t.buf[i:i+n])
		if i += n + 1; i == len(t.buf) || t.buf[i] != '"' {
			break
		}
		t.buf[to] = '"'
		to++
		i++
	}
	t.spans = append(t.spans, span{from, to})
	for i < len(t.buf) && t.buf[i] != t.delimiter {
		if !t.blank(t.buf[i]) {
			t.spans = t.spans[:len(t.spans)-1]
			return 0, t.badQuote()
		}
		i++
	}
	return i, nil
}

func (t *csvTable) badQuote() error {
	return &recordError{t.start, len(t.spans), "the quoted field is not closed, or something follows its closing quote"}
}

// line appends the next line to b, without its end.
func (t *csvTable) line(b []byte) ([]byte, error) {
	for begun := false; ; begun = true {
		if _, err := t.in.Peek(1); err != nil {
			if begun && isEnd(err) {
				t.lines++
				err = nil
			}
			return b, err
		}
		chunk, _ := t.in.Peek(t.in.Buffered())
		n := bytes.IndexByte(chunk, '\n')
		if n < 0 {
			n = len(chunk)
		}
		if cr := bytes.IndexByte(chunk[:n], '\r'); cr >= 0 {
			n = cr
		}
		if b = append(b, chunk[:n]...); len(b) > maxRecord {
			return b, &recordError{t.start, len(t.names), "the record is longer than 1 MiB; is a quote not closed?"}
		}
		if n == len(chunk) {
			_, _ = t.in.Discard(n)
			continue
		}
		end := chunk[n]
		_, _ = t.in.Discard(n + 1)
		if next, _ := t.in.Peek(1); end == '\r' && len(next) == 1 && next[0] == '\n' {
			_, _ = t.in.Discard(1)
		}
		t.lines++
		return b, nil
	}
}

// sniffLines is how many lines of a file tell its dialect.
const sniffLines = 100

// sniff returns the delimiter of a text, and its first records by it. It is plain when the records
// have as many fields as the header; else it is the one by which the header has most.
func sniff(in *bufio.Reader, r rules) (delimiter byte, records [][]string) {
	head := peekLines(in, r.HeaderLine+r.SkipLines+sniffLines)
	candidates := []byte{',', ';', '\t', '|'}
	if r.delimiter != 0 {
		candidates = []byte{r.delimiter}
	}
	delimiter = candidates[0]
	best := 0
	for _, candidate := range candidates {
		told := r
		told.delimiter = candidate
		t, err := openCSV(bufio.NewReader(bytes.NewReader(head)), told)
		if err != nil || len(t.names) == 0 {
			continue
		}
		var found [][]string
		for err = t.next(); err == nil; err = t.next() {
			record := make([]string, len(t.names))
			for i := range record {
				record[i] = t.value(i).text
			}
			found = append(found, record)
		}
		score := len(t.names)
		if isEnd(err) && len(found) > 0 && len(t.names) > 1 {
			score += maxRecord // more than any header has
		}
		if score > best {
			best, delimiter, records = score, t.delimiter, found
		}
	}
	return delimiter, records
}

// peekLines returns the first n lines of in, fewer when they do not fit its buffer.
func peekLines(in *bufio.Reader, n int) []byte {
	for want := 1; ; want = in.Buffered() + 1 {
		_, err := in.Peek(want)
		head, _ := in.Peek(in.Buffered())
		ends := bytes.Count(head, []byte("\n"))
		if ends == 0 {
			ends = bytes.Count(head, []byte("\r"))
		}
		if err == nil && ends < n {
			continue
		}
		if last := bytes.LastIndexAny(head, "\r\n"); last >= 0 && !isEnd(err) {
			head = head[:last+1]
		}
		return head
	}
}

// dialect says what was found in a file, and not told.
func dialect(told, found rules) string {
	var parts []string
	if name, ok := map[byte]string{';': "semicolons", '\t': "tabs", '|': "vertical bars"}[found.delimiter]; ok && told.delimiter == 0 {
		parts = append(parts, "separated by "+name)
	}
	if found.decimal == ',' && told.decimal == 0 {
		parts = append(parts, "decimal comma")
	}
	return strings.Join(parts, ", ")
}
