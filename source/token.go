package source

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

const redacted = "REDACTED"

// leakLength is the shortest piece of a token that may not appear anywhere: a server that cuts its
// echo short still gives away most of the secret.
const leakLength = 12

// Token is the API's access token. Every way of printing, logging or marshalling it yields
// "REDACTED"; the secret lives behind a function, so that even %+v of a struct that holds a Token in
// an unexported field shows an address only. The zero value is an empty token.
type Token struct {
	reveal func() string
	scrub  *scrubber
}

// NewToken cuts white space around secret, wherever it came from: a token file usually ends in a
// newline, and an environment variable often does too.
func NewToken(secret string) Token {
	secret = strings.TrimSpace(secret)
	if secret == "" {
		return Token{}
	}
	return Token{reveal: func() string { return secret }, scrub: newScrubber(secret)}
}

// Empty reports whether there is no token.
func (t Token) Empty() bool { return t.secret() == "" }

// String, GoString, Format, MarshalText and LogValue never show the secret.
func (t Token) String() string               { return redacted }
func (t Token) GoString() string             { return redacted }
func (t Token) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, redacted) }
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (t Token) LogValue() slog.Value         { return slog.StringValue(redacted) }

// Scrub returns text without the token: raw, URL-escaped, hexadecimal or base64 at any alignment, and
// without any 12 characters of one of these. Whatever follows access_token= goes too.
func (t Token) Scrub(text string) string { return string(t.scrubBytes([]byte(text))) }

// Hide is Scrub for text that is not ours to change: it takes out the token and touches nothing else.
// It returns its argument when there is nothing to hide.
func (t Token) Hide(text []byte) []byte {
	if t.scrub == nil {
		return text
	}
	return t.scrub.clean(text)
}

// Find calls hit for each stretch of text that Hide would take out, in order. Stretches may overlap.
func (t Token) Find(text []byte, hit func(from, to int)) {
	if t.scrub != nil {
		t.scrub.find(text, hit)
	}
}

// Begun is how many bytes at the end of text may be the beginning of something that Hide would take out
// of a longer text; a JSON escape goes out as a whole.
func (t Token) Begun(text []byte) int {
	if t.scrub == nil {
		return 0
	}
	for n := t.Memory(); n > 0; n-- {
		if n > len(text) {
			continue
		}
		if _, ok := t.scrub.begins[string(text[len(text)-n:])]; ok {
			return len(text) - escape(text, len(text)-n)
		}
	}
	return len(text) - escape(text, len(text)) // half an escape
}

// Memory is how many bytes of a text have to be known to find what begins in them and ends later.
func (t Token) Memory() int {
	if t.scrub == nil {
		return 0
	}
	return max(t.scrub.longest-1, 0)
}

// mask writes stars over the token in text, which keeps its length.
func (t Token) mask(text []byte) {
	if t.scrub == nil {
		return
	}
	t.scrub.find(text, func(from, to int) {
		for i := from; i < to; i++ {
			text[i] = '*'
		}
	})
}

func (t Token) secret() string {
	if t.reveal == nil {
		return ""
	}
	return t.reveal()
}

// scrubBytes is Scrub; it returns its argument when there is nothing to hide.
func (t Token) scrubBytes(text []byte) []byte {
	text = t.Hide(text)
	if bytes.Contains(text, []byte("access_token")) {
		text = tokenParameter.ReplaceAll(text, []byte("${1}***"))
	}
	if bytes.Contains(text, []byte("@")) {
		text = userInfo.ReplaceAll(text, []byte("://***@"))
	}
	return text
}

var (
	tokenParameter = regexp.MustCompile(`(access_token(?:=|%3[dD]|\\u003[dD]))[^&\s"'<>\\]*`)
	userInfo       = regexp.MustCompile(`://[^/\s@"']+@`) // a proxy's password, for one
)

// scrubber finds every run of at least leakLength bytes of any form of a secret, in one pass over the
// text: a text is only compared in detail where two bytes match a piece's first two.
type scrubber struct {
	// pieces is what may not appear: every leakLength bytes of every form, and forms that are shorter.
	pieces            map[string]struct{}
	shortest, longest int // of them
	starts            [1 << 16]bool
	begins            map[string]struct{} // what any piece begins with
}

