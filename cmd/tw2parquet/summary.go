package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"tw2parquet/sink/store"
)

// telling is how a command that moves data tells its end.
type telling struct {
	Output string `name:"output" enum:"auto,text,json" default:"auto" help:"What standard output ends with: text, a summary for people; json, the result line; auto: text on a terminal, else json." group:"Showing"`
}

// forPeople tells whether the result is told as a summary. It goes by the arguments as they were given, because a
// command whose flags are wrong has a result too.
func (a *app) forPeople() bool {
	switch a.line.value("output") {
	case "text":
		return true
	case "json":
		return false
	}
	return a.columns > 0
}

// maxListed is how many windows a summary lists, and how many failures it explains.
const maxListed = 12

// summary is a result for people. The error line that came before it is not repeated where both are on one screen.
type summary struct {
	*result
	outcome outcome
	columns int  // of the screen
	told    bool // the person has just read how it failed
}

func (a *app) summary(o outcome, r *result) string {
	s := summary{result: r, outcome: o, columns: tableWidth, told: a.columns > 0 && a.screen.terminal && !a.screen.json && !o.quiet}
	if a.columns > 0 {
		s.columns = a.columns
	}
	if s.told && o.Code != exitOK && len(r.Windows) == 0 {
		return "" // nothing was begun, and the error says why
	}
	return "\n" + s.head() + s.windows() + s.failures() + s.notes() + s.where()
}

var statusText = map[string]string{
	"complete": "Complete", "truncated": "Complete up to the limit", "empty": "Nothing was exported", "planned": "Only planned",
	"partial": "Partial", "interrupted": "Interrupted", "failed": "Failed",
}

// head says how it ended, and the sums.
func (s *summary) head() string {
	status := cmp.Or(statusText[s.Status], s.Status)
	if s.ExitCode != exitOK {
		status += fmt.Sprintf(" (exit %d, %s)", s.ExitCode, s.outcome.Name)
	}
	if len(s.Windows) == 0 {
		return s.set(status+".", "") + s.reason()
	}
	facts := []string{number(int64(len(s.Windows)), s.unit())}
	if s.Status == "planned" {
		facts = append(facts, "up to "+number(*s.MaxCredits, "credit"))
	} else {
		facts = append(facts, rowsText(s.Rows), number(int64(s.Files), "file"), bytesText(s.Bytes))
		if s.dated() {
			facts = append(facts, number(s.Credits, "credit")+" in all")
		}
		facts = append(facts, durationText(time.Duration(s.Seconds*float64(time.Second))))
	}
	return s.set(status+": "+strings.Join(facts, ", ")+".", "") + s.reason()
}

// unit is what a window of this result is.
func (s *summary) unit() string {
	if s.dated() {
		return "window"
	}
	return "recording"
}

// dated tells whether the windows are windows of time.
func (s *summary) dated() bool { return len(s.Windows) > 0 && s.Windows[0].Start != "" }

// windows is a table of them. Of many, those are listed that are not as they should be.
func (s *summary) windows() string {
	listed := s.Windows
	if len(listed) > maxListed {
		listed = nil
		for _, w := range s.Windows {
			if w.failed() && len(listed) < maxListed {
				listed = append(listed, w)
			}
		}
	}
	if len(listed) == 0 {
		return ""
	}
	head := []heading{{name: "from"}, {name: "to"}}
	if !s.dated() {
		head = []heading{{name: "run"}}
	}
	if s.Status != "planned" {
		for _, name := range []string{"rows", "files", "size"} {
			head = append(head, heading{name: name, right: true})
		}
		if s.dated() {
			head = append(head, heading{name: "credits", right: true})
		}
	}
	head = append(head, heading{name: "state"})
	rows := make([][]string, len(listed))
	for i, w := range listed {
		row := []string{shortTime(w.Start), shortTime(w.Stop)}
		if !s.dated() {
			row = []string{w.Run}
		}
		if s.Status != "planned" {
			row = append(row, countText(w.Rows), countText(int64(len(w.Files))), bytesText(w.Bytes))
			if s.dated() {
				row = append(row, countText(w.Credits))
			}
		}
		rows[i] = append(row, w.state())
	}
	text := "\n" + lay(head, rows, s.columns)
	if rest := len(s.Windows) - len(listed); rest > 0 {
		text += s.set(fmt.Sprintf("and %s, %s of them failed", number(int64(rest), s.unit()), countText(int64(s.failed()-len(listed)))), "")
	}
	return text
}

