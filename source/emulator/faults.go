package emulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// FaultFormat documents the fault script, for the help of a command.
const FaultFormat = `A fault script is a JSON object {"rules":[…]}. Of every call, the first rule that matches applies.

Which calls:
  "endpoint"  collector_put collector_get collector_delete collector_pause collector_resume results
              export tasks task task_delete stream_info stream_put stream_get stream_delete
              search_info credits histogram search resources topics unknown, or "*" (the default)
  "match"     only calls whose path and query contain this text
  "nth"       only the nth such call, from 1 ("from", "to": a range; "every": each nth; none: all)

What happens, in this order (a rule may have several):
  "delay":"2s"                        wait before anything else
  "hold":"before" | "after"           wait until released (POST /_emulator/release)
  "redirect":{"http":307,"to":"URL"}
  "garbage":"text"                    instead of HTTP, then close
  "drop":"before" | "after"           close the connection without an answer, before or after the call
                                      was processed (after: the task exists, the answer is lost)
  "respond":{"http":503,"code":1,"message":"…","body":"…","header":{"K":"V"},"after":true}
                                      with "body" that text, else an envelope; "after": processed before
  "gzip":"correct" | "truncated" | "crc" | "wrong"      ("wrong": claims gzip, is not)
  "cut":{"at":1000,"how":"end"}       end the body after so many bytes: "end" properly, "close" and
                                      "reset" within the framing (FIN, RST), "chunk" with a broken chunk
                                      header, "bare" by closing a body without any framing
  "pace":{"bytes":1,"every":"5s"}     send so many bytes, pause, and so on
  "stall":{"at":1000,"for":"10m"}     pause after so many bytes; without "for" until released, or the client goes

For results only, "at" counting the results of the read:
  "error":{"at":5,"code":25,"message":"…","continue":false}      a CT_ERROR chunk
  "inject":{"at":5,"lines":["…"],"repeat":1,"bytes":0}           raw lines; "bytes": a document of that size
  "offset":"text"                     the resume_offset of every control chunk but the echo
  "shift":-3                          start that many results later (or earlier) than asked
  "no_final":true                     end without the final control chunk
  "framing":"crlf" | "joined" | "blank" | "pretty" | "bom" | "newline"   ("newline": one after the last chunk too)

For export only:
  "hide":"90s"                        the task that is made is not listed for that long
  "task":{"end":"failed","at":0.5,"shown":"…","messages":[…]}    it ends so, at that share of its results;
                                      "at" without "end": it stays there; "shown": its status until the end
`

// Faults is a fault script. FaultFormat describes its JSON form, which the fields follow.
type Faults struct {
	Rules []Rule `json:"rules"`
}

// Rule says what goes wrong with which calls.
type Rule struct {
	Endpoint string `json:"endpoint,omitempty"`
	Match    string `json:"match,omitempty"`
	Nth      int    `json:"nth,omitempty"`
	From     int    `json:"from,omitempty"`
	To       int    `json:"to,omitempty"`
	Every    int    `json:"every,omitempty"`

	Delay    Duration  `json:"delay,omitempty"`
	Hold     string    `json:"hold,omitempty"`
	Redirect *Redirect `json:"redirect,omitempty"`
	Garbage  string    `json:"garbage,omitempty"`
	Drop     string    `json:"drop,omitempty"`
	Respond  *Respond  `json:"respond,omitempty"`
	Gzip     string    `json:"gzip,omitempty"`
	Cut      *Cut      `json:"cut,omitempty"`
	Stall    *Stall    `json:"stall,omitempty"`
	Pace     *Pace     `json:"pace,omitempty"`

	Error   *StreamError `json:"error,omitempty"`
	Inject  *Inject      `json:"inject,omitempty"`
	Offset  *string      `json:"offset,omitempty"`
	Shift   int64        `json:"shift,omitempty"`
	NoFinal bool         `json:"no_final,omitempty"`
	Framing string       `json:"framing,omitempty"`

	Hide Duration `json:"hide,omitempty"`
	Task *Fate    `json:"task,omitempty"`
}

// Redirect answers with a Location.
type Redirect struct {
	HTTP int    `json:"http"`
	To   string `json:"to"`
}

// Respond answers in the API's place: with Body, or with an envelope of Code.
type Respond struct {
	HTTP    int               `json:"http,omitempty"` // 0: the code's documented status, or 200 for a body
	Code    int               `json:"code,omitempty"`
	Message string            `json:"message,omitempty"`
	Body    *string           `json:"body,omitempty"`
	Header  map[string]string `json:"header,omitempty"`
	After   bool              `json:"after,omitempty"`
}

// Cut ends an answer's body early.
type Cut struct {
	At  int64  `json:"at"`
	How string `json:"how"`
}

// Stall pauses an answer's body.
type Stall struct {
	At  int64    `json:"at"`
	For Duration `json:"for,omitempty"`
}

// Pace lets an answer's body trickle.
type Pace struct {
	Bytes int      `json:"bytes"`
	Every Duration `json:"every"`
}

