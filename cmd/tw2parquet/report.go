package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"tw2parquet/pipeline"
	"tw2parquet/sink/dataset/report"
	"tw2parquet/sink/store"
)

type reportCmd struct {
	Out    string `arg:"" name:"out" help:"The output: its directory or URL."`
	HTML   string `name:"html" placeholder:"FILE" help:"Where the page goes; - is standard output (default: tw2parquet-report.html)."`
	Format string `name:"format" enum:"html,json" default:"html" help:"html for people, or json: the same figures on standard output, and a page only with --html."`
}

// reportPage is where the page goes if nobody says.
const reportPage = "tw2parquet-report.html"

// Help is the long form of --help.
func (reportCmd) Help() string {
	return `Writes one HTML page about an output. It answers four questions: is it all there (coverage, gaps, what was asked,
counted and read), what is in it (volumes, languages, countries, sentiment, sites, authors, topics, duplicates), can it be
trusted (unknown fields, values that did not fit, fields that vanished, late arrivals), and is it healthy (files, sizes,
compression, time left). The page needs nothing else: no network, no other file. It opens in any browser, and prints.

Nothing in the output is changed, and no call is made. Only the listing, the records, the footers and a few columns are
read, of a bucket by ranges. A file that is damaged is named in the page, with what could be read of it counted;
verify compares everything. A page that is there is replaced.

Example:
  tw2parquet report lake
  tw2parquet report s3://bucket/lake --html lake.html
  tw2parquet report lake --format json | jq .documents.languages

Exit codes: 0 written, whatever it says; 2 usage (no such output, or FILE cannot be written), 50 storage, 130 and 143
stopped.
See also: report, troubleshooting`
}

// Run writes the report.
func (c *reportCmd) Run(ctx context.Context, a *app) error {
	page, err := c.page(ctx, a)
	if err != nil {
		return err
	}
	if page != nil {
		defer func() { _ = page.Close() }() // it was written in one piece, and what went wrong is told
	}
	r, err := a.report(ctx, c.Out)
	if err != nil {
		return err
	}
	if n := len(r.Damaged); n > 0 {
		a.log.Warn("not all files could be read to their end; the page names them", "files", n, "first", store.Printable(r.Damaged[0].Path), "because", r.Damaged[0].Reason)
	}
	if c.Format == "json" {
		if err := a.indented(r); err != nil {
			return err
		}
	}
	switch {
	case c.HTML == "-":
		return r.Page(a.stdout)
	case page == nil:
		return nil
	}
	if err := writePage(page, r); err != nil {
		return err
	}
	if c.Format == "json" {
		return nil
	}
	return a.write(store.Printable(page.name) + "\n")
}

// page finds out before anything else happens whether the page can be written; nil if none goes to a file.
func (c *reportCmd) page(ctx context.Context, a *app) (*resultFile, error) {
	switch {
	case c.HTML == "-" && c.Format == "json":
		return nil, usagef("--html - and --format json both go to standard output; give --html a file")
	case c.HTML == "-", c.HTML == "" && c.Format == "json":
		return nil, nil
	}
	return a.pageFile(ctx, cmp.Or(c.HTML, reportPage))
}

func (a *app) pageFile(ctx context.Context, file string) (*resultFile, error) {
	path, err := localPath(file)
	switch {
	case err != nil:
		return nil, usagef("--html: %w", err)
	case strings.EqualFold(filepath.Ext(path), ".parquet"):
		return nil, usagef("--html: a page whose name ends in .parquet would be taken for data")
	}
	return openFileOf(ctx, "html", path, a.own)
}

func writePage(to *resultFile, r *report.Report) error {
	var b bytes.Buffer
	if err := r.Page(&b); err != nil {
		return err
	}
	if err := to.write(b.Bytes()); err != nil {
		return &store.Error{Op: "write", Path: to.name, Err: err}
	}
	return nil
}

