package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tw2parquet/source"
)

type checkCmd struct {
	shown
	Project string `name:"project" placeholder:"ID" help:"Also find out whether the token may use this project."`
	Out     string `name:"out" placeholder:"OUT" help:"Also try this output out: a directory, or a URL: file://, s3://bucket/prefix, gs://…, azblob://…"`
	unsafely
	Register bool `name:"register" help:"Also find out whether a table takes the windows of OUT, as it is with export --register." group:"Running"`
	tableFlags
}

// Help is the long form of --help.
func (checkCmd) Help() string {
	return `Finds out, before any money is spent, whether an export would fail for a reason that can be known now: whether the API takes the
token, and lets it export; whether it may use the project; whether there are credits; whether the local clock is right;
whether the output can be written, listed, read and deleted from, and refuses to overwrite; and whether a table takes what an
export --register tells it. All calls are free and change nothing at the API. In the output a few small files are written and
removed again; a directory that is not there is created.

--register takes the flags of export. The log of a Delta table is read. The catalog of an Iceberg table is asked; a database is
written to in a transaction that is taken back. A table that is there is read, and its columns are compared. Where its metadata
lie outside of the output, that place is tried as the output is. No table is made. Whether a REST catalog takes commits
shows at the first one.

Each line says ok, warning or failed, and what to do. An export goes on in spite of a warning. The exit code is that of the
first failure.

Example:
  tw2parquet check --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee --out lake
  tw2parquet check --out s3://bucket/lake --output json
  tw2parquet check --out lake --register --format iceberg --table docs.talkwalker \
    --catalog sql:sqlite:////srv/catalog.db

Exit codes: 0 all is well, 2 usage, 10 auth, 11 credits, 12 rejected, 20 unavailable (retry helps), 50 storage, 54 the table
cannot take the windows, 130 and 143 stopped.
See also: stores, lakes, money, troubleshooting`
}

// checked is one line of what check found.
type checked struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Code   string `json:"code,omitempty"` // as error.code of a result; of a check that is ok: a warning
	Hint   string `json:"hint,omitempty"`
}

// findings are all of them.
type findings struct {
	OK       bool      `json:"ok"`
	ExitCode int       `json:"exit_code"`
	Checks   []checked `json:"checks"`

	first outcome           // of the first failure
	as    func(error) error // what a failure is here; nil: itself
}

// add puts a line into the findings and tells whether it is a good one.
func (f *findings) add(check string, err error, format string, args ...any) bool {
	if err == nil {
		f.Checks = append(f.Checks, checked{Check: check, OK: true, Detail: fmt.Sprintf(format, args...)})
		return true
	}
	if f.as != nil {
		err = f.as(err)
	}
	o := classify(err)
	if f.first.Code == exitOK {
		f.first = o
		f.first.Message = check + ": " + o.Message
	}
	f.Checks = append(f.Checks, checked{Check: check, Detail: oneLine(o.Message), Code: o.Name, Hint: o.Hint})
	return false
}

// warn puts a line into the findings about what an export goes on without.
func (f *findings) warn(check string, err error) {
	o := classify(err)
	f.Checks = append(f.Checks, checked{Check: check, OK: true, Detail: oneLine(o.Message), Code: o.Name, Hint: o.Hint})
}

// Run checks one thing after the other, and does not stop at a failure where the next can still be told.
func (c *checkCmd) Run(ctx context.Context, a *app) error {
	iceberg, err := c.named(c.Register)
	if err != nil {
		return err
	}
	if c.Register && c.Out == "" {
		return usagef("--register needs --out: the files that the table is to have")
	}
	var to *destination
	if c.Out != "" {
		at, err := outPlace(c.Out)
		if err != nil {
			return err
		}
		to = &destination{place: at, how: a.opening(1), unsafe: c.UnsafeOverwrite}
		defer to.Close()
	}
	f := &findings{}
	c.account(ctx, a, f, to)
	if to != nil && ctx.Err() == nil {
		checkOutput(ctx, f, to, "store")
	}
	if c.Register && ctx.Err() == nil {
		tryTable(ctx, a, f, to, iceberg)
	}
	if ctx.Err() != nil {
		return interrupted(ctx, context.Cause(ctx))
	}
	f.OK, f.ExitCode = f.first.Code == exitOK, f.first.Code
	if err := c.show(a, f); err != nil {
		return err
	}
	if !f.OK {
		return &verdict{f.first}
	}
	return nil
}

// account checks what the API has to say. Every call is free and changes nothing.
func (c *checkCmd) account(ctx context.Context, a *app, f *findings, to *destination) {
	api, err := a.client(source.Config{})
	var projects []source.Project
	if err == nil {
		projects, err = api.Projects(ctx)
	}
	if !f.add("token", err, "the API takes it; projects that it may use: %d", len(projects)) {
		return // nothing else would be told
	}
	_, err = api.Tasks(ctx) // which needs the right to export
	f.add("rights", err, "read_write: it may export")
	if c.Project != "" {
		i := slices.IndexFunc(projects, func(p source.Project) bool { return p.ID == c.Project })
		if i < 0 {
			err := &statusError{exitAuth, "the token may not use project " + c.Project, "`" + commandText(a.composer("").projects()) + "` lists those that it may use"}
			ids := make([]string, len(projects))
			for i, p := range projects {
				ids[i] = p.ID
			}
			if question := didYouMean(c.Project, ids); question != "" {
				err.hint += "; " + question
			}
			f.add("project", err, "")
		} else {
			f.add("project", nil, "%s", projects[i].Name)
		}
	}
	credits, err := api.Credits(ctx)
	if left := credits.Spendable(); err == nil && left <= 0 {
		err = &statusError{exitCredits, "no credits are left", ""}
	}
	f.add("credits", err, "%s left: %s monthly, %s one-time", countText(credits.Spendable()), countText(credits.RemainingMonthly), countText(credits.RemainingOnetime))
	checkClock(f, api, to)
}

// An object store refuses requests that are signed by a clock that differs from its own by a quarter of an hour (AWS's
// RequestTimeTooSkewed). The API does not mind, and neither do we: all times are the server's.
const maxSkew = 15 * time.Minute

func checkClock(f *findings, api *source.Client, to *destination) {
	skew, ok := api.Skew()
	if !ok {
		f.add("clock", nil, "the API does not tell its time")
		return
	}
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	off := fmt.Sprintf("the local clock is %v %s the API's", skew.Abs().Round(time.Second), way)
	switch {
	case skew.Abs() < time.Minute:
		f.add("clock", nil, "the local clock is right")
	case skew.Abs() >= maxSkew && to != nil && to.remote():
		f.add("clock", &statusError{exitStorage, off, "set the clock (NTP): object stores refuse requests that are signed 15 minutes off"}, "")
	default:
		f.add("clock", nil, "%s; exports go by the API's", off)
	}
}

func (c *checkCmd) show(a *app, f *findings) error {
	if c.Output == "json" {
		return a.indented(f)
	}
	rows := make([][]string, len(f.Checks))
	for i, line := range f.Checks {
		rows[i] = []string{line.Check, "ok", line.Detail}
		switch {
		case !line.OK:
			rows[i][1] = "failed"
		case line.Code != "":
			rows[i][1] = "warning"
		}
		if line.Hint != "" {
			rows[i][2] = strings.TrimSuffix(line.Detail, ".") + "; " + line.Hint
		}
	}
	return a.table([]heading{{name: "check"}, {name: "result"}, {name: "what was found", prose: true}}, rows)
}