func (s *summary) failed() (n int) {
	for _, w := range s.Windows {
		if w.failed() {
			n++
		}
	}
	return n
}

// failed tells whether a window ended with an error of its own. One that was stopped, or not begun, did not.
func (w windowResult) failed() bool { return w.Error != nil && w.Error.Code != codeStopped }

// state is how a window ended, in a word or two.
func (w windowResult) state() string {
	switch {
	case w.Error != nil:
		return w.Error.Code
	case w.Planned != "":
		return w.Planned
	case w.Status != "":
		return w.Status
	case w.Partial != "":
		return "partial"
	case w.Truncated:
		return "truncated"
	}
	return "complete"
}

// shortTime is a time of the result line for people.
func shortTime(text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return moment(t)
}

// notes are what a person should know of rows that are not as sent, or are there twice.
func (s *summary) notes() string {
	var all []string
	say := func(n int64, format string, args ...any) {
		if n > 0 {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	say(s.Rejected, "%s rejected and set aside, with the reasons (tw2parquet help files).", plural(s.Rejected, "document was", "documents were"))
	say(int64(s.UnknownFields), "%s no column: the values are kept in _extra.", plural(int64(s.UnknownFields), "field has", "fields have"))
	say(s.CoercedValues, "%s not fit the column: kept in _extra as sent.", plural(s.CoercedValues, "value did", "values did"))
	var missing, twice int64
	for _, w := range s.Windows {
		missing += w.Missing
		twice += int64(len(w.Twice))
	}
	say(missing, "%s that the tasks counted did not come.", plural(missing, "result", "results"))
	say(twice, "%s of an earlier generation hold the same time: rows are there twice until `tw2parquet drop` removes it.", plural(twice, "run", "runs"))
	if s.Account != nil {
		all = append(all, fmt.Sprintf("The account had %s before, and has %s now.", number(s.Account.Before, "credit"), countText(s.Account.After)))
		if d := s.Account.Difference; d != "" {
			all = append(all, strings.ToUpper(d[:1])+d[1:]+".")
		}
	}
	if s.Unsafe {
		all = append(all, "The store ignores conditional writes; that was accepted.")
	}
	if len(all) == 0 {
		return ""
	}
	text := "\n"
	for _, note := range all {
		text += s.set(note, "")
	}
	return text
}

// where says where the files are, and how to look at them.
func (s *summary) where() string {
	if s.explained || s.Status == "planned" || s.Rows == 0 {
		return ""
	}
	return "\n" + s.set("The files, and how to look at them with DuckDB:", "") + "  " + store.Printable(s.Out) + "\n  " + // whole, to be pasted
		store.Printable("SELECT lang, count(*) FROM "+sqlQuote(s.glob())+" GROUP BY ALL;") + "\n"
}

// glob matches the files of an output, as DuckDB names them.
func (s *summary) glob() string {
	at, err := locate(s.Out)
	name := at.path
	switch {
	case err != nil:
		name = s.Out
	case at.remote():
		name = at.name
		if bucket, ok := strings.CutPrefix(name, "azblob://"); ok {
			name = "az://" + bucket // its name in DuckDB's azure extension
		}
	}
	name = strings.TrimSuffix(name, "/")
	for _, w := range s.Windows {
		for _, f := range w.Files {
			if key, _, folder := strings.Cut(f, "="); folder { // a plain * would find what other programs keep beside the data
				return name + "/" + key + "=*/*.parquet"
			}
		}
	}
	return name + "/*.parquet"
}

// set is a paragraph of the screen's width.
func (s *summary) set(text, indent string) string {
	var b strings.Builder
	for _, line := range setWords(store.Printable(text), min(s.columns, maxProse)-len(indent)) {
		b.WriteString(indent + line + "\n")
	}
	return b.String()
}

// number is a count with its noun.
func number(n int64, noun string) string { return plural(n, noun, noun+"s") }

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return countText(n) + " " + many
}
