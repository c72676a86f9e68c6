package main

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"tw2parquet/sink/store"
	"tw2parquet/source/emulator"
)

type emulateCmd struct {
	Addr            string  `name:"addr" default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Where to listen; loopback only (default ${default})."`
	Seed            uint64  `name:"seed" default:"1" placeholder:"N" help:"Same seed and flags, same documents (default ${default})."`
	DocumentsPerDay int     `name:"documents-per-day" default:"250" placeholder:"N" help:"Documents of the project on each day (default ${default})."`
	Documents       string  `name:"documents" placeholder:"FILE" help:"JSON Lines to serve instead of generated documents: documents, or chunks of a recorded stream."`
	Credits         int64   `name:"credits" default:"1000000" placeholder:"N" help:"Credits of the account; 0: none (default ${default})."`
	LimitBatch      int     `name:"limit-batch" default:"1000" placeholder:"N" help:"Results are exported in batches of this size, so a limit is overshot by less than one (default ${default})."`
	ControlEvery    int     `name:"control-every" default:"1000" placeholder:"N" help:"Results per control chunk; 0: only at the end (default ${default})."`
	TaskSeconds     float64 `name:"task-seconds" default:"2" placeholder:"S" help:"How long an export takes (default ${default})."`
	RateLimits      string  `name:"rate-limits" enum:"on,off" default:"on" help:"Enforce the published call limits: on or off."`
	Faults          string  `name:"faults" placeholder:"FILE" help:"JSON fault script; its format is described above."`
}

// Help is the long form of --help.
func (emulateCmd) Help() string {
	return `Serves the API on loopback until it is stopped: collectors, export tasks, credits, call limits and results,
from documents generated from a seed. When ready it prints one JSON line with its url, a read_write token
(TALKWALKER_ACCESS_TOKEN where that is set), and what can be exported. TW2PARQUET_WAIT_SCALE shortens the minute of
its call limits as it shortens the waits of the client.

With --documents it serves your own documents, for a rehearsal with what you will meet. FILE holds one JSON object on each line: a
document, or a chunk as a recorded stream has it (blank lines, control and error chunks are passed over). Every export delivers them in the
order of the file, whatever its project, query and topics: those with a "published" (epoch ms) in its range, and those without. The
file is indexed at the start, then read while it is served; it may be larger than the memory, and must not change. Credits, limits
and faults apply as ever. Searches, live collectors and topics still speak of generated documents.

` + emulator.FaultFormat + `

Example:
  tw2parquet emulate --seed 7 --documents-per-day 1000
  tw2parquet emulate --credits 5000 --faults faults.json
  tw2parquet emulate --documents recording.ndjson

Environment: TALKWALKER_ACCESS_TOKEN, TW2PARQUET_WAIT_SCALE.
Exit codes: 0 stopped, 2 usage, 50 the ready line cannot be written.
See also: airflow, design`
}

// ready is the line that says where the emulator is.
type ready struct {
	URL      string   `json:"url"`
	Token    string   `json:"token"`
	Projects []string `json:"projects"`
	Topics   []string `json:"topics"`
	Streams  []string `json:"streams"`
}

func (c *emulateCmd) config(scale float64) (emulator.Config, error) {
	cfg := emulator.Config{
		Seed: c.Seed, DocumentsPerDay: c.DocumentsPerDay, Credits: c.Credits, LimitBatch: c.LimitBatch,
		ControlEvery: c.ControlEvery, TaskDuration: time.Duration(c.TaskSeconds * float64(time.Second)),
		NoRateLimits: c.RateLimits == "off", Minute: time.Duration(scale * float64(time.Minute)),
		Token: strings.TrimSpace(os.Getenv(tokenEnv)),
	}
	if c.Credits == 0 {
		cfg.Credits = -1 // none at all; 0 would be the default
	}
	if c.DocumentsPerDay < 1 || c.LimitBatch < 1 || c.ControlEvery < 0 || c.TaskSeconds < 0 || c.Credits < 0 {
		return cfg, usagef("--documents-per-day and --limit-batch must be above 0; --control-every, --task-seconds and --credits not negative")
	}
	if c.Faults != "" {
		path, err := localPath(c.Faults)
		if err != nil {
			return cfg, usagef("--faults %s: %w", c.Faults, err)
		}
		script, err := os.ReadFile(path)
		if err != nil {
			return cfg, usagef("--faults %s cannot be read: %w", c.Faults, store.Cause(err))
		}
		if cfg.Faults, err = emulator.ParseFaults(script); err != nil {
			return cfg, usagef("--faults %s: %w", c.Faults, err)
		}
	}
	return cfg, nil
}

// documents opens the file that is served.
func (c *emulateCmd) documents(l *line) (*emulator.DocumentFile, error) {
	for _, name := range []string{"seed", "documents-per-day"} {
		if _, given := l.flag(name); given {
			return nil, usagef("--%s is about generated documents, and --documents serves those of a file: leave one of them out", name)
		}
	}
	path, err := localPath(c.Documents)
	if err != nil {
		return nil, usagef("--documents %s: %w", c.Documents, err)
	}
	f, err := emulator.OpenDocuments(path)
	if err != nil {
		return nil, usagef("--documents: %w", err)
	}
	return f, nil
}

// Run serves until the context ends.
func (c *emulateCmd) Run(ctx context.Context, a *app) (err error) {
	scale, err := waitScale("http://127.0.0.1")
	if err != nil {
		return err
	}
	cfg, err := c.config(scale)
	if err != nil {
		return err
	}
	if c.Documents != "" {
		if cfg.DocumentFile, err = c.documents(a.line); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, cfg.DocumentFile.Close()) }()
	}
	cfg.Logger = a.log
	server, err := emulator.New(cfg)
	if err != nil {
		return &usageError{err}
	}
	ln, err := listen(c.Addr)
	if err != nil {
		return usagef("--addr %s: %w", c.Addr, err)
	}
	line, err := jsonText(describe(server, ln), "")
	if err != nil {
		return err
	}
	// Past the redactor: this token is made to be handed out.
	if _, err := a.printed.Write(line); err != nil {
		return err
	}
	if a.printed.failure() != nil {
		return ln.Close() // nobody knows where it is
	}
	return server.Serve(ctx, ln)
}

// listen opens a port on loopback. Any other address is refused before it is opened.
func listen(addr string) (net.Listener, error) {
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	if !at.IP.IsLoopback() {
		return nil, errors.New("the emulator listens on loopback only, such as 127.0.0.1:0")
	}
	return net.ListenTCP("tcp", at)
}

func describe(s *emulator.Server, ln net.Listener) ready {
	return ready{URL: "http://" + ln.Addr().String(), Token: s.Token(), Projects: s.Projects(), Topics: s.Topics(), Streams: s.Streams()}
}
