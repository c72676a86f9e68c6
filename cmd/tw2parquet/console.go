package main

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tw2parquet/sink/store"
)

// console is the log as a person reads it at a terminal: a line has the message first, no time and no
// level unless something is wrong, and what is long and says little is abbreviated. Warnings and errors
// keep the full names: they are what a person copies into a command.
type console struct {
	mu    *sync.Mutex
	w     io.Writer
	level slog.Level
	attrs []slog.Attr
	group string // before the keys
}

func newConsole(w io.Writer, level slog.Level) *console {
	return &console{mu: &sync.Mutex{}, w: w, level: level}
}

// Enabled, Handle, WithAttrs and WithGroup are slog's.
func (c *console) Enabled(_ context.Context, level slog.Level) bool { return level >= c.level }

func (c *console) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *c
	d.attrs = slices.Concat(c.attrs, c.named(attrs))
	return &d
}

func (c *console) WithGroup(name string) slog.Handler {
	d := *c
	d.group += name + "."
	return &d
}

func (c *console) named(attrs []slog.Attr) []slog.Attr {
	named := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		named[i] = slog.Attr{Key: c.group + a.Key, Value: a.Value}
	}
	return named
}

func (c *console) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clone(c.attrs)
	r.Attrs(func(a slog.Attr) bool {
		if !a.Equal(slog.Attr{}) {
			attrs = append(attrs, c.named([]slog.Attr{a})...)
		}
		return true
	})
	var parts []string
	short := r.Level <= slog.LevelInfo
	switch {
	case r.Level >= slog.LevelError:
		parts = append(parts, "error: "+store.Printable(r.Message))
	case r.Level >= slog.LevelWarn:
		parts = append(parts, "warning: "+store.Printable(r.Message))
	default:
		window := ""
		if i := slices.IndexFunc(attrs, func(a slog.Attr) bool { return a.Key == "window" }); i >= 0 {
			window = attrs[i].Value.String()
			parts = append(parts, store.Printable(window))
			attrs = slices.Delete(attrs, i, i+1)
		}
		parts = append(parts, store.Printable(r.Message))
		for i, a := range attrs {
			attrs[i] = abbreviate(a, window)
		}
	}
	for _, a := range attrs {
		parts = append(parts, attribute(a, short))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := io.WriteString(c.w, strings.Join(parts, "  ")+"\n")
	return err
}

// attribute is a value with what it is.
func attribute(a slog.Attr, short bool) string {
	text := a.Value.Resolve().String()
	if a.Key == "hint" {
		return "hint: " + store.Printable(text) // with its quotation marks as they are, to be pasted
	}
	if short {
		switch a.Key {
		case "rows":
			if a.Value.Kind() == slog.KindInt64 {
				return rowsText(a.Value.Int64())
			}
		case "processed":
			if a.Value.Kind() == slog.KindInt64 {
				return countText(a.Value.Int64()) + " processed"
			}
		case "run", "task":
			return a.Key + " " + store.Printable(text)
		case "file", "size", "status", "progress", "url":
			return store.Printable(text)
		}
	}
	if text == "" || strings.ContainsAny(text, " \"=") || store.Printable(text) != text {
		text = strconv.Quote(text)
	}
	return a.Key + "=" + text
}

var (
	runInName = regexp.MustCompile(`\bpart-([a-z2-7]{7})[a-z2-7]{19}-`)
	wholeRun  = regexp.MustCompile(`^[a-z2-7]{26}$`)
	wholeUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// abbreviate shortens what a person need not read to the end, as git does. The folder of a window goes
// where the line begins with the window.
func abbreviate(a slog.Attr, window string) slog.Attr {
	text := a.Value.Resolve().String()
	switch {
	case a.Key == "file":
		text = runInName.ReplaceAllString(strings.TrimPrefix(text, "window_start="+window+"/"), "part-${1}…-")
	case a.Key == "run" && wholeRun.MatchString(text):
		text = text[:7]
	case a.Key == "task" && wholeUUID.MatchString(text):
		text = text[:8]
	default:
		return a
	}
	return slog.String(a.Key, text)
}
