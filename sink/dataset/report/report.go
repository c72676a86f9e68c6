// Package report says what an output holds and how it is doing, as figures for machines (Report, which encodes as JSON)
// and as one page for people (Report.Page).
//
// The figures come from the output's listing and records, from the footers of its files, and from the few columns that they
// need; nothing else is read. Memory is bounded whatever the documents hold: see top.go and keys.go for what then
// becomes an estimate, which the figures say.
//
// Every text is as untrusted as the documents it comes from. It is cut to a length where it is read (clip), made visible where
// it would act on its surroundings (visible), and escaped by html/template. The page allows itself nothing: its
// Content-Security-Policy names the hashes of its one style and its one script, and no source to load from.
package report

import (
	"time"

	"tw2parquet/schema"
	"tw2parquet/sink/dataset"
)

// Report is everything that is told of an output. Counts are of documents unless they say otherwise.
type Report struct {
	Out       string            `json:"out"`
	Time      time.Time         `json:"time"`
	Version   string            `json:"version"`
	Sources   []Source          `json:"sources"`
	Windows   []Window          `json:"windows"`
	Documents Documents         `json:"documents"`
	Drift     Drift             `json:"drift"`
	Columns   []Column          `json:"columns"`
	Files     Files             `json:"files"`
	Damaged   []dataset.Problem `json:"damaged"`  // files of which not all could be read; what came before the damage counts
	Problems  []string          `json:"problems"` // what else could not be read
}

// Span is a range of time, half open.
type Span struct {
	Start time.Time `json:"start"`
	Stop  time.Time `json:"stop"`
}

// Source is what an output covers of one source.
type Source struct {
	ID         string     `json:"source"`
	Kind       string     `json:"kind"`
	Name       string     `json:"name"` // the project, stream or query
	Topics     []string   `json:"topics,omitempty"`
	Query      string     `json:"query,omitempty"`
	Start      time.Time  `json:"start"`
	Stop       time.Time  `json:"stop"`
	Covered    []Span     `json:"covered"`
	Unfinished []Span     `json:"unfinished"`
	Gaps       []Span     `json:"gaps"`
	Days       []DayCount `json:"days"`
}

// DayCount is a day (UTC) and how many documents it has.
type DayCount struct {
	Day       string `json:"day"`
	Documents int64  `json:"documents"`
}