func newScrubber(secret string) *scrubber {
	s := &scrubber{pieces: map[string]struct{}{}, begins: map[string]struct{}{}, shortest: leakLength}
	add := func(piece string) {
		s.pieces[piece] = struct{}{}
		s.shortest, s.longest = min(s.shortest, len(piece)), max(s.longest, len(piece))
		s.starts[uint16(piece[0])<<8|uint16(piece[1])] = true
		for n := 1; n < len(piece); n++ {
			s.begins[piece[:n]] = struct{}{}
		}
	}
	for _, form := range forms(secret) {
		switch {
		case len(form) < 8:
			// Shorter than eight characters is not a secret (the public "demo"), and hiding it would maim
			// every innocent word around it.
		case len(form) < leakLength:
			add(form)
		}
		for i := 0; i+leakLength <= len(form); i++ {
			add(form[i : i+leakLength])
		}
	}
	return s
}

// forms lists how a secret may be spelt by whoever echoes it.
func forms(secret string) []string {
	query, path := url.QueryEscape(secret), url.PathEscape(secret)
	list := []string{secret, query, path, strings.ToLower(secret), strings.ToUpper(secret),
		lowerEscapes(query), lowerEscapes(path), url.QueryEscape(query),
		strings.ReplaceAll(secret, "/", `\/`),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	list = append(list, quotedForms(secret)...)
	// Base64 of a longer text that holds the secret depends on where it starts in it, modulo three.
	// The characters that also carry bits of a neighbour are left out.
	for shift := range 3 {
		padded := append(make([]byte, shift), secret...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(padded)
			from, to := (shift*8+5)/6, len(padded)*8/6
			if from < to {
				list = append(list, text[from:to])
			}
		}
	}
	seen, unique := map[string]bool{}, list[:0]
	for _, form := range list {
		if !seen[form] {
			seen[form] = true
			unique = append(unique, form)
		}
	}
	return unique
}

// quotedForms are how JSON holds s: as we write it, and with escapes for what HTML would mistake.
func quotedForms(s string) []string {
	forms := []string{s, s}
	if plain, err := jsonText(s); err == nil {
		forms[0] = string(plain[1 : len(plain)-1])
	}
	if escaped, err := json.Marshal(s); err == nil { //nolint:forbidigo // the escaped form is what is looked for
		forms[1] = string(escaped[1 : len(escaped)-1])
	}
	return forms
}

func lowerEscapes(s string) string {
	return percentEscape.ReplaceAllStringFunc(s, strings.ToLower)
}

var percentEscape = regexp.MustCompile(`%[0-9A-F]{2}`)

// clean returns text without any form, and text itself if it holds none.
func (s *scrubber) clean(text []byte) []byte {
	var out []byte
	done := 0 // text[:done] is in out, or hidden
	s.find(text, func(from, to int) {
		out = append(append(out, text[done:from]...), redacted...)
		done = to
	})
	if out == nil {
		return text
	}
	return append(out, text[done:]...)
}

// find calls hit for every stretch of text that has to go, in order.
func (s *scrubber) find(text []byte, hit func(from, to int)) {
	for i := 0; i+s.shortest <= len(text); i++ {
		if !s.starts[uint16(text[i])<<8|uint16(text[i+1])] {
			continue
		}
		end := i
		for n := s.shortest; n <= s.longest && i+n <= len(text); n++ {
			if s.has(text[i : i+n]) {
				end = i + n
			}
		}
		if end == i {
			continue
		}
		for end < len(text) && end-i >= leakLength && s.has(text[end-leakLength+1:end+1]) {
			end++
		}
		hit(escape(text, i), end)
		i = end - 1
	}
}

// escape is i, or the beginning of the JSON escape that text[i] is part of: half of one would make the
// text around it unreadable.
func escape(text []byte, i int) int {
	for at := i - 1; at >= 0 && at >= i-5; at-- {
		if text[at] != '\\' {
			continue
		}
		first := at
		for first > 0 && text[first-1] == '\\' {
			first--
		}
		if alone := (at-first)%2 == 0; alone && (at == i-1 || text[at+1] == 'u') {
			return at
		}
		break
	}
	return i
}

func (s *scrubber) has(piece []byte) bool {
	_, ok := s.pieces[string(piece)]
	return ok
}
