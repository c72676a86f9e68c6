package main

import (
	"fmt"
	"strings"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// batch is what the API exports at once: a limit is overshot by as much at most.
const batch = pipeline.Batch

// hintTruncated says what more of a truncated window costs, and what it leads to. The API cannot export what lies
// beyond a limit: any other request buys the window from its start.
func (c *exportCmd) hintTruncated(w pipeline.Window, r pipeline.Report) string {
	matching := r.Matching()
	limit, split, price := min(matching+matching/10+batch, source.MaxLimit), string(pipeline.SplitNone), fmt.Sprintf("about %d credits", matching)
	switch {
	case matching == 0:
		limit, price = source.MaxLimit, fmt.Sprintf("up to %d credits", source.MaxLimit+batch)
	case matching > source.MaxLimit:
		limit, split = source.MaxLimit, string(pipeline.SplitDay)
	}
	w.Request.Limit = int(limit)
	return fmt.Sprintf("the window counts as covered, so a higher --limit or a finer --split buys nothing of it; --accept 41 takes it as it is; after `%s` "+
		"the next export buys it again from its start, for %s; to export all of it elsewhere: %s", c.dropping(w.Run), price, c.command(w.Request, split, beside(c.Out)))
}

// hintFailed says what a window whose task failed costs again.
func (c *exportCmd) hintFailed(w pipeline.Window, r pipeline.Report) string {
	w.Request.Generation = max(w.Request.Generation, 1) + 1
	return fmt.Sprintf("a retry cannot fix the task; --accept 40 takes the %s already published as they are; after `%s` the next export buys the window "+
		"again, for up to %d credits; to export it elsewhere: %s", rowsText(r.Rows), c.dropping(w.Run), w.Request.Limit+batch, c.command(w.Request, string(pipeline.SplitNone), beside(c.Out)))
}

// buyAgain is the command that buys a window alone once more.
func (c *exportCmd) buyAgain(w pipeline.Window) string {
	w.Request.Generation = max(w.Request.Generation, 1) + 1
	return c.command(w.Request, string(pipeline.SplitNone), named(c.Out, ""))
}

// dropping is the command that drops a run.
func (c *exportCmd) dropping(run string) string {
	return "tw2parquet drop " + quote(named(c.Out, "")) + " " + run
}

// command is the command that exports r alone.
func (c *exportCmd) command(r source.Request, split, out string) string {
	args := []string{"tw2parquet", "export"}
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				args = append(args, flag, quote(v))
			}
		}
	}
	add("--project", r.Project)
	add("--topic", r.Topics...)
	add("--dataset", r.Datasets...)
	add("--stream", r.Stream)
	add("--query", r.Query)
	add("--start", rfc3339(r.Start))
	add("--stop", rfc3339(r.Stop))
	add("--split", split)
	add("--limit", fmt.Sprint(r.Limit))
	if r.Generation > 1 {
		add("--generation", fmt.Sprint(r.Generation))
	}
	add("--out", out)
	return strings.Join(args, " ")
}

// quote makes one word of the shell.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