// Window is one run.
type Window struct {
	Run       string    `json:"run"`
	Source    string    `json:"source,omitempty"` // none of what is not an export
	Start     time.Time `json:"start,omitzero"`
	Stop      time.Time `json:"stop,omitzero"`
	State     string    `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	Limit     int       `json:"limit,omitempty"` // results asked for at most
	Expected  *int64    `json:"expected"`        // results that match, as the export task estimated; null if it did not
	Processed *int64    `json:"processed"`       // results the task counted; null of what has no task
	Read      int64     `json:"read"`
	Rows      int64     `json:"rows"`
	Rejected  int64     `json:"rejected"`
	Missing   int64     `json:"missing"` // processed, but never delivered
	Credits   *int64    `json:"credits"` // null if not known
	Files     int       `json:"files"`
	Bytes     int64     `json:"bytes"`
	Lost      []string  `json:"missing_files,omitempty"`
	Expires   time.Time `json:"expires,omitzero"` // the collector's results
	Left      *int64    `json:"seconds_left,omitempty"`
	Tables    []string  `json:"tables,omitempty"` // that it is registered in
	Command   string    `json:"command,omitempty"`
}

// Documents is what the rows hold.
type Documents struct {
	Rows       int64      `json:"rows"`    // by the footers of the files
	Read       int64      `json:"read"`    // rows that the figures below count
	Undated    int64      `json:"undated"` // neither published nor search_indexed
	Outside    int64      `json:"outside"` // dated before 1990 or after 2099
	Indexed    int64      `json:"indexed"` // without published; their day is that of search_indexed
	Days       []Day      `json:"days"`    // by day of publication, UTC
	Types      []Value    `json:"types"`   // the first of source_type
	Languages  Top        `json:"languages"`
	Countries  Top        `json:"countries"` // world_data of the document, else of its article, else of its source
	Sites      Top        `json:"sites"`
	Authors    Top        `json:"authors"` // by the sum of their documents' reach
	Topics     Top        `json:"topics"`
	Overlap    [][]int64  `json:"overlap"` // documents that both the i-th and the j-th topic matched
	Sentiment  Sentiment  `json:"sentiment"`
	Appearance []Value    `json:"appearance"`
	Engagement []Bucket   `json:"engagement"`
	Reach      []Bucket   `json:"reach"`
	Late       []Bucket   `json:"late"` // seconds from published to search_indexed
	Duplicates Duplicates `json:"duplicates"`
}

// Day is one day of publication.
type Day struct {
	Day       string  `json:"day"`
	Documents int64   `json:"documents"`
	Types     []int64 `json:"types"` // in the order of Documents.Types
	Negative  int64   `json:"negative"`
	Neutral   int64   `json:"neutral"`
	Positive  int64   `json:"positive"`
}

// Sentiment sorts documents by the sign of theirs.
type Sentiment struct {
	Negative int64 `json:"negative"`
	Neutral  int64 `json:"neutral"`
	Positive int64 `json:"positive"`
	None     int64 `json:"none"`
}

// Value is one of few values and how many documents have it.
type Value struct {
	Value     string `json:"value"`
	Documents int64  `json:"documents"`
}

// Count is one of many values and how many documents have it.
type Count struct {
	Value     string `json:"value"`
	Name      string `json:"name,omitempty"`
	Documents int64  `json:"documents"`
	Reach     int64  `json:"reach,omitempty"`
}

// Top are the most frequent values.
type Top struct {
	Values    []Count `json:"values"`
	Distinct  int64   `json:"distinct"`
	Documents int64   `json:"documents"` // that have any value
	// Error is what a count may be short of at most: above 0 there were more values than are remembered.
	Error int64 `json:"error"`
}

// Bucket counts values from From to below To; without To all above, without both those that have none.
type Bucket struct {
	From      *int64 `json:"from"`
	To        *int64 `json:"to"`
	Documents int64  `json:"documents"`
}

// Duplicates are documents of the same _key.
type Duplicates struct {
	Keyed    int64 `json:"keyed"`    // have a key
	Distinct int64 `json:"distinct"` // keys
	Surplus  int64 `json:"surplus"`  // documents beyond the first of their key
	Twice    int64 `json:"twice"`    // keys of two documents
	More     int64 `json:"more"`     // keys of three or more
	// Estimated says that only a sample of the keys was counted: there are too many to remember them all.
	Estimated bool `json:"estimated"`
}

// Drift tells how documents differed from the schema.
type Drift struct {
	Unknown       []Unknown `json:"unknown"`
	Coerced       []Coerced `json:"coerced"`
	DuplicateKeys int64     `json:"duplicate_keys"`
	ReplacedUTF8  int64     `json:"replaced_utf8"`
}

// Unknown is a member that has no column.
type Unknown struct {
	Path  string    `json:"path"`
	Count int64     `json:"count"`
	Type  string    `json:"type"`           // of one example
	First time.Time `json:"first,omitzero"` // start of the first window that has it
	Run   string    `json:"run"`
}

// Coerced is a field whose values did not fit its column.
type Coerced struct {
	Path  string `json:"path"`
	Count int64  `json:"count"`
}

// Column is one leaf of the schema.
type Column struct {
	Path    string `json:"path"`
	Entries int64  `json:"entries"` // rows; of lists their elements, and a row without any is one entry
	Values  int64  `json:"values"`  // entries that are not null
	Bytes   int64  `json:"bytes"`   // as stored
	Raw     int64  `json:"raw"`     // before compression
	// Bins are entries and values over time: each is some windows, see Files.Bins.
	Bins [][2]int64 `json:"bins"`
}

// Files is how the files are.
type Files struct {
	Count     int   `json:"count"`
	Bytes     int64 `json:"bytes"`
	Smallest  int64 `json:"smallest"`
	Median    int64 `json:"median"`
	Largest   int64 `json:"largest"`
	Small     int   `json:"small"` // below 16 MiB
	Footers   int64 `json:"footers"`
	Groups    int   `json:"row_groups"`
	GroupRows int64 `json:"rows_per_group"`

	Sizes   []FileSize  `json:"sizes"` // by powers of two
	Schemas []FileValue `json:"schema_versions"`
	Writers []FileValue `json:"writers"`
	Strays  []string    `json:"strays"`
	Bins    []Span      `json:"bins"`
}

// FileSize counts files of From bytes to below To.
type FileSize struct {
	From  int64 `json:"from"`
	To    int64 `json:"to"`
	Files int64 `json:"files"`
}

// FileValue is a value and how many files have it.
type FileValue struct {
	Value string `json:"value"`
	Files int64  `json:"files"`
}

// SmallFile is the size below which an engine's work for each file outweighs that for its bytes.
const SmallFile = 16 << 20

// columns are what is read of the rows.
var columns = []string{
	"_key", "published", "search_indexed", "source_type", "lang", "sentiment", "reach", "engagement", "domain_url", "matched.appearance",
	"world_data.country_code", "extra_article_attributes.world_data.country_code", "extra_source_attributes.world_data.country_code",
	"extra_author_attributes.id", "extra_author_attributes.name",
	"highlighted_data[].matched.project_profiles[].id", "highlighted_data[].matched.project_profiles[].title",
}

func init() {
	known := map[string]bool{}
	for _, f := range schema.Fields() {
		known[f.Path] = true
	}
	for _, c := range columns {
		if !known[c] {
			panic("report: no field " + c)
		}
	}
}
