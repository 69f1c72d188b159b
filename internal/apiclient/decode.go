package apiclient

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// Decode reads a body into a type that was generated from the contract, and is an
// *Error unless all is there that the contract requires: encoding/json takes any
// object for any type, and leaves zeros.
func (a API) Decode(r *http.Response, body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return a.errorf(r, "answered with JSON that is not the %s's: %v", a.name, err)
	}
	if missing := missing(reflect.TypeOf(v).Elem(), body); missing != "" {
		return a.errorf(r, "answered with JSON that is not the %s's: %s", a.name, missing)
	}
	return nil
}

// missing names the first property that the contract requires and text lacks,
// "" if it has all. text is JSON that fits t. A property is required when its
// field is neither a pointer nor left out when empty.
func missing(t reflect.Type, text json.RawMessage) string {
	if string(text) == "null" {
		if t.Kind() == reflect.Pointer || t == reflect.TypeFor[json.RawMessage]() {
			return ""
		}
		return "null where there should be a value"
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch kind := t.Kind(); {
	case isLeaf(t):
		return ""
	case kind == reflect.Struct:
		return missingOf(t, text)
	case kind == reflect.Slice:
		var items []json.RawMessage
		if err := json.Unmarshal(text, &items); err != nil {
			return err.Error()
		}
		for i, item := range items {
			if found := missing(t.Elem(), item); found != "" {
				return fmt.Sprintf("%s of item %d", found, i)
			}
		}
	}
	return ""
}

// isLeaf reports whether a type reads itself, or is whatever JSON there is.
func isLeaf(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) ||
		t == reflect.TypeFor[json.RawMessage]()
}

// missingOf is missing of an object.
func missingOf(t reflect.Type, text json.RawMessage) string {
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(text, &properties); err != nil {
		return err.Error()
	}
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, ok := properties[name]
		switch {
		case !ok && !strings.Contains(options, "omitempty"):
			return name + " is missing"
		case !ok || string(value) == "null" && strings.Contains(options, "omitempty"):
			continue
		}
		if found := missing(field.Type, value); found != "" {
			return fmt.Sprintf("%s in %s", found, name)
		}
	}
	return ""
}

// detail is the sentence of a problem, or where an answer came from that is
// none.
func detail(r *http.Response, body []byte) string {
	var problem struct {
		Detail string `json:"detail"`
	}
	if isProblem(r) && json.Unmarshal(body, &problem) == nil && problem.Detail != "" {
		return problem.Detail
	}
	return fmt.Sprintf("%s %s was answered with %s, not with a problem of the API's%s",
		r.Request.Method, place(r.Request.URL), or(mediaType(r), "no Content-Type"), From(r))
}
