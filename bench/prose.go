package bench

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// prose is what people wrote, by language: the documentation that lies on this machine. Made-up texts compress
// faster than it does, so a race on them alone would flatter.
type prose map[string]*stock // by the language's code

// stock holds the texts of one language as sentences, in the order they were written within a file. A corpus
// takes one after the other, so that none comes again before all others have.
type stock struct {
	sentences []sentence
	size      int
	next      int // sentence
	began     int // where the last document began
}

// sentence is a piece of a text, already escaped as the inside of a JSON string.
type sentence struct {
	text string
	last bool // of its paragraph
}

const (
	// leastProse is less than a corpus could be made of without repeating itself all the time.
	leastProse = 1 << 20
	// largestText bounds a file; what is larger is a table or a log.
	largestText = 2 << 20
)

// library is a folder with texts of people.
type library struct {
	dir  string
	pick func(name string) format // nil: not a text
}

// libraries are where such texts usually lie: what Go's modules, Debian's, npm's and Python's packages bring
// along, and Go's own comments.
func libraries() []library {
	var found []library
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOMODCACHE").Output(); err == nil {
		if dirs := strings.Split(string(out), "\n"); len(dirs) > 1 {
			found = append(found, library{filepath.Join(dirs[0], "src"), goFile}, library{dirs[1], readme})
		}
	}
	found = append(found, library{"/usr/share/doc", readme}, library{"/usr/share/man", manual})
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/nowhere"
	}
	for _, pattern := range []string{
		"/usr/lib/node_modules", "/usr/local/lib/node_modules", "/usr/share/nodejs",
		"/usr/lib/python3/dist-packages", "/usr/local/lib/python3*/*-packages",
		filepath.Join(home, ".local/lib/python3*/site-packages"), filepath.Join(home, ".pyenv/versions/*/lib/python3*/site-packages"),
	} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, dir := range dirs {
			found = append(found, library{dir, readme})
		}
	}
	return found
}

// readProse reads the libraries. Files are taken in sorted order and then shuffled by the seed; a paragraph that
// was met before, such as a licence or another version of the same page, is left out.
func readProse(libraries []library, seed uint64) (prose, error) {
	type text struct {
		code      string
		sentences []sentence
	}
	var texts []text
	seen := map[uint64]bool{}
	for _, l := range libraries {
		err := filepath.WalkDir(l.dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // what cannot be read is not a text of ours
			}
			format := l.pick(name)
			if format == nil {
				return nil
			}
			content, err := readText(name)
			if err != nil {
				return nil
			}
			byLanguage := map[string][]sentence{}
			var codes []string
			for _, paragraph := range format(content) {
				h := fnv.New64a()
				io.WriteString(h, paragraph) //nolint:errcheck // a hash takes everything
				if seen[h.Sum64()] {
					continue
				}
				seen[h.Sum64()] = true
				code := languageOf(paragraph)
				if code == "" {
					continue
				}
				if byLanguage[code] == nil {
					codes = append(codes, code)
				}
				byLanguage[code] = append(byLanguage[code], sentencesOf(paragraph)...)
			}
			for _, code := range codes {
				texts = append(texts, text{code, byLanguage[code]})
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read texts in %s: %w", l.dir, err)
		}
	}
	r := rng(seed)
	for i := len(texts) - 1; i > 0; i-- {
		j := r.below(i + 1)
		texts[i], texts[j] = texts[j], texts[i]
	}
	p, total := prose{}, 0
	for _, t := range texts {
		s := p[t.code]
		if s == nil {
			s = &stock{}
			p[t.code] = s
		}
		for _, one := range t.sentences {
			s.size += len(one.text)
			total += len(one.text)
		}
		s.sentences = append(s.sentences, t.sentences...)
	}
	if total < leastProse {
		return nil, fmt.Errorf("read real texts: this machine has %d bytes of prose in its documentation, of %d that are needed", total, leastProse)
	}
	return p, nil
}

var errNotText = errors.New("not a text")

// readText reads a file of UTF-8, unpacked if it is a gzip.
func readText(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var r io.Reader = f
	if filepath.Ext(name) == ".gz" {
		if r, err = gzip.NewReader(f); err != nil {
			return "", err
		}
	}
	content, err := io.ReadAll(io.LimitReader(r, largestText+1))
	if err == nil && (len(content) > largestText || !utf8.Valid(content)) {
		err = errNotText
	}
	return string(content), err
}

// shares spreads the languages over a thousand places as there is prose in them.
func (p prose) shares(languages []language) (places []int) {
	total := 0
	for _, s := range p {
		total += s.size
	}
	for i, l := range languages {
		if s := p[l.code]; s != nil {
			for range 1000 * s.size / total {
				places = append(places, i)
			}
		}
	}
	return places
}

// begin starts a document; again, with the texts of the one before.
func (s *stock) begin(again bool) {
	if again {
		s.next = s.began
	}
	s.began = s.next
}

func (s *stock) take() sentence {
	one := s.sentences[s.next%len(s.sentences)]
	s.next++
	return one
}

// quote appends about size bytes of texts of the stock.
func (w *writer) quote(dst []byte, s *stock, size int) []byte {
	start := len(dst)
	w.spans, w.words = w.spans[:0], 0
	for len(dst)-start < size {
		one := s.take()
		from := len(dst)
		dst = append(dst, one.text...)
		w.spans = append(w.spans, span{from, len(dst)})
		w.words += 1 + strings.Count(one.text, " ")
		if one.last {
			dst = append(dst, `\n\n`...)
		} else {
			dst = append(dst, ' ')
		}
	}
	return dst
}

// headline appends the beginning of a sentence.
func (w *writer) headline(dst []byte, r *rng, s *stock) []byte {
	text := []byte(s.take().text)
	at := cut(text, r.between(25, 90))
	if blank := strings.LastIndexByte(string(text[:at]), ' '); blank > 0 && at < len(text) {
		at = blank
	}
	return append(dst, text[:at]...)
}
