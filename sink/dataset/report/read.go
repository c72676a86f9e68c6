package report

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"time"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// Config says what is read, and what is known of it already.
type Config struct {
	Dataset *dataset.Dataset
	// Known has what the records say of the output: Sources, Windows (in order) and Problems. Read fills in the rest.
	Known Report
	// Workers is how many files are read at the same time; 0 is 1.
	Workers int
	// Progress is told of bytes of files that are done with, and how many there are. It may be nil, and is called from several
	// goroutines.
	Progress func(done, total int64)
}

// reader collects what the files say.
type reader struct {
	*tally
	report  *Report
	runs    map[string]*Window
	bins    map[string]int // of a run
	columns map[string]*Column
	sources map[string]map[int32]int64
	unknown map[string]*Unknown
	coerced map[string]int64
	schemas map[string]int64
	writers map[string]int64
}

// Read computes the figures. An error is a context that ended; what cannot be read is in the report.
func Read(ctx context.Context, c Config) (*Report, error) {
	r := &reader{tally: newTally(), report: &c.Known, runs: map[string]*Window{}, columns: map[string]*Column{}, sources: map[string]map[int32]int64{},
		unknown: map[string]*Unknown{}, coerced: map[string]int64{}, schemas: map[string]int64{}, writers: map[string]int64{}}
	r.report.Problems = slices.Clone(r.report.Problems)
	var files []store.Entry
	for i := range r.report.Windows {
		w := &r.report.Windows[i]
		r.runs[w.Run] = w
		run := c.Dataset.Run(w.Run)
		if run == nil {
			continue
		}
		current, err := run.Current(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			continue // the window says so
		}
		files = append(files, current...)
	}
	r.cut()
	shared := &sharedKeys{}
	total, done := int64(0), newCounter(c.Progress)
	for _, e := range files {
		total += e.Size
	}
	problems, err := c.Dataset.Scan(ctx, dataset.Scan{
		Files: files, Workers: c.Workers, Columns: columns, Read: func(n int64) { done.add(n, total) },
		Begin: func(f *dataset.Footer) dataset.Rows {
			return &fileTally{tally: newTally(), into: r, footer: f, hashes: shared}
		},
	})
	if err != nil {
		return nil, err
	}
	for i := range problems {
		problems[i].Reason = clip(problems[i].Reason)
	}
	r.report.Damaged = append([]dataset.Problem{}, problems...)
	for _, e := range c.Dataset.Strays {
		r.report.Files.Strays = append(r.report.Files.Strays, e.Name)
	}
	r.fill(files)
	r.report.Documents.Duplicates = shared.figures()
	return r.report, nil
}

// mostBins is into how many parts the time of all windows is cut, for what is told of columns.
const mostBins = 36

