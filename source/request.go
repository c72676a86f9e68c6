package source

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind names where the documents of an export come from.
type Kind string

// The three sources of an export task (Talkwalker API, past data export page).
const (
	KindProject Kind = "project" // a project's data, its social media included
	KindStream  Kind = "stream"  // the rules of an existing stream
	KindQuery   Kind = "query"   // global data that matches Query
)

const (
	// MaxLimit is both the API's default and its maximum of results per task.
	MaxLimit = 1_000_000
	// maxQuery is the longest query in characters that the API accepts.
	maxQuery = 4096
	// runLength is what is kept of the hash: 26 base32 characters are 130 bits.
	runLength = 26
	// collectorPrefix marks the collectors that this tool made.
	collectorPrefix = "tw2p-"
)

// Request says what is exported: one export task. Two requests with equal fields are the same run,
// wherever and whenever they are made.
type Request struct {
	Kind     Kind
	Project  string   // with KindProject
	Stream   string   // with KindStream
	Topics   []string // with KindProject: only documents that match one of them
	Datasets []string // with KindProject: Customer Intelligence datasets
	Query    string   // ANDed with the source; required with KindQuery

	Start, Stop time.Time // half open [Start, Stop), whole milliseconds
	Limit       int       // results, 1 to MaxLimit; always sent, and may be overshot by the API
	Generation  int       // 1, or more to buy the same again on purpose
}

var (
	// clientID is the API's rule for identifiers that clients choose (streaming introduction page);
	// the length is ours, since none is documented.
	clientID = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,127}$`)
	// serverID covers what the server hands out and we put into a path: no slash, no leading dot.
	serverID = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$`)
)

// Validate reports every bad field at once, each with its value and a remedy, as a joined error of
// *Error with ClassUsage. now is compared with Stop: a window that is not over yet is refused, since
// documents would still be added to it after it was called complete.
func (r Request) Validate(now time.Time) error {
	var bad []error
	fail := func(field, value, remedy string) {
		bad = append(bad, &Error{Class: ClassUsage, Message: fmt.Sprintf("%s %s: %s", field, printable(value, 120), remedy)})
	}
	only := func(field string, kind Kind, set bool) {
		if set && r.Kind != kind {
			fail(field, "given", fmt.Sprintf("is for %s exports only, and this is a %s export", kind, r.Kind))
		}
	}
	switch r.Kind {
	case KindProject:
		if !serverID.MatchString(r.Project) {
			fail("project", r.Project, "must be the id of a project, as `projects` lists them")
		}
	case KindStream:
		if !clientID.MatchString(r.Stream) {
			fail("stream", r.Stream, "must start with a lower-case letter and hold only a-z, 0-9, - and _")
		}
	case KindQuery:
		if strings.TrimSpace(r.Query) == "" {
			fail("query", r.Query, "must not be empty: without a project or stream it is all that selects documents")
		}
	default:
		fail("kind", string(r.Kind), "must be project, stream or query")
	}
	only("project", KindProject, r.Project != "")
	only("stream", KindStream, r.Stream != "")
	only("topics", KindProject, len(r.Topics) > 0)
	only("datasets", KindProject, len(r.Datasets) > 0)
	for _, id := range r.Topics {
		if !opaqueID(id) {
			fail("topic", id, "must be the id of a topic, as `topics` lists them")
		}
	}
	for _, id := range r.Datasets {
		if !opaqueID(id) {
			fail("dataset", id, "must be the id of a dataset")
		}
	}
	if n := utf8.RuneCountInString(r.Query); n > maxQuery {
		fail("query", fmt.Sprintf("of %d characters", n), fmt.Sprintf("may have at most %d", maxQuery))
	}
	if !utf8.ValidString(r.Query) {
		fail("query", r.Query, "must be valid UTF-8")
	}
	r.validateRange(now, fail)
	if r.Limit < 1 || r.Limit > MaxLimit {
		fail("limit", fmt.Sprint(r.Limit), fmt.Sprintf("must be between 1 and %d", MaxLimit))
	}
	if r.Generation < 1 {
		fail("generation", fmt.Sprint(r.Generation), "must be 1 or more")
	}
	return errors.Join(bad...)
}

