package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"

	"tw2parquet/source"
)

// leaks are the pieces of twelve characters of any form of a token that a text holds.
func leaks(text, token string) (pieces []string) {
	for _, form := range []string{token, url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte(token))} {
		for i := 0; i+12 <= len(form); i++ {
			if strings.Contains(text, form[i:i+12]) {
				pieces = append(pieces, form[i:i+12])
			}
		}
	}
	return pieces
}

// Whatever way the output is cut into writes, no twelve characters of any form of the secret come
// through, and everything else does.
func FuzzRedactor(f *testing.F) {
	const token = "s3cr3t+token/of=nobody"
	f.Add("before s3cr3t+token/of=nobody after", uint8(3))
	f.Add("s3cr3t+tokens3cr3t+token/of=nobody", uint8(1))
	f.Add("s3cr3t%2Btoken%2Fof%3Dnobody", uint8(5))
	f.Add("s3cr3t+tok", uint8(2))
	f.Add("token/of=nobodys3cr3t+token/of", uint8(4))
	f.Add(`{"s3cr3t\u002btoken\/of=nobody"}`, uint8(0))
	secret := source.NewToken(token)
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		var out bytes.Buffer
		r := newRedactor(&out)
		r.hide(secret)
		for rest := text; rest != ""; {
			n := min(len(rest), int(step%16)+1)
			if _, err := r.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := r.flush(); err != nil {
			t.Fatal(err)
		}
		if found := leaks(out.String(), token); found != nil {
			t.Errorf("%q came through in %q", found, out.String())
		}
		if !strings.Contains(out.String(), "REDACTED") && out.String() != text {
			t.Errorf("%q became %q", text, out.String())
		}
	})
}

// spoken is what reached one place from two streams.
type spoken struct {
	all     bytes.Buffer
	streams [2]bytes.Buffer
}

// mouth is one of the streams.
type mouth struct {
	s *spoken
	n int
}

func (m mouth) Write(p []byte) (int, error) {
	m.s.all.Write(p)
	return m.s.streams[m.n].Write(p)
}

