package source

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Collector is a server-side queue of results, kept for seven days.
type Collector struct {
	ID      string
	State   string    // as sent: ACTIVE, PAUSED or DELETED; PAUSED is normal for an export's target
	Created time.Time // zero if not told
	// Live is true when the collector has a query of its own: it goes on collecting, and billing.
	Live bool
	Raw  json.RawMessage // the object as sent, unknown members included, without the token
}

// StreamRef is a stream of the account.
type StreamRef struct {
	ID      string
	Enabled bool
	Raw     json.RawMessage
}

// Info lists the streams and collectors of the account.
type Info struct {
	Collectors []Collector
	Streams    []StreamRef
}

const collectorTemplate = "/api/v3/stream/c/{id}"

// Collector looks a collector up. errors.Is(err, ErrNotFound) if there is none.
func (c *Client) Collector(ctx context.Context, id string) (Collector, error) {
	got, err := c.collector(ctx, http.MethodGet, id, "", nil, c.limits.collector, retryFree, nil)
	var e *Error
	if !errors.As(err, &e) || !e.bare || e.HTTP != http.StatusNotFound {
		return got, err
	}
	// A 404 without the API's envelope may be a proxy's. What a missing collector looks like is not
	// documented, so the account's list decides.
	info, listErr := c.StreamInfo(ctx)
	if listErr != nil {
		return Collector{}, err
	}
	for _, listed := range info.Collectors {
		if listed.ID == id {
			return Collector{}, err
		}
	}
	e.Err, e.Class, e.Message = ErrNotFound, ClassRejected, "the collector does not exist"
	return Collector{}, e
}

// CreateCollector makes an empty collector, the target of one export. An existing one of that id is
// replaced, and what becomes of its results is not documented: look before. It is not repeated on
// failure, for the same reason.
func (c *Client) CreateCollector(ctx context.Context, id string) (Collector, error) {
	return c.createCollector(ctx, id, nil)
}

func (c *Client) createCollector(ctx context.Context, id string, late func() bool) (Collector, error) {
	return c.collector(ctx, http.MethodPut, id, "", []byte("{}"), c.limits.collectorChange, retryPaid, late)
}

// DeleteCollector removes a collector and its results. A collector that is already gone is not an error.
func (c *Client) DeleteCollector(ctx context.Context, id string) (Collector, error) {
	got, err := c.collector(ctx, http.MethodDelete, id, "", nil, c.limits.collectorChange, retryFree, nil)
	if errors.Is(err, ErrNotFound) {
		return Collector{ID: id, State: "DELETED"}, nil
	}
	return got, err
}

// PauseCollector stops a live collector from collecting.
func (c *Client) PauseCollector(ctx context.Context, id string) (Collector, error) {
	return c.collector(ctx, http.MethodPost, id, "/pause", nil, c.limits.collectorChange, retryFree, nil)
}

// ResumeCollector lets a live collector collect, and bill, again.
func (c *Client) ResumeCollector(ctx context.Context, id string) (Collector, error) {
	return c.collector(ctx, http.MethodPost, id, "/resume", nil, c.limits.collectorChange, retryPaid, nil)
}

func (c *Client) collector(ctx context.Context, method, id, action string, body []byte, limit *limiter, r retries, late func() bool) (Collector, error) {
	if err := checkID(clientID, "collector", id); err != nil {
		return Collector{}, err
	}
	k := call{method: method, path: "/api/v3/stream/c/" + id + action, template: collectorTemplate + action,
		body: body, limit: limit, retries: r, late: late}
	o, err := c.do(ctx, k)
	if err != nil {
		return Collector{}, err
	}
	list := collectorsOf(o.object("result_stream"))
	if len(list) != 1 || list[0].ID != id && list[0].ID != "" {
		return Collector{}, c.unexpected(k.op(), o, "the answer does not describe the collector that was asked for")
	}
	list[0].ID = id
	return list[0], nil
}

// StreamInfo lists the collectors and streams of the account.
func (c *Client) StreamInfo(ctx context.Context) (Info, error) {
	o, err := c.do(ctx, call{method: http.MethodGet, path: "/api/v3/stream/info", template: "/api/v3/stream/info",
		limit: c.limits.streamInfo})
	if err != nil {
		return Info{}, err
	}
	result := o.object("result_stream")
	info := Info{Collectors: collectorsOf(result)}
	for _, s := range result.list("streams") {
		info.Streams = append(info.Streams, StreamRef{ID: s.text("stream_id"), Enabled: s.text("enabled") == "true", Raw: s.raw()})
	}
	return info, nil
}

func collectorsOf(result object) []Collector {
	var list []Collector
	for _, o := range result.list("collectors") {
		list = append(list, Collector{
			ID: o.text("collector_id"), State: o.text("state"), Created: o.when("creation_date"),
			Live: hasContent(o["collector_query"]), Raw: o.raw(),
		})
	}
	return list
}

// hasContent reports whether a collector's definition selects anything: an empty one may come back as
// nothing, null, {}, or members that are empty themselves.
func hasContent(raw json.RawMessage) bool {
	if len(raw) == 0 {
		return false
	}
	var o object
	if json.Unmarshal(raw, &o) == nil && raw[0] == '{' {
		for _, member := range o {
			if hasContent(member) {
				return true
			}
		}
		return false
	}
	switch string(raw) {
	case "null", `""`, "false":
		return false
	}
	var list []json.RawMessage
	if raw[0] == '[' && json.Unmarshal(raw, &list) == nil {
		return len(list) > 0
	}
	return true
}

// raw is the object as JSON with its members in alphabetical order.
func (o object) raw() json.RawMessage {
	text, err := jsonText(map[string]json.RawMessage(o))
	if err != nil {
		return nil
	}
	return text
}

func checkID(rule interface{ MatchString(string) bool }, what, id string) error {
	if rule.MatchString(id) {
		return nil
	}
	return &Error{Class: ClassUsage, Message: what + " id " + printable(id, 120) + ": holds characters that no such id has"}
}

// unexpected is an answer that claims success and does not hold what was asked for.
func (c *Client) unexpected(op string, o object, message string) *Error {
	return &Error{Class: ClassUnavailable, HTTP: http.StatusOK, Op: op, RequestID: c.clean(o.text("request_id")),
		Message: message, Retryable: true, sent: true}
}
