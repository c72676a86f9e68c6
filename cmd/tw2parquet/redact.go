package main

import (
	"io"
	"os"
	"sync"

	"tw2parquet/source"
)

// redactor stands between the token and whoever reads our output: errors and logs are
// made without it, and should one hold it all the same, it stops here. It takes out the token in
// every spelling, and any longer piece of it, however they are split over writes: the end of a write
// that could be the beginning of a secret is held back until it is clear.
//
// What is held back goes out when the other stream speaks, where both end in one place; else their texts
// would be seen in another order than they were written. A secret that goes on after that is still
// found, because the redactor remembers what it has passed on.
type redactor struct {
	mu     *sync.Mutex // shared with other
	w      io.Writer
	tokens []source.Token
	other  *redactor // writes to the same place; nil for none
	past   []byte    // the end of the text so far, as it was written to us
	hiding bool      // the last byte of past is hidden
	held   []byte    // follows past, not yet passed on
	buffer []byte
	err    error // of a write that was not the caller's
}

func newRedactor(w io.Writer) *redactor { return &redactor{mu: &sync.Mutex{}, w: w} }

// join makes two streams that end in one place keep their order.
func (r *redactor) join(other *redactor) {
	r.other, other.other = other, r
	other.mu = r.mu
}

// samePlace tells whether what is written to a and to b meets: on a terminal, in a file, or in a pipe.
func samePlace(a, b io.Writer) bool {
	f, ok1 := a.(*os.File)
	g, ok2 := b.(*os.File)
	if !ok1 || !ok2 {
		return false
	}
	if isTerminal(f) && isTerminal(g) { // one person has one terminal, though it has several names
		return true
	}
	fi, err1 := f.Stat()
	gi, err2 := g.Stat()
	return err1 == nil && err2 == nil && os.SameFile(fi, gi)
}

// hide adds a secret; what was written before is gone already.
func (r *redactor) hide(token source.Token) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens = append(r.tokens, token)
}

// Write passes on what cannot be part of a secret.
func (r *redactor) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.other != nil {
		r.other.release()
	}
	if r.err != nil {
		return 0, r.err
	}
	if len(r.tokens) == 0 {
		return r.w.Write(p)
	}
	r.buffer = append(append(append(r.buffer[:0], r.past...), r.held...), p...)
	keep := 0
	for _, t := range r.tokens {
		keep = max(keep, t.Begun(r.buffer))
	}
	if err := r.pass(r.buffer, max(len(r.past), len(r.buffer)-keep)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// pass writes text[len(past):end] without secrets and holds back the rest. A secret may begin before, in
// what was passed on.
func (r *redactor) pass(text []byte, end int) error {
	hidden := make([]bool, 0) // of the bytes of text; empty if none is
	for _, t := range r.tokens {
		t.Find(text, func(from, to int) {
			if len(hidden) == 0 {
				hidden = make([]bool, len(text))
			}
			for i := from; i < to; i++ {
				hidden[i] = true
			}
		})
	}
	from, out := len(r.past), text[len(r.past):end]
	if len(hidden) > 0 {
		out = nil
		for i := from; i < end; i++ {
			switch {
			case !hidden[i]:
				out = append(out, text[i])
			case !r.hiding:
				out = append(out, source.Token{}.String()...)
			}
			r.hiding = hidden[i]
		}
	} else if from < end {
		r.hiding = false
	}
	memory := 0
	for _, t := range r.tokens {
		memory = max(memory, t.Memory())
	}
	r.held = append(r.held[:0], text[end:]...)
	r.past = append(r.past[:0], text[max(0, end-memory):end]...)
	if len(out) == 0 {
		return nil
	}
	_, err := r.w.Write(out)
	return err
}

// release writes what was held back. Should a secret go on after it, the rest of it stays hidden.
func (r *redactor) release() {
	if len(r.held) == 0 || r.err != nil {
		return
	}
	r.buffer = append(append(r.buffer[:0], r.past...), r.held...)
	r.err = r.pass(r.buffer, len(r.buffer))
}

// clean is a whole text without secrets.
func (r *redactor) clean(text []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.tokens {
		text = t.Hide(text)
	}
	return text
}

// flush writes what was held back, at the end or where a person should see it.
func (r *redactor) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.release()
	return r.err
}