// Two streams that end in one place come there in the order in which they were written, to the byte, and
// neither gives away twelve characters of the token, though what it held back went out early. Every
// other piece of a cut text goes to standard error.
func FuzzRedactor_TwoStreams(f *testing.F) {
	const token = "{KJHm[2s3cr3t+\"}\n0;of=nobody"
	f.Add("level=INFO msg=x 3 MiB/s", "{\"status\":\"complete\"}\n", []byte{5, 3, 1})
	f.Add(token, "in the middle of it", []byte{11, 4})
	f.Add(token+token, token, []byte{1})
	f.Add("line\n{", "{KJH", []byte{2, 7})
	f.Add("{KJHm[2s3cr", "3t+\"}\n0;of=nobody", []byte{20})
	secret := source.NewToken(token)
	f.Fuzz(func(t *testing.T, first, second string, cuts []byte) {
		s := &spoken{}
		streams := [2]*redactor{newRedactor(mouth{s, 0}), newRedactor(mouth{s, 1})}
		streams[0].join(streams[1])
		for _, r := range streams {
			r.hide(secret)
		}
		var want bytes.Buffer
		rest := [2]string{first, second}
		for i := 0; rest[0]+rest[1] != ""; i++ {
			n := 1
			if len(cuts) > 0 {
				n += int(cuts[i%len(cuts)] % 32)
			}
			n = min(n, len(rest[i%2]))
			piece := rest[i%2][:n]
			rest[i%2] = rest[i%2][n:]
			want.WriteString(piece)
			if _, err := streams[i%2].Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range streams {
			if err := r.flush(); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(s.all.String(), "REDACTED") && s.all.String() != want.String() {
			t.Errorf("%q became %q", want.String(), s.all.String())
		}
		for i, text := range []string{first, second} {
			got := s.streams[i].String()
			if found := leaks(got, token); found != nil {
				t.Errorf("%q came through in %q", found, got)
			}
			if secret.Scrub(text) == text && !strings.Contains(got, "REDACTED") && got != text {
				t.Errorf("%q became %q", text, got)
			}
		}
	})
}

func TestRedactor_HidesTheRestOfASecretThatWasInterrupted(t *testing.T) {
	const token = "0123456789abcdefghijklmnopqrst"
	for cut := 1; cut < len(token); cut++ {
		s := &spoken{}
		out, errs := newRedactor(mouth{s, 0}), newRedactor(mouth{s, 1})
		out.join(errs)
		for _, r := range []*redactor{out, errs} {
			r.hide(source.NewToken(token))
		}
		for _, w := range []struct {
			r    *redactor
			text string
		}{{errs, "<" + token[:cut]}, {out, "result\n"}, {errs, token[cut:] + ">\n"}} {
			if _, err := w.r.Write([]byte(w.text)); err != nil {
				t.Fatal(err)
			}
		}
		shown := token[:cut] // short of what counts as a leak, it may be an innocent word
		if cut >= 12 {
			shown = "REDACTED"
		}
		want := "<" + shown + "result\n" + strings.TrimPrefix("REDACTED>\n", shown)
		if got := s.all.String(); got != want {
			t.Errorf("cut at %d: %q, want %q", cut, got, want)
		}
	}
}

func TestSamePlace(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.OpenFile(dir+"/"+name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, again, b := open("a"), open("a"), open("b")
	if !samePlace(a, again) || samePlace(a, b) || samePlace(a, &bytes.Buffer{}) || samePlace(&bytes.Buffer{}, &bytes.Buffer{}) {
		t.Error("one file is one place, two are two")
	}
}

// The seeds of the fuzz test are few, and its inputs seldom hold a piece of the token; these do.
func TestRedactor_TwoStreamsAtRandom(t *testing.T) {
	const token = "{KJHm[2s3cr3t+\"}\n0;of=nobody"
	secret := source.NewToken(token)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		s := &spoken{}
		streams := [2]*redactor{newRedactor(mouth{s, 0}), newRedactor(mouth{s, 1})}
		streams[0].join(streams[1])
		var written [2]string
		all := ""
		for _, r := range streams {
			r.hide(secret)
		}
		for range 1 + random.IntN(8) {
			i, from := random.IntN(2), random.IntN(len(token))
			piece := token[from : from+random.IntN(len(token)-from)+1]
			if random.IntN(3) == 0 {
				piece += "\n"
			}
			written[i] += piece
			all += piece
			if _, err := streams[i].Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range streams {
			if err := r.flush(); err != nil {
				t.Fatal(err)
			}
		}
		for i := range streams {
			got := s.streams[i].String()
			if found := leaks(got, token); found != nil {
				t.Fatalf("%q of %q came through in %q", found, written[i], got)
			}
			if hides := secret.Scrub(written[i]) != written[i]; hides != strings.Contains(got, "REDACTED") {
				t.Fatalf("%q became %q", written[i], got)
			}
		}
		if got := s.all.String(); !strings.Contains(got, "REDACTED") && got != all {
			t.Fatalf("%q became %q", all, got)
		}
	}
}

// An escape that a secret begins in the middle of goes with it, or the line is JSON no more.
func TestRedactor_LeavesJSONReadable(t *testing.T) {
	const token, text = "nobody-knows-it", `{"a":"\nobody-knows-it","b":"\u006eobody-knows-it"}`
	for cut := range len(text) {
		var out bytes.Buffer
		r := newRedactor(&out)
		r.hide(source.NewToken(token))
		for _, piece := range []string{text[:cut], text[cut:]} {
			if _, err := r.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.flush(); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out.Bytes()) || leaks(out.String(), token) != nil {
			t.Errorf("cut at %d: %s", cut, out.String())
		}
	}
}
