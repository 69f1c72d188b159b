package dberror

import (
	"testing"
)

// Each row of the table is reached: none stands behind one that takes its
// errors.
func TestEachStateIsReached(t *testing.T) {
	t.Parallel()
	for i, row := range states() {
		for _, code := range row.codes {
			message := "a message"
			if len(row.says) > 0 {
				message = row.says[0]
			}
			if len(code) == 2 {
				code += "999" // one of the class that no other row names
			}
			if got := ofState(code, message); got != row.means {
				t.Errorf("row %d: %s %q: got %+v, want %+v", i, code, message, got, row.means)
			}
		}
		if (row.means.Class == Never || row.means.Class == Outdated) && row.means.Remedy == "" || row.means.Found == "" {
			t.Errorf("row %d: %+v says too little", i, row.means)
		}
	}
}
