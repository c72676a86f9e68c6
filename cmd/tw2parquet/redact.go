package main

import (
	"io"
	"sync"

	"tw2parquet/source"
)

// redactor is the last wall between the token and whoever reads our output: errors and logs are
// made without it, and should one hold it all the same, it stops here. It takes out the token in
// every spelling, and any longer piece of it, however they are split over writes: the end of a write
// that could be the beginning of a secret is held back until it is clear.
type redactor struct {
	mu     sync.Mutex
	w      io.Writer
	tokens []source.Token
	held   []byte
}

func newRedactor(w io.Writer) *redactor { return &redactor{w: w} }

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
	if len(r.tokens) == 0 {
		return r.w.Write(p)
	}
	text, keep := r.clean(append(r.held, p...)), 0
	for _, t := range r.tokens {
		keep = max(keep, t.Begun(text))
	}
	out := text[:len(text)-keep]
	r.held = append([]byte(nil), text[len(text)-keep:]...)
	if _, err := r.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// clean is a whole text without secrets.
func (r *redactor) clean(text []byte) []byte {
	for _, t := range r.tokens {
		text = t.Hide(text)
	}
	return text
}

// flush writes what was held back; nothing comes after it.
func (r *redactor) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.held
	r.held = nil
	if len(out) == 0 {
		return nil
	}
	_, err := r.w.Write(out)
	return err
}
