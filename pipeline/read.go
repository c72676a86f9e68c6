package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"tw2parquet/pipeline/bug"
	"tw2parquet/schema"
	"tw2parquet/source"
)

// ReadingRecord says which collector a run reads, and from where on: an Origin. A run that has it is never complete.
const ReadingRecord = "reading.json"

// Where reading may begin, other than at an offset.
const (
	FromEarliest = "earliest"
	FromLatest   = "latest"
)

// Origin is where the first start of a run that reads a collector began.
type Origin struct {
	Run       string `json:"run"`
	Host      string `json:"host"` // of the API
	Collector string `json:"collector"`
	From      string `json:"from"`   // as it was asked for
	Offset    string `json:"offset"` // what that was; "" = the earliest result
}

// ErrBegun says that a run was asked to begin somewhere, and has begun already.
var ErrBegun = errors.New("this output has begun to read the collector, and goes on where its files end")

// CollectorReader is what reading a collector needs of the API; *source.Client is it. Nothing of it changes anything.
type CollectorReader interface {
	Collector(ctx context.Context, id string) (source.Collector, error)
	Latest(ctx context.Context, collector string) (offset string, err error)
	CheckOffset(ctx context.Context, collector, offset string) error
	Stream(cfg source.StreamConfig) *source.Stream
}

// Read moves what a collector holds, and with Follow what it will hold, into an output. No task is made and nothing
// is bought. Each start goes on where the published files end.
type Read struct {
	API       CollectorReader
	Host      string // of the API
	Collector string
	From      string        // FromEarliest, FromLatest or an offset, for the first start; "" = FromEarliest
	Follow    time.Duration // go on for ever, and publish what is read at least so often; 0: until all is read
	Output    Output        // its Sink, Chain and Journal
	Records   Records
	Pool      *Pool        // nil: one of its own
	Log       *slog.Logger // nil: none
	Observers []Observer
}

// Run reads until all is read, or until ctx ends: then what an offset covers is published. The report is of what this
// start published, whatever the error.
func (j *Read) Run(ctx context.Context, w Window) (Report, error) {
	r := Report{Run: w.Run, Collector: j.Collector, Drift: &schema.Drift{}, UnsafeOverwrite: j.Output.UnsafeOverwrite}
	err := bug.Guard(func() error { return j.run(ctx, w, &r) })
	observers(j.Observers).end(w, r, err)
	return r, err
}

func (j *Read) run(ctx context.Context, w Window, r *Report) error {
	m := mover{
		window: w, sink: j.Output.Sink, chain: j.Output.Chain, records: j.Records, pool: j.Pool, observers: j.Observers,
		log: orDiscard(j.Log), reading: &Reading{}, collector: j.Collector, endless: j.Follow > 0,
	}
	r.Reading = m.reading
	m.begin()
	o, err := j.origin(ctx, w.Run)
	if err != nil {
		return err
	}
	m.origin = o.Offset
	before := len(j.Output.Chain.Files())
	err = j.move(ctx, &m)
	if terr := r.tally(j.Output.Chain.Files()[before:]); err == nil {
		err = terr
	}
	_, results := j.Output.Chain.Position()
	return outdated(err, results)
}

// move reads stream after stream. Each that is followed ends with what it brought published.
func (j *Read) move(ctx context.Context, m *mover) error {
	if j.Follow == 0 {
		return m.read(ctx, j.API.Stream, source.StreamConfig{Ending: source.CaughtUp{}})
	}
	for {
		if err := m.read(ctx, j.API.Stream, source.StreamConfig{Ending: source.Follow{For: j.Follow}}); err != nil {
			return err
		}
		m.begin()
	}
}

// origin is where the run begins. It is written down before the first result is read: "latest" would be another place
// at the next start.
func (j *Read) origin(ctx context.Context, run string) (Origin, error) {
	text, err := j.Output.Journal.Get(ctx, ReadingRecord)
	begun := len(j.Output.Chain.Files()) > 0
	switch {
	case err == nil:
		var o Origin
		if err := json.Unmarshal(text, &o); err != nil {
			return o, unreadable(ReadingRecord+" of run "+run, err)
		}
		if j.From != "" && (begun || o.From != j.From) {
			return o, ErrBegun
		}
		return o, nil
	case !errors.Is(err, fs.ErrNotExist):
		return Origin{}, fmt.Errorf("read %s: %w", ReadingRecord, err)
	case begun && j.From != "":
		return Origin{}, ErrBegun
	}
	o := Origin{Run: run, Host: j.Host, Collector: j.Collector, From: j.From}
	if !begun {
		if err := j.locate(ctx, &o); err != nil {
			return o, err
		}
	}
	there, err := write(ctx, j.Output.Journal, ReadingRecord, o)
	if there {
		return j.origin(ctx, run) // another reader was faster, and begins where its record says
	}
	return o, err
}

// locate finds the offset to begin at. A collector that does not exist is an error, with nothing written down.
func (j *Read) locate(ctx context.Context, o *Origin) (err error) {
	if _, err := j.API.Collector(ctx, j.Collector); err != nil {
		return err
	}
	switch o.From {
	case "", FromEarliest:
		o.From = FromEarliest
	case FromLatest:
		o.Offset, err = j.API.Latest(ctx, j.Collector)
	default:
		o.Offset, err = o.From, j.API.CheckOffset(ctx, j.Collector, o.From)
	}
	return err
}

// badOffset is the API's code for a parameter it does not take; of a read it is the offset.
const badOffset = 5

// outdated tells that results which this run has not read are gone, if the server does not know any more where its
// files end.
func outdated(err error, results int64) error {
	var e *source.Error
	if results == 0 || !errors.As(err, &e) || e.Class != source.ClassRejected || e.Code != badOffset {
		return err
	}
	gone := *e
	gone.Class, gone.Retryable = source.ClassExpired, false
	gone.Message = "the collector cannot be read on from where the files end, so results in between are gone: " + gone.Message
	gone.Hint = "results are kept for 7 days; to read what the collector holds now, choose another output"
	return &gone
}
