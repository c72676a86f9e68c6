package pipeline

import (
	"runtime/debug"
	"strings"
)

// PanicError is a panic caught in a goroutine of this program. It keeps where, not what: the value and the
// arguments of a panic may hold a document or worse.
type PanicError struct{ Where []string }

func (e *PanicError) Error() string {
	return "internal error, please report it: panic in " + strings.Join(e.Where, " < ")
}

// Guard runs f and turns a panic into an error, so that a bug ends the run in order, with a result
// and an exit code of its own.
func Guard(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = &PanicError{Where: callers(string(debug.Stack()))}
		}
	}()
	return f()
}

// maxFrames is how much of a stack tells where it happened.
const maxFrames = 12

// callers are the functions of a stack trace, innermost first, without arguments. A trace has two
// lines per call: "package.function(arguments)" and "\tfile:line +offset".
func callers(stack string) []string {
	var where []string
	for line := range strings.Lines(stack) {
		line = strings.TrimSpace(line)
		if name, _, ok := strings.Cut(line, "("); ok && !strings.HasPrefix(line, "/") && !strings.HasPrefix(line, "goroutine ") {
			if strings.HasPrefix(name, "runtime") || name == "panic" {
				continue
			}
			where = append(where, name)
		} else if file, _, ok := strings.Cut(line, " "); ok && strings.HasPrefix(line, "/") && len(where) > 0 {
			where[len(where)-1] += " " + file[strings.LastIndexByte(file, '/')+1:]
		}
		if len(where) == maxFrames {
			break
		}
	}
	return where
}
