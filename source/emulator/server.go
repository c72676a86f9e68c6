package emulator

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
	"tw2parquet/pipeline/bug"
)

// Config describes the account that is served. Its zero value is an account with one project, one
// stream, a million credits and the documented call limits.
type Config struct {
	// Seed selects the documents. Same seed, projects and DocumentsPerDay: same documents, byte for byte.
	Seed uint64
	// DocumentsPerDay is the number of documents that a project (and the world outside of it) gets on
	// each UTC day; 0 means 250.
	DocumentsPerDay int
	// HistogramOnly is how many more documents a project has on each UTC day that its histograms count and no export
	// hands over: posts on Facebook and Instagram.
	HistogramOnly int
	// LatePercent of the documents become searchable Late after the others of their time. Before that, no export and
	// no histogram has them.
	LatePercent int
	Late        time.Duration
	// Documents, when not nil, replaces the generated documents: every export delivers these, in this
	// order. See Server.SetDocuments.
	Documents []json.RawMessage
	// DocumentFile, when not nil, does so with the documents of a file. It is left open.
	DocumentFile *DocumentFile

	// Token is the read_write token; empty means a random one. ReadOnlyToken likewise. The token
	// "demo" always exists, with the rights the API gives it.
	Token, ReadOnlyToken string
	// MaskToken makes the echoed request line say access_token=*** instead of the token. The
	// API has been seen doing both; the default is the worse one.
	MaskToken bool
	// RequireHTTPS refuses plain HTTP with code 27, as the API does.
	RequireHTTPS bool
	// Projects are served under their ids; nil means one project with four topics, besides two that
	// the token may not use (see Project.State).
	Projects []Project
	// Streams exist from the start; nil means one, with two rules.
	Streams []Stream

	// Credits is the monthly budget; 0 means 1,000,000 and a negative number none at all.
	Credits int64
	// XQuota is how many posts on X may be handed over this month, as the credits tell it; 0: not told.
	XQuota int64
	// CreditsEnd is the status of a task whose credits ran out under way: StatusFailed (the default)
	// or StatusAborted. The API does not say.
	CreditsEnd string

	// TaskDuration is the time from the POST of an export to its end; 0 means at once. The first tenth is
	// spent queued.
	TaskDuration time.Duration
	// LimitBatch is the number of results that an export writes at once; 0 means 1000. A limit is
	// noticed only between batches, hence overshot by less than one.
	LimitBatch int

	// ControlEvery is the number of results between control chunks of a read; 0: only at its end.
	ControlEvery int
	// MaxPerRead ends a read with end_behaviour=stop after so many results though more are
	// there; 0 means never.
	MaxPerRead int
	// MaxConnections is how many results connections the account may have at once (code 30); 0:
	// any number.
	MaxConnections int
	// KeepAlive is the time between blank lines on a waiting connection; 0 means 15 s.
	KeepAlive time.Duration
	// Retention is how long a result can be read after its export; 0 means 7 days.
	Retention time.Duration
	// ExpiredOffsets says what a resume_offset older than that does: "reject" (the default: code 5)
	// or "skip" (the read starts silently at the first result left).
	ExpiredOffsets string
	// KeepOnPut lets a PUT on an existing collector keep its results. By default they are dropped,
	// the worse of the two readings of the documentation.
	KeepOnPut bool

	// NoRateLimits turns the published call limits off.
	NoRateLimits bool
	// Minute is the span in which calls are counted; 0 means a minute. A test whose client waits a
	// hundredth of the real times sets a hundredth of a minute.
	Minute time.Duration

	// Faults is the script to start with; see ParseFaults.
	Faults *Faults

	// Now is the account's clock; nil means time.Now. POST /_emulator/clock and Advance add to it.
	// Waiting (delays, keep-alives) always uses the runtime's timers.
	Now func() time.Time
	// Logger receives one debug line per request; nil discards. Neither tokens nor documents are logged.
	Logger *slog.Logger
}

