package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tw2parquet/bench/compare/duck"
	"tw2parquet/source/emulator"
)

// peer is a way to do the whole job: an export task, and its results in Parquet files.
type peer struct {
	name  string
	files string // of its documents, below its output
	note  string
	start func(a *account, out string) *side
}

// wholeJob lists what people use, the product last: it is what the others are held against.
func (s *settings) wholeJob() ([]peer, error) {
	python, scripts, err := python()
	if err != nil {
		return nil, err
	}
	script := func(name string, command ...string) func(*account, string) *side {
		return func(a *account, out string) *side {
			return &side{name: name, out: out, command: command, renew: func() { _ = os.RemoveAll(out + "-state") }, // dlt's; gone or not, the run tells
				env: []string{"BASE=" + a.url, "TOKEN=" + token, "PROJECT=" + a.project, "START=" + windowStart, "STOP=" + windowStop, "OUT=" + out, "PYTHON=" + python,
					"PYTHONPATH=" + scripts, "PYTHONDONTWRITEBYTECODE=1", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1"}}
		}
	}
	return []peer{
		{"notebook", "documents.parquet", "requests, a list of documents and pandas, as in the vendor's guide; goes on at the last offset after a cut; lists and structs as JSON",
			script("notebook", python, filepath.Join(scripts, "notebook.py"))},
		{"dlt", "talkwalker/documents/*.parquet", "a resource that keeps its offset in dlt's state; lists as JSON in their column, without child tables",
			script("dlt", python, filepath.Join(scripts, "pipeline.py"))},
		{"curl+duckdb", "documents.parquet", "the results in a file first; DuckDB guesses the types from it",
			script("curl+duckdb", filepath.Join(scripts, "curl.sh"))},
		{"tw2parquet", "window_start=*/*.parquet", "", func(a *account, out string) *side { return s.exportTo(a, "tw2parquet", out) }},
	}, nil
}

// peers measures the whole job, every run with an emulator of its own. Then the stream is cut, and the process killed: what is in
// the files once the same command has ended well, and what was paid?
func (s *settings) peers(ctx context.Context) (err error) {
	all, err := s.wholeJob()
	if err != nil {
		return err
	}
	recording := s.at("peers.jsonl")
	if !s.keep {
		defer func() {
			err = errors.Join(err, os.RemoveAll(recording))
			for _, p := range all {
				err = errors.Join(err, os.RemoveAll(s.at(p.name)), os.RemoveAll(s.at(p.name)+"-state"))
			}
		}()
	}
	sides := make([]*side, len(all))
	var want rows
	var size int64
	for i := len(all) - 1; i >= 0; i-- { // the warm-up; the product first, because the others are to have what it has
		p := all[i]
		if err := s.account(ctx, func(a *account) error {
			sides[i] = p.start(a, s.at(p.name))
			sides[i].note = p.note
			if _, err := sides[i].measure(ctx); err != nil {
				return err
			}
			got, err := p.rows(ctx, sides[i].out)
			if err != nil {
				return err
			}
			if i == len(all)-1 {
				want = got
				if size, err = a.handedOver(ctx); err == nil && !s.generated {
					_, err = a.replay(ctx, sides[i].out, recording)
					s.recorded = recording // from the next emulator on
				}
			}
			if verdict := got.verdict(want); err == nil && verdict != right {
				err = fmt.Errorf("%s, undisturbed: %s", p.name, verdict)
			}
			return err
		}); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.stdout, "%d results, %.1f MB, of an emulator on the same %d threads, %s; %d rounds; load average before: %s\n",
		want.count, float64(size)/1e6, s.threads, s.origin(), s.rounds, load())
	for round := range s.rounds {
		for i := range all {
			n := (i + round) % len(all)
			if err := s.account(ctx, func(a *account) error {
				run := all[n].start(a, s.at(all[n].name))
				c, err := run.measure(ctx)
				sides[n].costs, sides[n].size = append(sides[n].costs, c), run.size
				fmt.Fprintf(s.stderr, "round %d  %-16s %6.2fs wall  %6.2fs cpu  %5.0f MiB\n", round+1, run.name, c.Wall, c.CPU, c.RSS)
				return err
			}); err != nil {
				return err
			}
		}
	}
	if _, err := io.WriteString(s.stdout, report(sides, size)); err != nil {
		return err
	}
	return s.mishaps(ctx, all, want, size/2)
}

// mishaps disturbs each peer in the middle of its first read.
func (s *settings) mishaps(ctx context.Context, all []peer, want rows, at int64) error {
	fmt.Fprintf(s.stdout, "\n%-16s  %-12s  %6s  %-28s  %s\n", "", "disturbed by", "starts", "its files", "paid")
	var bad []error
	for _, p := range all {
		for _, kill := range []bool{false, true} {
			name := "a cut stream"
			if kill {
				name = "kill -9"
			}
			var o outcome
			if err := s.account(ctx, func(a *account) (err error) {
				o, err = s.disturb(ctx, a, p, kill, at)
				return err
			}); err != nil {
				return fmt.Errorf("%s, %s: %w", p.name, name, err)
			}
			verdict := o.got.verdict(want)
			fmt.Fprintf(s.stdout, "%-16s  %-12s  %6d  %-28s  %.2f times\n", p.name, name, o.starts, verdict, float64(o.credits)/float64(want.count))
			if p.name == "tw2parquet" && (verdict != right || o.credits != int64(want.count)) {
				bad = append(bad, fmt.Errorf("%s: %s, %d credits for %d results", name, verdict, o.credits, want.count))
			}
		}
	}
	return errors.Join(bad...)
}

// outcome is what a disturbed peer came to.
type outcome struct {
	starts  int
	got     rows
	credits int64
}

// disturb cuts a peer's first read after some bytes, or kills it there. It is started again until it ends well, as a scheduler does.
func (s *settings) disturb(ctx context.Context, a *account, p peer, kill bool, at int64) (o outcome, err error) {
	run := p.start(a, s.at(p.name))
	if err := errors.Join(os.RemoveAll(run.out), os.RemoveAll(run.out+"-state"), os.MkdirAll(run.out, 0o755)); err != nil {
		return o, err
	}
	fault := emulator.Rule{Endpoint: "results", Nth: 1}
	if kill {
		fault.Stall = &emulator.Stall{At: at}
	} else {
		fault.Cut = &emulator.Cut{At: at, How: "close"}
	}
	if err := a.control(ctx, "faults", emulator.Faults{Rules: []emulator.Rule{fault}}); err != nil {
		return o, err
	}
	for failed := true; failed; {
		if o.starts++; o.starts > 3 {
			return o, errors.New("three starts do not end well")
		}
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, run.command[0], run.command[1:]...)
		cmd.Env = append(os.Environ(), run.env...)
		cmd.Stdout, cmd.Stderr = &said, &said
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			return o, err
		}
		if kill && o.starts == 1 {
			err := a.stalled(ctx)
			// What is on its way is to arrive: a second more or less decides how much is lost, not whether.
			<-time.After(time.Second)
			if err := errors.Join(err, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)); err != nil {
				return o, err
			}
		}
		err := cmd.Wait()
		failed = err != nil
		fmt.Fprintf(s.stderr, "%s, start %d: %v\n", p.name, o.starts, err)
		if failed && o.starts == 3 {
			return o, fmt.Errorf("%w\n%s", err, &said)
		}
	}
	if o.got, err = p.rows(ctx, run.out); err != nil {
		return o, err
	}
	l, err := a.ledger(ctx)
	for _, c := range l.Charges {
		o.credits += c.Credits
	}
	return o, err
}

