package main

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"tw2parquet/pipeline"
	"tw2parquet/source"
)

// composer writes the commands that are printed for people to paste into a shell: no other place does. A command is in
// parts, so that it can be broken between them: a flag with its value is one.
type composer struct {
	out    string   // the output, as it was given
	api    []string // flags for commands that call the API, where this command was given them
	host   string   // of the API that those reach
	unsafe bool     // the store needs --unsafe-overwrite
}

// composer is for commands about an output.
func (a *app) composer(out string) composer {
	c := composer{out: out}
	for _, name := range []string{"base-url", "token-file"} {
		if value, ok := a.line.flag(name); ok {
			c.api = append(c.api, "--"+name, value)
		}
	}
	if base, err := url.Parse(a.globals.BaseURL); err == nil {
		c.host = strings.TrimSuffix(strings.ToLower(base.Hostname()), ".")
	}
	return c
}

// flag is what a flag was set to on the command line itself.
func (l *line) flag(name string) (value string, ok bool) {
	for _, g := range l.given {
		if g.flag.Name == name && g.hasValue {
			value, ok = g.value, true
		}
	}
	return value, ok
}

// calling appends what a command needs that calls the API.
func (c composer) calling(parts []string) []string {
	for i := 0; i < len(c.api); i += 2 {
		parts = append(parts, flagText(c.api[i], c.api[i+1]))
	}
	return parts
}

// export exports r alone, into this output or another.
func (c composer) export(r source.Request, split pipeline.Split, out string) []string {
	parts := []string{"tw2parquet export"}
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				parts = append(parts, flagText(flag, v))
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
	add("--split", string(split))
	add("--limit", fmt.Sprint(r.Limit))
	if r.Generation > 1 {
		add("--generation", fmt.Sprint(r.Generation))
	}
	add("--out", out)
	if c.unsafe {
		parts = append(parts, "--unsafe-overwrite")
	}
	return c.calling(parts)
}

// finish is export into this output of a run that was asked of a host. Of another host it would be another source, and
// bought: so the host is named, unless the settings reach it.
func (c composer) finish(host string, r source.Request) []string {
	if host != "" && host != c.host {
		c.api = []string{"--base-url", "https://" + host}
	}
	return c.export(r, pipeline.SplitNone, c.here())
}

// drop drops a run of this output.
func (c composer) drop(run string) []string {
	out := c.here()
	if strings.HasPrefix(out, "-") {
		out = "./" + out
	}
	return []string{"tw2parquet drop " + quote(out) + " " + run}
}

// collector shows a collector.
func (c composer) collector(id string) []string {
	return c.calling([]string{"tw2parquet collectors get " + id})
}

// projects lists what the token may use.
func (c composer) projects() []string { return c.calling([]string{"tw2parquet projects"}) }

// here is the output as a command takes it; there is another one beside it.
func (c composer) here() string  { return named(c.out, "") }
func (c composer) there() string { return beside(c.out) }

func commandText(parts []string) string { return strings.Join(parts, " ") }

// flagText is a flag with its value. A value that begins with a hyphen would be another flag.
func flagText(flag, value string) string {
	if strings.HasPrefix(value, "-") {
		return flag + "=" + quote(value)
	}
	return flag + " " + quote(value)
}

// quote makes one word of the shell. Control characters are escaped, as bash, ksh and zsh read them: a line break would not
// survive being printed.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	switch {
	case word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }):
		return word
	case !strings.ContainsFunc(word, unicode.IsControl):
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, r := range word {
		switch {
		case r == '\'' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < 0x80 && unicode.IsControl(r):
			fmt.Fprintf(&b, `\%03o`, r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + "'"
}
