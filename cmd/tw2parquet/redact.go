package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/url"
	"sync"
)

// redactor is the last wall between the token and whoever reads our output: errors and logs are
// made without it, and should one hold it all the same, it stops here. It replaces the token, its
// URL-escaped and its base64 forms, however they are split over writes: the end of a write that
// could be the beginning of a secret is held back until it is clear.
type redactor struct {
	mu      sync.Mutex
	w       io.Writer
	secrets [][]byte
	held    []byte
}

func newRedactor(w io.Writer) *redactor { return &redactor{w: w} }

var redacted = []byte("REDACTED")

// minSecret is the shortest string worth hiding: shorter ones would only mangle ordinary text.
const minSecret = 4

// hide adds a secret; what was written before is gone already.
func (r *redactor) hide(token string) {
	if len(token) < minSecret {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, form := range []string{
		token, url.QueryEscape(token), url.PathEscape(token),
		base64.StdEncoding.EncodeToString([]byte(token)), base64.RawStdEncoding.EncodeToString([]byte(token)),
		base64.URLEncoding.EncodeToString([]byte(token)), base64.RawURLEncoding.EncodeToString([]byte(token)),
	} {
		r.secrets = append(r.secrets, []byte(form))
	}
}

// Write passes on what cannot be part of a secret.
func (r *redactor) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.secrets) == 0 && len(r.held) == 0 {
		return r.w.Write(p)
	}
	text := r.clean(append(r.held, p...))
	keep := 0
	for _, s := range r.secrets {
		for n := min(len(s)-1, len(text)); n > keep; n-- {
			if bytes.HasSuffix(text, s[:n]) {
				keep = n
				break
			}
		}
	}
	// Text that ends a line cannot begin a secret: no token holds a newline.
	out := text[:len(text)-keep]
	r.held = append([]byte(nil), text[len(text)-keep:]...)
	if _, err := r.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// clean is a whole text without secrets.
func (r *redactor) clean(text []byte) []byte {
	for _, s := range r.secrets {
		text = bytes.ReplaceAll(text, s, redacted)
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