// cut decides which windows belong together, oldest first.
func (r *reader) cut() {
	r.bins = map[string]int{}
	var starts []time.Time
	for _, w := range r.report.Windows {
		if !w.Start.IsZero() && w.Start.Before(w.Stop) {
			starts = append(starts, w.Start)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	starts = slices.CompactFunc(starts, time.Time.Equal)
	n := min(len(starts), mostBins)
	r.report.Files.Bins = make([]Span, n)
	for _, w := range r.report.Windows {
		at, ok := slices.BinarySearchFunc(starts, w.Start, time.Time.Compare)
		if !ok {
			continue
		}
		bin := at * n / len(starts)
		r.bins[w.Run] = bin
		b := &r.report.Files.Bins[bin]
		if b.Start.IsZero() || w.Start.Before(b.Start) {
			b.Start = w.Start
		}
		if w.Stop.After(b.Stop) {
			b.Stop = w.Stop
		}
	}
}

// End adds a file to the others.
func (t *fileTally) End(error) {
	r, f := t.into, t.footer
	r.merge(t.tally)
	r.report.Documents.Rows += f.Rows
	x := &r.report.Files
	x.Footers++
	x.Groups += len(f.Groups)
	r.schemas[clip(f.SchemaVersion)]++
	r.writers[clip(f.Notes["writer"])]++
	id, _, _, _ := sink.PartOf(path.Base(f.Name))
	w := r.runs[id]
	bin, binned := r.bins[id]
	for i := range f.Groups {
		for _, c := range f.Groups[i].Chunks {
			leaf := dataset.Leaf(c.Column)
			column := r.columns[leaf]
			if column == nil {
				column = &Column{Path: leaf, Bins: make([][2]int64, len(x.Bins))}
				r.columns[leaf] = column
			}
			column.Bytes += c.Bytes
			column.Raw += c.Uncompressed
			if c.Nulls < 0 {
				continue
			}
			column.Entries += c.Values
			column.Values += c.Values - c.Nulls
			if binned {
				column.Bins[bin][0] += c.Values
				column.Bins[bin][1] += c.Values - c.Nulls
			}
		}
	}
	if w.Source != "" {
		days := r.sources[w.Source]
		if days == nil {
			days = map[int32]int64{}
			r.sources[w.Source] = days
		}
		for number, d := range t.days {
			days[number] += d.documents
		}
	}
	r.drift(w, f.Notes["drift"])
}

// drift adds what the writer of a file noted.
func (r *reader) drift(w *Window, note string) {
	if note == "" {
		return
	}
	var d schema.Drift
	if err := json.Unmarshal([]byte(note), &d); err != nil {
		r.report.Problems = append(r.report.Problems, "run "+w.Run+": the drift report of a file cannot be read")
		return
	}
	r.report.Drift.DuplicateKeys += d.DuplicateKeys
	r.report.Drift.ReplacedUTF8 += d.ReplacedUTF8
	for path, n := range d.Coerced {
		if path = clip(path); len(r.coerced) < schema.MaxUnknown || r.coerced[path] > 0 {
			r.coerced[path] += n
		}
	}
	for _, path := range slices.Sorted(maps.Keys(d.Unknown)) {
		seen := d.Unknown[path]
		path = clip(path)
		if r.unknown[path] == nil && len(r.unknown) >= schema.MaxUnknown {
			path = schema.Other
		}
		u := r.unknown[path]
		if u == nil {
			u = &Unknown{Path: path, Type: clip(seen.Type), First: w.Start, Run: w.Run}
			r.unknown[path] = u
		}
		u.Count += seen.Count
		if w.Start.Before(u.First) {
			u.First, u.Run, u.Type = w.Start, w.Run, clip(seen.Type)
		}
	}
}

// fill puts what was counted into the report.
func (r *reader) fill(files []store.Entry) {
	x := r.report
	d := &x.Documents
	d.Read, d.Undated, d.Outside, d.Indexed, d.Sentiment = r.rows, r.undated, r.outside, r.indexed, r.sentiment
	r.fillDays()
	d.Languages, d.Countries, d.Sites, d.Authors = r.languages.figures(25), r.countries.figures(25), r.sites.figures(25), r.authors.figures(25)
	d.Topics = r.topics.figures(25)
	d.Overlap = r.overlap(d.Topics.Values)
	for i, name := range []string{"NEW", "UPDATED", "UNKNOWN", none} {
		d.Appearance = append(d.Appearance, Value{name, r.appearance[i]})
	}
	d.Engagement, d.Reach = r.engagement.buckets(), r.reach.buckets()
	d.Late = r.lateBuckets()
	for i := range x.Sources {
		s := &x.Sources[i]
		s.Days = []DayCount{}
		for _, number := range slices.Sorted(maps.Keys(r.sources[s.ID])) {
			s.Days = append(s.Days, DayCount{dayText(number), r.sources[s.ID][number]})
		}
	}
	x.Drift.Unknown, x.Drift.Coerced, x.Columns = []Unknown{}, []Coerced{}, []Column{}
	for _, u := range r.unknown {
		x.Drift.Unknown = append(x.Drift.Unknown, *u)
	}
	slices.SortFunc(x.Drift.Unknown, func(a, b Unknown) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Path, b.Path)) })
	for path, n := range r.coerced {
		x.Drift.Coerced = append(x.Drift.Coerced, Coerced{path, n})
	}
	slices.SortFunc(x.Drift.Coerced, func(a, b Coerced) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Path, b.Path)) })
	for _, f := range schema.Fields() {
		if c := r.columns[f.Path]; c != nil {
			x.Columns = append(x.Columns, *c)
		}
	}
	r.fillFiles(files)
}

