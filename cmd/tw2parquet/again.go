package main

import (
	"fmt"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// batch is what the API exports at once: a limit is overshot by as much at most.
const batch = pipeline.Batch

// hintTruncated says what more of a truncated window costs, and what it leads to. The API cannot export what lies
// beyond a limit: any other request buys the window from its start.
func (c *exportCmd) hintTruncated(w pipeline.Window, r pipeline.Report) string {
	matching := r.Matching()
	limit, split, price := min(matching+matching/10+batch, source.MaxLimit), pipeline.SplitNone, fmt.Sprintf("about %d credits", matching)
	switch {
	case matching == 0:
		limit, price = source.MaxLimit, fmt.Sprintf("up to %d credits", source.MaxLimit+batch)
	case matching > source.MaxLimit:
		limit, split = source.MaxLimit, pipeline.SplitDay
	}
	w.Request.Limit = int(limit)
	return fmt.Sprintf("the window counts as covered, so a higher --limit or a finer --split buys nothing of it; --accept 41 takes it as it is; after `%s` "+
		"the next export buys it again from its start, for %s; to export all of it elsewhere: %s", commandText(c.compose.drop(w.Run)), price, commandText(c.compose.export(w.Request, split, c.compose.there())))
}

// hintFailed says what a window whose task failed costs again.
func (c *exportCmd) hintFailed(w pipeline.Window, r pipeline.Report) string {
	w.Request.Generation = max(w.Request.Generation, 1) + 1
	return fmt.Sprintf("a retry cannot fix the task; --accept 40 takes the %s already published as they are; after `%s` the next export buys the window "+
		"again, for up to %d credits; to export it elsewhere: %s", rowsText(r.Rows), commandText(c.compose.drop(w.Run)), w.Request.Limit+batch,
		commandText(c.compose.export(w.Request, pipeline.SplitNone, c.compose.there())))
}

// buyAgain is the command that buys a window alone once more.
func (c *exportCmd) buyAgain(w pipeline.Window) string {
	w.Request.Generation = max(w.Request.Generation, 1) + 1
	return commandText(c.compose.export(w.Request, pipeline.SplitNone, c.compose.here()))
}