// rows sums up the documents of an output: two with the same sum hold the same documents, in whatever order.
type rows struct {
	count int
	sum   string // of the hashes of their addresses
}

// right is the verdict on files that hold every document once.
const right = "right"

func (r rows) verdict(want rows) string {
	switch {
	case r == want:
		return right
	case r.count > want.count:
		return fmt.Sprintf("%d documents too many", r.count-want.count)
	case r.count < want.count:
		return fmt.Sprintf("%d documents too few", want.count-r.count)
	}
	return "other documents"
}

// rows reads them.
func (p peer) rows(ctx context.Context, out string) (r rows, err error) {
	db, err := duck.Open(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, got, err := db.Text(ctx, "SELECT count(*), coalesce(sum(hash(url)), 0) FROM read_parquet("+duck.Quote(filepath.Join(out, p.files))+", union_by_name = true)")
	if err != nil {
		return r, fmt.Errorf("read the output of %s: %w", p.name, err)
	}
	_, err = fmt.Sscan(got[0][0], &r.count)
	r.sum = got[0][1]
	return r, err
}

// account calls do with an emulator of its own.
func (s *settings) account(ctx context.Context, do func(*account) error) (err error) {
	a, err := s.serve(ctx, s.results, s.every)
	if err != nil {
		return err
	}
	defer func() {
		_, stopped := a.stop()
		err = errors.Join(err, stopped)
	}()
	return do(a)
}

// control tells the emulator something.
func (a *account) control(ctx context.Context, what string, body any) error {
	text, err := json.Marshal(body) //nolint:forbidigo // a program reads it, nobody else
	if err != nil {
		return err
	}
	return a.ask(ctx, http.MethodPost, what, bytes.NewReader(text), nil)
}

// ledger is what happened to the account.
func (a *account) ledger(ctx context.Context) (l emulator.Ledger, err error) {
	err = a.ask(ctx, http.MethodGet, "ledger", nil, &l)
	return l, err
}

func (a *account) ask(ctx context.Context, method, what string, body io.Reader, into any) (err error) {
	request, err := http.NewRequestWithContext(ctx, method, a.url+"/_emulator/"+what, body)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, what, answer.Status, strings.TrimSpace(string(text)))
	}
	if err == nil && into != nil {
		err = json.Unmarshal(text, into)
	}
	return err
}

// handedOver is the size of the longest read, in bytes.
func (a *account) handedOver(ctx context.Context) (size int64, err error) {
	l, err := a.ledger(ctx)
	for _, r := range l.Requests {
		size = max(size, r.Bytes)
	}
	return size, err
}

// stalled waits until a read stands still.
func (a *account) stalled(ctx context.Context) error {
	for ctx.Err() == nil {
		l, err := a.ledger(ctx)
		if err != nil {
			return err
		}
		for _, r := range l.Requests {
			if r.Endpoint == "results" {
				return nil
			}
		}
		<-time.After(100 * time.Millisecond) // another program reads
	}
	return ctx.Err()
}
