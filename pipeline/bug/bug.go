// Package bug turns a panic into an error, so that a bug ends a run in order: with a result, and an exit code of its
// own. An unguarded panic would end the process with the runtime's trace as its last words, and with exit code 2.
//
// Every goroutine of this program runs in Guard, whichever package starts it; TestGoroutines_AreGuarded holds them to
// it. Therefore this is the one package that all others may import. It imports none of ours.
package bug

import (
	"runtime/debug"
	"strings"
)

// Error is a panic that was caught. It keeps where, not what: the value and the arguments of a panic may hold a document
// or worse.
type Error struct{ Where []string }

func (e *Error) Error() string {
	return "internal error, please report it: panic in " + strings.Join(e.Where, " < ")
}

// Guard runs f and turns a panic into an *Error. Who receives one from another goroutine, and has no way to return it,
// may panic with it: the next Guard gives it as it is.
func Guard(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *Error:
			err = p
		default:
			err = &Error{Where: callers(string(debug.Stack()))}
		}
	}()
	return f()
}

// maxFrames is how much of a stack tells where it happened.
const maxFrames = 12

// callers are the functions of a stack trace, innermost first, without arguments, and their files' names. A trace has two
// lines per call: "package.function(arguments)" and "\tfile:line +offset". What panicked comes behind panic itself.
func callers(stack string) []string {
	if _, behind, ok := strings.Cut(stack, "\npanic("); ok {
		stack = behind
	}
	var where []string
	for line := range strings.Lines(stack) {
		if file, ok := strings.CutPrefix(line, "\t"); ok {
			if n := len(where); n > 0 && !strings.Contains(where[n-1], " ") {
				file, _, _ = strings.Cut(strings.TrimSpace(file), " ")
				where[n-1] += " " + file[strings.LastIndexByte(file, '/')+1:]
			}
			continue
		}
		if len(where) == maxFrames {
			break
		}
		end := strings.LastIndexByte(line, '(')
		if end > 0 && !strings.HasPrefix(line, "created by ") && !strings.HasPrefix(line, "runtime") {
			where = append(where, line[:end])
		}
	}
	return where
}