// validate reports every field that cannot be served, then fills in the defaults.
func (c *Config) validate() error {
	var errs []error
	negative := func(name string, bad bool) {
		if bad {
			errs = append(errs, fmt.Errorf("%s is negative", name))
		}
	}
	negative("DocumentsPerDay", c.DocumentsPerDay < 0)
	negative("HistogramOnly", c.HistogramOnly < 0)
	negative("LatePercent", c.LatePercent < 0)
	negative("Late", c.Late < 0)
	negative("XQuota", c.XQuota < 0)
	negative("LimitBatch", c.LimitBatch < 0)
	negative("ControlEvery", c.ControlEvery < 0)
	negative("MaxPerRead", c.MaxPerRead < 0)
	negative("MaxConnections", c.MaxConnections < 0)
	negative("TaskDuration", c.TaskDuration < 0)
	negative("KeepAlive", c.KeepAlive < 0)
	negative("Retention", c.Retention < 0)
	negative("Minute", c.Minute < 0)
	if c.Documents != nil && c.DocumentFile != nil {
		errs = append(errs, errors.New("both Documents and DocumentFile are given"))
	}
	if c.DocumentsPerDay > maxPerDay {
		errs = append(errs, fmt.Errorf("DocumentsPerDay %d is over %d", c.DocumentsPerDay, maxPerDay))
	}
	switch c.CreditsEnd {
	case "", StatusFailed, StatusAborted:
	default:
		errs = append(errs, fmt.Errorf("CreditsEnd %q is neither %q nor %q", c.CreditsEnd, StatusFailed, StatusAborted))
	}
	switch c.ExpiredOffsets {
	case "", "reject", "skip":
	default:
		errs = append(errs, fmt.Errorf("ExpiredOffsets %q is neither \"reject\" nor \"skip\"", c.ExpiredOffsets))
	}
	for _, t := range []string{c.Token, c.ReadOnlyToken} {
		if t == demoToken {
			errs = append(errs, errors.New("the token \"demo\" is taken by the API's own"))
		}
	}
	for _, p := range c.Projects {
		if p.ID == "" || len(p.Topics) > maxTopics {
			errs = append(errs, fmt.Errorf("project %q: needs an id and at most %d topics", p.ID, maxTopics))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	setDefault(&c.DocumentsPerDay, 250)
	setDefault(&c.LimitBatch, 1000)
	setDefault(&c.CreditsEnd, StatusFailed)
	setDefault(&c.ExpiredOffsets, "reject")
	setDefault(&c.KeepAlive, 15*time.Second)
	setDefault(&c.Retention, 7*24*time.Hour)
	setDefault(&c.Minute, time.Minute)
	setDefault(&c.Credits, 1_000_000)
	setDefault(&c.Token, rand.Text())
	setDefault(&c.ReadOnlyToken, rand.Text())
	if c.Credits < 0 {
		c.Credits = 0
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Projects == nil {
		c.Projects = defaultProjects(c.Seed)
	}
	if c.Streams == nil {
		c.Streams = defaultStreams()
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Server is one account of the API. All its methods may be called from any goroutine.
type Server struct {
	cfg    Config
	corpus *corpus
	ledger ledger
	limits limiter
	faults faultState

	mu          sync.Mutex
	changed     chan struct{} // closed and replaced whenever the state changes
	skew        time.Duration // what Advance added to the clock
	handmade    []handmade    // replaces the corpus when useHandmade
	useHandmade bool
	collectors  map[string]*collector
	order       []*collector // in order of creation
	tasks       []*task      // oldest first
	streams     map[string]*Stream
	streamIDs   []string
	spent       int64
	requests    uint64 // numbers requests, ids, and the variants an answer is written in
	connections int
}

// New checks cfg and builds the account. It starts no goroutine.
func New(cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("emulator config: %w", err)
	}
	s := &Server{
		cfg:        cfg,
		corpus:     newCorpus(cfg.Seed, cfg.DocumentsPerDay),
		changed:    make(chan struct{}),
		collectors: map[string]*collector{},
		streams:    map[string]*Stream{},
	}
	s.corpus.late, s.corpus.lateShare = cfg.Late.Milliseconds(), uint64(cfg.LatePercent)
	s.ledger.changed = make(chan struct{})
	s.faults.release = make(chan struct{})
	for _, st := range cfg.Streams {
		if err := s.putStream(st); err != nil {
			return nil, fmt.Errorf("emulator config: %w", err)
		}
	}
	if cfg.Documents != nil {
		s.SetDocuments(cfg.Documents)
	}
	if cfg.Faults != nil {
		s.SetFaults(cfg.Faults)
	}
	return s, nil
}

// Token returns the read_write token.
func (s *Server) Token() string { return s.cfg.Token }

// ReadOnlyToken returns the token that may search but not stream.
func (s *Server) ReadOnlyToken() string { return s.cfg.ReadOnlyToken }

// now is the account's time, in UTC and without a monotonic part, to the millisecond as on the wire.
// The caller holds s.mu.
func (s *Server) now() time.Time {
	return s.cfg.Now().Add(s.skew).UTC().Truncate(time.Millisecond)
}

// Now returns the account's time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// Advance moves the account's clock forward (or back, for a negative d), beyond what Config.Now says.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.now())
	s.skew += d
	s.notify()
}

// notify wakes the waiting readers. The caller holds s.mu.
func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Serve answers on ln, which must listen on loopback, until ctx ends. Then it ends the streams, lets short requests finish for at
// most two seconds, closes all connections and returns nil. When it returns, ln is closed and no goroutine
// is left. Serve may be called for several listeners.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if a, ok := ln.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
		_ = ln.Close()
		return fmt.Errorf("serve on %s: the emulator listens on loopback only", a)
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler:           s.Handler(),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- bug.Guard(func() error { return srv.Serve(ln) }) }()
	select {
	case err := <-served:
		_ = srv.Close()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	cancel()
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer stop()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// drain reads what is left of a request body, so that a connection can be used again.
func drain(r io.Reader) { _, _ = io.Copy(io.Discard, io.LimitReader(r, 1<<20)) }