// StreamError is a CT_ERROR chunk.
type StreamError struct {
	At       int64  `json:"at"`
	Code     int    `json:"code"`
	Message  string `json:"message,omitempty"`
	Continue bool   `json:"continue,omitempty"`
}

// Inject puts lines into a stream that no queue holds.
type Inject struct {
	At     int64    `json:"at"`
	Lines  []string `json:"lines,omitempty"`
	Repeat int      `json:"repeat,omitempty"`
	Bytes  int      `json:"bytes,omitempty"`
}

// Fate is what becomes of a task.
type Fate struct {
	End      string          `json:"end,omitempty"`
	At       *float64        `json:"at,omitempty"`
	Shown    string          `json:"shown,omitempty"`
	Messages json.RawMessage `json:"messages,omitempty"`
}

// Duration is a time.Duration that reads and writes "90s".
type Duration time.Duration

// MarshalJSON writes the form that UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) { return encode(time.Duration(d).String()), nil }

// UnmarshalJSON reads what time.ParseDuration reads, as a string.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is not a duration such as \"90s\"", text)
	}
	parsed, err := time.ParseDuration(s)
	*d = Duration(parsed)
	return err
}

// ParseFaults reads a fault script. An unknown key, name or value is an error that names it.
func ParseFaults(script []byte) (*Faults, error) {
	d := json.NewDecoder(bytes.NewReader(script))
	d.DisallowUnknownFields()
	f := &Faults{}
	if err := d.Decode(f); err != nil {
		return nil, fmt.Errorf("fault script: %w", err)
	}
	if rest := bytes.TrimSpace(script[d.InputOffset():]); len(rest) > 0 {
		return nil, errors.New("fault script: text after the object")
	}
	var errs []error
	for i := range f.Rules {
		if err := f.Rules[i].validate(); err != nil {
			errs = append(errs, fmt.Errorf("fault script: rule %d: %w", i+1, err))
		}
	}
	return f, errors.Join(errs...)
}

func (r *Rule) validate() error {
	var errs []error
	oneOf := func(key, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			errs = append(errs, fmt.Errorf("%q: %q is not one of %s", key, value, strings.Join(allowed, ", ")))
		}
	}
	names := []string{"*", EndpointUnknown}
	for _, rt := range routes() {
		names = append(names, rt.name)
	}
	oneOf("endpoint", r.Endpoint, slices.Compact(names)...)
	oneOf("hold", r.Hold, "before", "after")
	oneOf("drop", r.Drop, "before", "after")
	oneOf("gzip", r.Gzip, "correct", "truncated", "crc", "wrong")
	oneOf("framing", r.Framing, "crlf", "joined", "blank", "pretty", "bom", "newline")
	if r.Cut != nil {
		setDefault(&r.Cut.How, "end")
		oneOf("cut.how", r.Cut.How, "end", "close", "reset", "chunk", "bare")
	}
	if r.Redirect != nil && (r.Redirect.HTTP < 300 || r.Redirect.HTTP > 399) {
		errs = append(errs, fmt.Errorf("\"redirect\": %d is not a redirection", r.Redirect.HTTP))
	}
	if r.Nth < 0 || r.From < 0 || r.To < 0 || r.Every < 0 || r.Nth > 0 && r.From+r.To+r.Every > 0 {
		errs = append(errs, errors.New("\"nth\" excludes \"from\", \"to\" and \"every\", and none is negative"))
	}
	if t := r.Task; t != nil && t.At != nil && (*t.At < 0 || *t.At > 1) {
		errs = append(errs, fmt.Errorf("\"task.at\": %v is not a share from 0 to 1", *t.At))
	}
	return errors.Join(errs...)
}

// applies says whether the rule is meant for the nth call that it matches.
func (r *Rule) applies(n int) bool {
	switch {
	case r.Nth > 0:
		return n == r.Nth
	case n < r.From, r.To > 0 && n > r.To:
		return false
	case r.Every > 0:
		return (n-r.From)%r.Every == 0
	}
	return true
}

// faultState is the script in force, with its counters.
type faultState struct {
	mu      sync.Mutex
	rules   []Rule
	counts  []int
	release chan struct{}
}

// SetFaults replaces the fault script and starts its counters anew; nil clears it.
func (s *Server) SetFaults(f *Faults) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.rules = nil
	if f != nil {
		s.faults.rules = slices.Clone(f.Rules)
	}
	s.faults.counts = make([]int, len(s.faults.rules))
}

// Release lets every held call go on, and every stalled one that has no time of its own.
func (s *Server) Release() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	close(s.faults.release)
	s.faults.release = make(chan struct{})
}

// take counts a call and returns what is to happen to it.
func (f *faultState) take(endpoint string, r *http.Request) *effects {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &effects{release: f.release}
	for i := range f.rules {
		rule := &f.rules[i]
		if rule.Endpoint != "" && rule.Endpoint != "*" && rule.Endpoint != endpoint || !strings.Contains(r.URL.RequestURI(), rule.Match) {
			continue
		}
		f.counts[i]++
		if e.rule == nil && rule.applies(f.counts[i]) {
			copied := *rule
			e.rule = &copied
			if rule.Error != nil || rule.Inject != nil {
				e.stream = &copied
			}
		}
	}
	return e
}