func (r Request) validateRange(now time.Time, fail func(field, value, remedy string)) {
	// The first usable instant: epoch seconds taken for milliseconds land in January 1970.
	floor := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"start", r.Start}, {"stop", r.Stop}} {
		switch {
		case t.at.IsZero():
			fail(t.name, "", "must be given")
		case t.at.Before(floor):
			fail(t.name, t.at.UTC().Format(time.RFC3339), "is before 1990: are these seconds instead of milliseconds?")
		case t.at.Year() > 9999:
			fail(t.name, fmt.Sprint(t.at.UnixMilli()), "is after the year 9999: is this a unit other than milliseconds?")
		case t.at.Nanosecond()%int(time.Millisecond) != 0:
			fail(t.name, t.at.UTC().Format(time.RFC3339Nano), "must be a whole millisecond, the API's resolution")
		}
	}
	if !r.Start.IsZero() && !r.Stop.IsZero() && !r.Start.Before(r.Stop) {
		fail("stop", r.Stop.UTC().Format(time.RFC3339), "must be after start: the range is [start, stop)")
	}
	if r.Stop.After(now) {
		fail("stop", r.Stop.UTC().Format(time.RFC3339), "is in the future: a window that is not over cannot be complete")
	}
}

func opaqueID(id string) bool {
	return id != "" && len(id) <= 256 && utf8.ValidString(id) &&
		!strings.ContainsFunc(id, func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) })
}

// Run is the identity of the request at an API host (without port): 26 lower-case base32 characters of
// the SHA-256 of everything that decides what is exported, and of nothing else. It does not depend on
// the order or repetition of topics and datasets.
func (r Request) Run(host string) string {
	spec := struct {
		Format     string   `json:"format"` // never change what a known format hashes: a new run would buy again
		Host       string   `json:"host"`
		Kind       Kind     `json:"kind"`
		Project    string   `json:"project"`
		Stream     string   `json:"stream"`
		Topics     []string `json:"topics"`
		Datasets   []string `json:"datasets"`
		Query      string   `json:"query"`
		Start      int64    `json:"start"`
		Stop       int64    `json:"stop"`
		Limit      int      `json:"limit"`
		Generation int      `json:"generation"`
	}{
		Format: "tw2parquet-run-1", Host: strings.ToLower(host),
		Kind: r.Kind, Project: r.Project, Stream: r.Stream,
		Topics: distinct(r.Topics), Datasets: distinct(r.Datasets), Query: r.Query,
		Start: r.Start.UnixMilli(), Stop: r.Stop.UnixMilli(),
		Limit: r.Limit, Generation: max(r.Generation, 1),
	}
	text, err := json.Marshal(spec) //nolint:forbidigo // every run was named by this form
	if err != nil {                 // strings and integers only
		panic("source: cannot encode a run's identity: " + err.Error())
	}
	return runName(text)
}

// CollectorRun names the run that reads a collector of a host: whoever reads it into the same output goes on there. Its
// generation is 1, and one more than that of a run which was dropped.
func CollectorRun(host, collector string, generation int) string {
	spec := "tw2parquet-read-1 " + strings.ToLower(host) + " " + collector
	if generation > 1 {
		spec += " " + strconv.Itoa(generation)
	}
	return runName([]byte(spec))
}

func runName(of []byte) string {
	sum := sha256.Sum256(of)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))[:runLength]
}

// CollectorID is the collector that receives a run's results. One collector per run, never shared:
// result chunks carry no task id, so a shared collector could not be told apart.
func CollectorID(run string) string { return collectorPrefix + run }

func distinct(ids []string) []string {
	sorted := append([]string{}, ids...)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// body is what the export POST sends: bounds in epoch milliseconds, since the zone of the API's date
// strings is not documented, and the limit always.
func (r Request) body(target string) ([]byte, error) {
	return jsonText(struct {
		Start    int64    `json:"start"`
		Stop     int64    `json:"stop"`
		Target   string   `json:"target"`
		Query    string   `json:"query,omitempty"`
		Limit    int      `json:"limit"`
		Topics   []string `json:"topics,omitempty"`
		Datasets []string `json:"datasets,omitempty"`
	}{r.Start.UnixMilli(), r.Stop.UnixMilli(), target, r.Query, r.Limit, distinct(r.Topics), distinct(r.Datasets)})
}

// path returns the export endpoint of the request and the same with the id left out, for messages.
func (r Request) path() (path, template string) {
	switch r.Kind {
	case KindProject:
		return "/api/v3/stream/p/" + r.Project + "/export", "/api/v3/stream/p/{id}/export"
	case KindStream:
		return "/api/v3/stream/s/" + r.Stream + "/export", "/api/v3/stream/s/{id}/export"
	}
	return "/api/v3/stream/export", "/api/v3/stream/export"
}