func (r *reader) fillDays() {
	d := &r.report.Documents
	counts := make([]int64, len(r.types.list))
	for _, day := range r.days {
		for i := range counts {
			counts[i] += day.types[i]
		}
	}
	order := make([]int, len(counts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(r.types.list[a], r.types.list[b]))
	})
	d.Days, d.Types = []Day{}, []Value{}
	for _, i := range order {
		d.Types = append(d.Types, Value{r.types.list[i], counts[i]})
	}
	for _, number := range slices.Sorted(maps.Keys(r.days)) {
		t := r.days[number]
		day := Day{Day: dayText(number), Documents: t.documents, Negative: t.negative, Neutral: t.neutral, Positive: t.positive}
		for _, i := range order {
			day.Types = append(day.Types, t.types[i])
		}
		d.Days = append(d.Days, day)
	}
}

func dayText(number int32) string {
	return time.Unix(int64(number)*daySeconds, 0).UTC().Format(time.DateOnly)
}

func (r *reader) overlap(topics []Count) [][]int64 {
	all := make([][]int64, len(topics))
	for i, a := range topics {
		all[i] = make([]int64, len(topics))
		for j, b := range topics {
			switch {
			case i == j:
				all[i][j] = a.Documents
			case a.Value < b.Value:
				all[i][j] = r.pairs[[2]string{a.Value, b.Value}]
			default:
				all[i][j] = r.pairs[[2]string{b.Value, a.Value}]
			}
		}
	}
	return all
}

func bucket(from, to, n int64) Bucket { return Bucket{&from, &to, n} }

func (p *powers) buckets() []Bucket {
	all := []Bucket{}
	zero := int64(0)
	if p.negative > 0 {
		all = append(all, Bucket{To: &zero, Documents: p.negative})
	}
	last := 0
	for i, n := range p.digits {
		if n > 0 {
			last = i
		}
	}
	from, to := int64(0), int64(1)
	for i := 0; i <= last && i < len(p.digits)-1; i++ {
		all = append(all, bucket(from, to, p.digits[i]))
		from, to = to, to*10
	}
	if last == len(p.digits)-1 { // ten to the 18th is where int64 ends
		all = append(all, Bucket{From: &from, Documents: p.digits[last]})
	}
	return append(all, Bucket{Documents: p.none})
}

func (r *reader) lateBuckets() []Bucket {
	zero, last := int64(0), lateEdges[len(lateEdges)-1]
	all := []Bucket{{To: &zero, Documents: r.late[0]}}
	from := int64(0)
	for i, edge := range lateEdges {
		all = append(all, bucket(from, edge, r.late[i+1]))
		from = edge
	}
	return append(all, Bucket{From: &last, Documents: r.late[lateBuckets]}, Bucket{Documents: r.late[lateBuckets+1]})
}

func (r *reader) fillFiles(files []store.Entry) {
	x := &r.report.Files
	x.Count = len(files)
	x.Sizes, x.Schemas, x.Writers = []FileSize{}, []FileValue{}, []FileValue{}
	if x.Strays == nil {
		x.Strays = []string{}
	}
	if x.Groups > 0 {
		x.GroupRows = r.report.Documents.Rows / int64(x.Groups)
	}
	for version, n := range r.schemas {
		x.Schemas = append(x.Schemas, FileValue{version, n})
	}
	for writer, n := range r.writers {
		x.Writers = append(x.Writers, FileValue{writer, n})
	}
	for _, list := range [][]FileValue{x.Schemas, x.Writers} {
		slices.SortFunc(list, func(a, b FileValue) int { return cmp.Compare(a.Value, b.Value) })
	}
	if len(files) == 0 {
		return
	}
	sizes := make([]int64, len(files))
	for i, e := range files {
		sizes[i] = e.Size
		x.Bytes += e.Size
		if e.Size < SmallFile {
			x.Small++
		}
	}
	slices.Sort(sizes)
	x.Smallest, x.Median, x.Largest = sizes[0], sizes[len(sizes)/2], sizes[len(sizes)-1]
	for _, n := range sizes { // by powers of two
		from := int64(1) << log2(n)
		if last := len(x.Sizes) - 1; last < 0 || x.Sizes[last].From != from {
			x.Sizes = append(x.Sizes, FileSize{from, 2 * from, 0})
		}
		x.Sizes[len(x.Sizes)-1].Files++
	}
}
