package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tw2parquet/source"
)

// Chain is a run's chain of published files, with the open one behind it that Sink fills.
type Chain interface {
	// SetMeta adds a footer key-value to every file published from now on.
	SetMeta(key, value string)
	// Position is where the published files end; "", 0 before the first.
	Position() (offset string, next int64)
	// Files are the published files, in order.
	Files() []File
	// Finish publishes what was appended up to the mark (offset, next), which must be the last one, or
	// the end of the gap. What becomes of a run without any result is the output's choice.
	Finish(ctx context.Context, offset string, next int64, notes map[string]string) error
	// Overtaken tells that an append failed because the chain grew behind the last published file without us: what
	// was appended is to be given up, and the results are read on from where the chain ends after Rewind. It
	// happens once.
	Overtaken() bool
	// Rewind discards whatever was appended since the last published file.
	Rewind(ctx context.Context) error
}

// File is a published file.
type File struct {
	Name     string // slash-separated, relative to the output
	Rows     int64
	Rejected int64
	Bytes    int64
	Notes    map[string]string
}

// mover moves results to the end of a run's chain of files, and tells of it. Whether they come from a
// recording, from an export that was just bought, or again, is its caller's business.
type mover struct {
	window    Window
	sink      Sink
	chain     Chain
	records   Records
	pool      *Pool
	observers observers
	telling   sync.Mutex // the one who reads sees tasks while others publish files
	log       *slog.Logger
	reading   *Reading // of all streams; apart, because a report keeps it when the mover and its output are long gone

	collector string // that is read; "" = the run's own
	origin    string // offset at which the run begins; "" = the earliest result
	endless   bool   // breaks never end it
}

// rewinds is how often a stream may break behind results that no offset covers, without a file
// being published in between, before the run gives up. Each costs a read from the last file.
const rewinds = 5

// sealTime bounds the publishing of what is left when a run is interrupted. Kubernetes kills 30 s
// after its SIGTERM.
const sealTime = 10 * time.Second

// begin tells where the run stands.
func (m *mover) begin() {
	_, results := m.chain.Position()
	m.observe(Begun{results})
}

// flow moves batches, of which the first begins at the chain's position. What is appended at its end is not
// published yet.
func (m *mover) flow(ctx context.Context, batches Batches) (Outcome, error) {
	from, next := m.chain.Position()
	flow := &Flow{
		Batches: batches, Sink: m.sink, Records: m.records, Pool: m.pool, From: from, Next: next,
		OnAppend: func(c Counts) { m.observe(Moved{c}) },
		OnCut:    m.observeFile,
	}
	return flow.Run(ctx)
}

// stream moves what a stream brings from the chain's position on, and rewinds where the stream breaks behind
// results that no offset covers. What is appended at its end is not published yet.
func (m *mover) stream(ctx context.Context, open func(source.StreamConfig) *source.Stream, cfg source.StreamConfig) (Outcome, error) {
	cfg.Collector, cfg.Limits = cmp.Or(m.collector, source.CollectorID(m.window.Run)), m.pool.records(m.records).Batches()
	for broken := 0; ; {
		cfg.From, cfg.Results = m.chain.Position()
		cfg.From = cmp.Or(cfg.From, m.origin)
		stream := open(cfg)
		o, err := m.flow(ctx, stream)
		if cerr := stream.Close(); err == nil {
			err = cerr
		}
		m.reading.add(stream.Stats())
		overtaken := m.chain.Overtaken()
		if !errors.Is(err, source.ErrRewind) && !overtaken {
			return o, err
		}
		if ctx.Err() != nil {
			return o, ctx.Err() // and not the break, which a further read would mend
		}
		published, rerr := m.rewind(ctx, cfg.Results)
		if rerr != nil {
			return o, rerr
		}
		if overtaken {
			continue
		}
		if broken++; published {
			broken = 1
		}
		if broken > rewinds && !m.endless {
			return o, fmt.Errorf("give up after %d attempts without a published file: %w", broken, err)
		}
		m.log.Warn("the stream broke after results that no offset covers; reading again from the last file", "run", m.window.Run, "attempt", broken)
	}
}

// read moves what a stream brings to its end, and publishes what can be published whatever happens.
func (m *mover) read(ctx context.Context, open func(source.StreamConfig) *source.Stream, cfg source.StreamConfig) error {
	for {
		o, broke := m.stream(ctx, open, cfg)
		if err := m.end(ctx, o, broke); broke != nil || !m.chain.Overtaken() || ctx.Err() != nil {
			return err
		}
		if _, err := m.rewind(ctx, 0); err != nil {
			return err
		}
	}
}

// rewind discards what was appended since the last file. It tells whether one was published behind result
// number next.
func (m *mover) rewind(ctx context.Context, next int64) (published bool, err error) {
	if err := m.chain.Rewind(ctx); err != nil {
		return false, err
	}
	_, reached := m.chain.Position()
	return reached > next, nil
}

// finish publishes what a flow appended, which ended where it should.
func (m *mover) finish(ctx context.Context, o Outcome) error {
	files := len(m.chain.Files())
	if err := m.chain.Finish(ctx, o.Offset, o.Next, o.Notes); err != nil {
		return err
	}
	if len(m.chain.Files()) > files {
		m.observeFile()
	}
	return nil
}

// seal publishes what a broken flow had appended and marked, so that the next start need not read it again.
// It runs although ctx may be cancelled.
func (m *mover) seal(ctx context.Context, o Outcome) error {
	if _, published := m.chain.Position(); !o.Sealed || o.Next == published {
		return nil // closing the run discards it; reading again is free
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealTime)
	defer cancel()
	if err := m.finish(ctx, o); err != nil {
		return fmt.Errorf("publish what was read: %w", err)
	}
	return nil
}

// end finishes what a flow appended, or seals it if the flow failed.
func (m *mover) end(ctx context.Context, o Outcome, err error) error {
	if err != nil {
		serr := m.seal(ctx, o)
		if m.chain.Overtaken() {
			serr = nil // the next start goes on behind what arrived
		}
		return errors.Join(err, serr)
	}
	return m.finish(ctx, o)
}

// observe tells one event after the other, whoever calls.
func (m *mover) observe(e Event) {
	m.telling.Lock()
	defer m.telling.Unlock()
	m.observers.tell(m.window, e)
}

func (m *mover) observeFile() {
	files := m.chain.Files()
	m.observe(Published{files[len(files)-1]})
}