// report reads an output and computes the figures.
func (a *app) report(ctx context.Context, out string) (*report.Report, error) {
	there, accounts, err := takeStock(ctx, a, out)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	defer there.Close()
	known, err := there.known(ctx, accounts, a.composer(out))
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	known.Out = publicName(out)
	gauge := a.newGauge()
	defer gauge.end()
	r, err := report.Read(ctx, report.Config{Dataset: there.Dataset, Known: *known, Workers: runtime.GOMAXPROCS(0), Progress: gauge.show})
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	if there.heard != nil && there.heard.failure() != nil {
		return nil, interrupted(ctx, fmt.Errorf("not all files could be read: %w", there.heard.failure()))
	}
	return r, nil
}

// known is what the records say.
func (s *stock) known(ctx context.Context, accounts []pipeline.Account, compose composer) (*report.Report, error) {
	r := &report.Report{Time: time.Now().UTC().Truncate(time.Second), Version: programVersion, Sources: []report.Source{}, Windows: []report.Window{}, Problems: []string{}}
	r.Problems = append(r.Problems, s.problems...)
	runs := s.runs(accounts)
	if err := s.measure(ctx, runs); err != nil {
		return nil, err
	}
	for _, x := range runs {
		x.Estimated = true
		x.settle(r.Time)
		x.advise(compose)
		r.Windows = append(r.Windows, x.window())
	}
	for _, c := range pipeline.Coverages(accounts) {
		x := newCoverageStatus(c)
		r.Sources = append(r.Sources, report.Source{
			ID: x.Source, Kind: string(x.Kind), Name: cmp.Or(x.Project, x.Stream, x.Query), Topics: append(x.Topics, x.Datasets...), Query: x.Query,
			Start: x.Start, Stop: x.Stop, Covered: spans(x.Covered), Unfinished: spans(x.Unfinished), Gaps: spans(x.Gaps),
		})
	}
	return r, nil
}

func spans(all []stretch) []report.Span {
	list := make([]report.Span, len(all))
	for i, x := range all {
		list[i] = report.Span(x)
	}
	return list
}

// window is the run as the report has it.
func (r *runStatus) window() report.Window {
	a := r.account
	w := report.Window{
		Run: r.Run, Source: r.Source, Start: r.Start, Stop: r.Stop, State: string(r.State), Reason: r.Reason, Limit: r.Limit,
		Read: r.Rows + r.Rejected, Rows: r.Rows, Rejected: r.Rejected, Missing: a.Missing, Credits: r.Credits, Files: r.Files, Bytes: r.Bytes,
		Lost: r.Missing, Expires: r.Expires, Left: r.Left, Command: r.Command, Tables: r.Tables,
	}
	if !a.Exported() {
		w.Start, w.Stop = time.Time{}, time.Time{}
	}
	if a.TaskStatus != "" {
		processed := a.Processed
		w.Processed = &processed
		if n := a.Matching(); n > 0 {
			w.Expected = &n
		}
	}
	return w
}

// meter is a bar that shows how many bytes of how many are done with.
type meter struct {
	screen *screen
	on     bool
	mu     sync.Mutex
	began  time.Time
	last   time.Time
}

func (a *app) newGauge() *meter {
	mode := a.globals.Progress
	return &meter{screen: a.screen, began: time.Now(),
		on: (mode == "on" || mode == "auto" && os.Getenv("TERM") != "dumb") && a.screen.terminal && !a.screen.json}
}

func (m *meter) show(done, total int64) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.on || now.Sub(m.last) < barEvery {
		return
	}
	m.last = now
	fraction := float64(done) / float64(max(total, 1))
	m.screen.show(func(columns int) string {
		line := fmt.Sprintf("%.0f%% of %s", 100*fraction, bytesText(total))
		if spent := now.Sub(m.began); spent > settled && fraction > 0 {
			line += "  ~" + durationText(time.Duration(float64(spent)*(1-fraction)/fraction)) + " left"
		}
		if whole := (standing{fraction: fraction}).gauge(gauge) + "  " + line; displayed(whole) <= columns {
			return whole
		}
		return fit(line, columns)
	})
}

func (m *meter) end() {
	if m.on {
		m.screen.removeBar()
	}
}
