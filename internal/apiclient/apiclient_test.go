package apiclient_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/delfos/delfos/internal/apiclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whatever the contract requires has to be there; what it lets out may be.
func TestDecode(t *testing.T) {
	t.Parallel()
	type item struct {
		ID    int64      `json:"id"`
		Name  *string    `json:"name,omitempty"`
		At    time.Time  `json:"at"`
		Until *time.Time `json:"until,omitempty"`
	}
	type list struct {
		Items []item          `json:"items"`
		More  *item           `json:"more,omitempty"`
		Any   map[string]any  `json:"any"`
		Raw   json.RawMessage `json:"raw"`
	}
	const at = `"at": "2025-01-01T00:00:00Z"`
	r := &http.Response{Request: &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "api:8000", Path: "/x", RawQuery: "a=1", User: url.UserPassword("me", "secret")}}}
	const before, behind = "GET http://me:xxxxx@api:8000/x answered with JSON that is not the source API's: ", "; SOURCE_API_URL has to be the address of the source API"
	for body, want := range map[string]string{
		`{"items": [], "any": {}, "raw": 1}`:                                            "",
		`{"items": [{"id": 1, ` + at + `}], "any": {"a": null}, "raw": null, "new": 1}`: "",
		`{"items": [{"id": 0, ` + at + `, "name": null}], "any": {}, "raw": 1}`:         "",
		`{"items": [{"id": 1, ` + at + `}, {"id": 1}], "any": {}, "raw": 1}`:            "at is missing of item 1 in items",
		`{"items": [{` + at + `}], "any": {}, "raw": 1}`:                                "id is missing of item 0 in items",
		`{"items": [{"id": null, ` + at + `}], "any": {}, "raw": 1}`:                    "null where there should be a value in id of item 0 in items",
		`{"items": [], "more": {"id": 1}, "any": {}, "raw": 1}`:                         "at is missing in more",
		`{"items": null, "any": {}, "raw": 1}`:                                          "null where there should be a value in items",
		`{"any": {}, "raw": 1}`:                                                         "items is missing",
		`null`:                                                                          "null where there should be a value",
		`{}`:                                                                            "items is missing",
	} {
		var v list
		err := apiclient.Source().Decode(r, []byte(body), &v)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != before+want+behind) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
	for _, body := range []string{``, `[`, `[]`, `{"items": {}}`, `"x"`, `{"items": [{"id": "1"}]}`} {
		var v list
		if err := apiclient.Source().Decode(r, []byte(body), &v); err == nil {
			t.Errorf("%s is taken", body)
		}
	}
}
