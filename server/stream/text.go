package stream

import (
	"encoding/json"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// appendQuoted appends a text as a JSON string.
func appendQuoted(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			if quoted, err := json.Marshal(text); err == nil { // any string can be
				return append(b, quoted...)
			}
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// appendField appends a text as a field of CSV. An empty one has quotes: without
// them it would be a null.
func appendField(b []byte, text string) []byte {
	if text != "" && !strings.ContainsAny(text, ",\"\r\n") {
		return append(b, text...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(text, `"`, `""`)...)
	return append(b, '"')
}

// texts are the values of a Text column in the layout of Arrow: one after
// another, with the place where each ends.
type texts struct {
	ends  []int32
	bytes []byte
}

func (t *texts) append(text string) {
	if len(t.ends) == 0 {
		t.ends = append(t.ends, 0)
	}
	t.bytes = append(t.bytes, text...)
	t.ends = append(t.ends, int32(len(t.bytes)))
}

func (t *texts) reset() { t.ends, t.bytes = t.ends[:0], t.bytes[:0] }

// array shows the memory as an Arrow array of at least one row.
func (t *texts) array(rows int) arrow.Array {
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.GetBytes(t.ends)), memory.NewBufferBytes(t.bytes)}
	return array.MakeFromData(array.NewData(arrow.BinaryTypes.String, rows, buffers, nil, 0, 0))
}
