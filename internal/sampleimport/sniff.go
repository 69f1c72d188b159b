package sampleimport

import (
	"bufio"
	"bytes"
	"strings"
)

// sniffLines is how many lines of a file tell its dialect.
const sniffLines = 100

// sniff returns the delimiter of a text, and its first records by it. It is plain when
// the records have as many fields as the header, and more than one; else it is the
// one by which the header has most.
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
