// Package notify sends events to a webhook, as CloudEvents 1.0 in structured JSON.
//
// An event has a handful of attributes; the SDK of CloudEvents would bring a JSON library
// and a logger of its own for them.
package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const timeout = 10 * time.Second

// Event has the attributes of a CloudEvent that Delfos sets. Receivers tell events apart
// by Source and ID: one that comes again has the same.
type Event struct {
	ID      string // never empty
	Type    string // such as delfos.day_failed.begun
	Subject string // the days that it is about, empty if it is about none
	Time    time.Time
	Data    json.RawMessage
}

// source is whom all events are from.
const source = "/delfos"

// MarshalJSON implements json.Marshaler: the form of CloudEvents' JSON format.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		Source      string          `json:"source"`
		Type        string          `json:"type"`
		Subject     string          `json:"subject,omitempty"`
		Time        time.Time       `json:"time"`
		ContentType string          `json:"datacontenttype"`
		Data        json.RawMessage `json:"data"`
	}{"1.0", e.ID, source, e.Type, e.Subject, e.Time.UTC(), "application/json", e.Data})
}

// Receiver is where events are sent. It is safe for concurrent use.
type Receiver struct {
	url, token string
	client     http.Client
}

// NewReceiver returns the receiver at an http or https URL, asked with a token unless that is empty.
func NewReceiver(url, token string) *Receiver {
	return &Receiver{url: url, token: token, client: http.Client{
		Timeout: timeout,
		// A POST that is redirected may arrive as a GET without its body.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Send posts an event. The error names the receiver's host, and neither path nor query,
// which may be secret. It is nil if the receiver answered 2xx.
func (r *Receiver) Send(ctx context.Context, e Event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write event %s: %w", e.ID, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("NOTIFY_URL is not a URL")
	}
	request.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	response, err := r.client.Do(request)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return fmt.Errorf("send event %s to %s: %w", e.ID, request.URL.Host, err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection serves again
	switch response.StatusCode / 100 {
	case 2:
		return nil
	case 3:
		return fmt.Errorf("send event %s: %s answered %s: set NOTIFY_URL to where that leads", e.ID, request.URL.Host, response.Status)
	default:
		return fmt.Errorf("send event %s: %s answered %s", e.ID, request.URL.Host, cmp.Or(response.Status, "nothing"))
	}
}
